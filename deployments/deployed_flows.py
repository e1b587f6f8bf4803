"""The flows as Prefect's API is told of them: name, purpose, and the schema of their parameters, with its limits.

The limits are those of the flows, which say more of a fault; here Prefect's form shows them, and its API holds to them.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from prefect import Flow
from prefect.utilities.callables import parameter_schema

from etl_web_to_gcs import main_flow
from mta_weekly.feeds.catalog import AUTO, CHOICES, FEEDS
from mta_weekly.feeds.plans import LONGEST_WHY
from mta_weekly.feeds.weeks import LAST_DAY
from mta_weekly.options import MOST
from mta_weekly.settings import LONGEST
from watch import freshness_flow

MOST_WEEKS = 5_200  # a hundred years
LIMITS: dict[str, dict[str, Any]] = {  # by parameter, in the words of JSON Schema
    "year": {"minimum": 0, "maximum": LAST_DAY.year},
    "month": {"minimum": 0, "maximum": 12},
    "day": {"minimum": 0, "maximum": 31},
    "concurrency": {"minimum": 1, "maximum": MOST},
    "catch_up": {"minimum": 1, "maximum": MOST_WEEKS},
    "allow_bad_rows": {"minimum": 0, "maximum": MOST},
    "accept": {"maxLength": LONGEST_WHY},
    "part_timeout": {"minimum": 0, "maximum": LONGEST},  # and not 0: the API takes draft 4, which has no such number
}


@dataclass(frozen=True)
class Code:
    """What Prefect's API is told of a flow.

    Attributes:
        description: what it is for, and of its parameters what their own help says again.
        schema: of its parameters, as Prefect makes it.
        entrypoint: its file in the flows' folder, and its name there.
    """

    name: str
    description: str
    schema: dict[str, Any]
    entrypoint: str = ""

    @classmethod
    def of(cls, flow: Flow[..., Any], entrypoint: str = "") -> "Code":
        """That of a flow which is loaded."""
        return cls(flow.name, flow.description or "", parameter_schema(flow).dict(), entrypoint)

    @property
    def purpose(self) -> str:
        """What it is for, without its parameters, whose help stands in the schema."""
        return self.description.partition("\n\nArgs:")[0]

    @property
    def limited_schema(self) -> dict[str, Any]:
        """The schema with the limits of those parameters that it has, its feeds as a choice, and no unknown names."""
        schema = deepcopy(self.schema) | {"additionalProperties": False}
        for name, parameter in schema["properties"].items():
            parameter |= LIMITS.get(name, {})
            if name == "feed":
                parameter["enum"] = [*CHOICES] if parameter.get("default") == AUTO else ["", *FEEDS]
        return schema


OURS = Code.of(main_flow, "etl_web_to_gcs.py:main_flow")
WATCH = Code.of(freshness_flow, "watch.py:freshness_flow")
