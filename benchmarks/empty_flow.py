"""A flow that does nothing: what starting Prefect costs, the floor under every other figure."""

from prefect import flow


@flow
def empty_flow() -> None:
    """Does nothing."""


if __name__ == "__main__":
    empty_flow()
