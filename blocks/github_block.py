"""Register the repository the flows are fetched from, for machines without Docker, as a GitHub block.

    python blocks/github_block.py --block_name N --repository https://github.com/USER/REPOSITORY [--reference v1]
        [--token-env VARIABLE]

An agent clones it for every run, so `git` must be on its machine. A private repository needs a token that may read it.
"""

import argparse
import re
from collections.abc import Sequence

import script_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
from prefect.filesystems import GitHub
from pydantic.v1 import SecretStr

from mta_weekly.errors import BadArgument


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = script_steps.parser("Register the repository the flows are fetched from.", __file__)
    made.add_argument("--block_name", type=script_steps.block_name, required=True, metavar="N", help="the block's name")
    made.add_argument(
        "--repository", type=repository, required=True, metavar="URL", help="its address, over https or ssh"
    )
    made.add_argument(
        "--reference", type=reference, metavar="R", help="a branch or tag; default: the repository's default branch"
    )
    made.add_argument(
        "--token-env", metavar="VARIABLE", help="the variable that holds the token of a private repository"
    )
    return made


def repository(url: str) -> str:
    """A repository's address that git can only take for one. What is refused is not shown: it may hold a password."""
    user, host, path = r"[\w.][\w.-]*@", r"\w[\w.-]*", r"[\w./~+-]+"
    forms = (
        rf"https?://{host}(:\d+)?/{path}",
        rf"ssh://({user})?{host}(:\d+)?/{path}",
        rf"file://{path}",
        user + host + ":" + path,
    )
    if not any(re.fullmatch(form, url) for form in forms):
        raise argparse.ArgumentTypeError(
            "must be an address such as https://github.com/USER/REPOSITORY, without a user, password or token"
        )
    return url


def reference(name: str) -> str:
    """A branch or tag that git can take for nothing else, least of all for an option (CVE-2026-3515 was that)."""
    # The rules of `git check-ref-format`, narrower.
    if not re.fullmatch(r"[A-Za-z0-9_][\w./+-]*", name) or re.search(r"\.\.|//|/\.|[./]$|\.lock$", name):
        raise argparse.ArgumentTypeError(f"{name!r} is no branch or tag")
    if re.fullmatch(r"[0-9a-f]{40}", name):
        raise argparse.ArgumentTypeError(
            f"{name!r} is a commit, which git cannot clone by name: give a branch or a tag"
        )
    return name


def build_block(options: argparse.Namespace) -> GitHub:
    """The block.

    Raises:
        BadArgument: the token's variable is not set, or the repository takes no token.
    """
    token = None
    if options.token_env:
        if not options.repository.startswith("https://"):
            raise BadArgument(f"--token-env: a token goes with an https:// address, not with {options.repository}.")
        token = SecretStr(script_steps.secret_of(options.token_env))
    return GitHub(repository=options.repository, reference=options.reference, access_token=token)


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    block = build_block(options)

    async def register() -> None:
        await block.save(options.block_name, overwrite=True)

    at = f" at {block.reference}" if block.reference else ""
    token = ", with a token" if options.token_env else ""
    return [script_steps.Step("register", f"github/{options.block_name}: {block.repository}{at}{token}", register)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
