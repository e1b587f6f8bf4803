"""Facts: what is known of an object or a companion, and rides on it. Knows no lake, no feed and no source."""

import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mta_weekly.errors import LakeFailed

DIGEST = 16  # hexadecimal digits of a sha256 in the name of a companion
# rejected/FEED/yyMMdd-DIGEST.csv.gz, history/FEED/yyMMdd-REVISION-DIGEST.csv.gz
COMPANION = re.compile(
    r"(?:^|/)(?P<kind>rejected|history)/(?P<feed>[^/]+)/(?P<week>\d{6})-(?:(?P<revision>[1-9]\d*)-)?"
    rf"(?P<digest>[0-9a-f]{{{DIGEST}}})\.csv\.gz$"
)
LARGEST = 8192  # bytes of names and values, all that a bucket keeps with an object
LONGEST_URL, LONGEST_COLUMNS, LONGEST_NAME = 2000, 1500, 100  # bytes of what comes from outside, so that all fits
CUT = "..."


def _from_text(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value  # metadata of a bucket is text


def _cut_url(value: Any) -> Any:
    is_long = isinstance(value, str) and len(value.encode()) > LONGEST_URL
    return value.encode()[: LONGEST_URL - len(CUT)].decode(errors="ignore") + CUT if is_long else value


def _cut_columns(value: Any) -> Any:
    names = _from_text(value)
    if not isinstance(names, list | tuple) or len(json.dumps(names)) <= LONGEST_COLUMNS:
        return names
    kept: list[str] = []
    for name in (str(name)[:LONGEST_NAME] for name in names):
        if len(json.dumps([*kept, name, CUT])) > LONGEST_COLUMNS:
            break
        kept.append(name)
    return [*kept, CUT]


class Facts(BaseModel):
    """What rides on an object: where it came from, what is in it, when and by which run it was loaded.

    Days are ISO dates, `loaded_at` an ISO time in UTC, `crc32c` base64, `sha256` that of the unpacked content in hex.
    `source`, `empty` (values, by column) and `sums` (by column) came with 0.4.0; `unknown_columns` (of the source, not
    loaded) and `out_of_date` (whether the source said that it was) with 0.7.0; `rejected` and `replaces` (names of
    companions), `revision` (1, 2, ...) and `landed_at` (when this content did) with 0.8.0.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    feed: str
    week: str
    source: str = ""
    source_url: Annotated[str, BeforeValidator(_cut_url)]
    source_etag: str
    source_last_modified: str
    source_bytes: int
    rows: int
    bad_rows: int
    first_day: str
    last_day: str
    empty: Annotated[dict[str, int], BeforeValidator(_from_text)] = {}
    sums: Annotated[dict[str, int | float], BeforeValidator(_from_text)] = {}
    unknown_columns: Annotated[tuple[str, ...], BeforeValidator(_cut_columns)] = ()
    out_of_date: bool = False
    rejected: str = ""
    replaces: str = ""
    revision: Annotated[int, Field(ge=1)] = 1
    landed_at: str = ""
    size: int
    crc32c: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # a part of it names companions
    loaded_at: str
    flow_run_id: str
    version: str

    @classmethod
    def read(cls, said: Any, key: str, size: int, crc32c: str) -> "Facts | None":
        """The facts as stored, or None where some are missing or they speak of another file or another week."""
        facts = cls.read_of_any(said, key)
        return facts if facts and (facts.size, facts.crc32c) == (size, crc32c) else None

    @classmethod
    def read_of_any(cls, said: Any, key: str) -> "Facts | None":
        """Facts of the same week, whichever file they speak of."""
        companion = COMPANION.search(key)
        try:
            facts: Facts = (CompanionFacts if companion else Facts).model_validate(said)
        except (ValidationError, RecursionError):
            return None
        own = f"{facts.feed}/{facts.week}"
        if companion:
            named = companion["feed"] + "/" + companion["week"] == own and facts.sha256.startswith(companion["digest"])
        else:
            named = key.endswith(f"{own}.csv.gz")
        return facts if named else None

    def as_metadata(self) -> dict[str, str]:
        """As a bucket holds them: all values text; what is no text is JSON.

        Raises:
            LakeFailed: they are more than a bucket keeps. Those of no feed here can be.
        """
        values = self.model_dump(mode="json").items()
        said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values}
        size = sum(len(name.encode()) + len(value.encode()) for name, value in said.items())
        if size > LARGEST:
            raise LakeFailed(
                f"the facts of {self.feed} {self.week} have {size:,} bytes, and a bucket keeps {LARGEST:,}"
            )
        return said


class CompanionFacts(Facts):
    """What rides on a companion: the facts of the object it belongs to, with the sums of its own file.

    Attributes:
        of: sha256 of the content of that object, which for a replaced one is the companion's own.
        why: it was set aside.
        last_seen: when a run last had the same to set aside; ISO, UTC.
    """

    of: str
    why: str
    last_seen: str
