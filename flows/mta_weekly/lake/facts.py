"""Facts: what is known of an object or a companion, and rides on it. Knows no lake, no feed and no source."""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mta_weekly.errors import LakeFailed

DIGEST = 16  # hexadecimal digits of a sha256 in the name of a companion
# rejected/FEED/yyMMdd-DIGEST.csv.gz, held/FEED/yyMMdd-DIGEST.csv.gz, history/FEED/yyMMdd-REVISION-DIGEST.csv.gz
COMPANION = re.compile(
    r"(?:^|/)(?P<kind>rejected|held|history)/(?P<feed>[^/]+)/(?P<week>\d{6})-(?:(?P<revision>[1-9]\d*)-)?"
    rf"(?P<digest>[0-9a-f]{{{DIGEST}}})\.csv\.gz$"
)
LARGEST = 8192  # bytes of names and values, all that a bucket keeps with an object
# Bytes of what comes from outside, so that all fits.
LONGEST_URL, LONGEST_COLUMNS, LONGEST_ENDED, LONGEST_SERIES, LONGEST_NAME, LONGEST_WHY = 1600, 800, 300, 500, 100, 500
LONGEST_ACCEPTED = 300  # of each text, as JSON
CUT = "..."


def _from_text(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value  # metadata of a bucket is text


def _to_text(value: Any, indent: int | None = None) -> str:
    """As JSON: letters as they are, but for halves of one, which no UTF-8 has."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def _measure(value: Any) -> int:
    return len(_to_text(value).encode())


def _cut_text(longest: int) -> Callable[[Any], Any]:
    def cut(value: Any) -> Any:
        is_long = isinstance(value, str) and len(value.encode()) > longest
        return value.encode()[: longest - len(CUT)].decode(errors="ignore") + CUT if is_long else value

    return cut


def _cut_names(longest: int) -> Callable[[Any], Any]:
    def cut(value: Any) -> Any:
        names = _from_text(value)
        if not isinstance(names, list | tuple) or _measure(names) <= longest:
            return names
        kept: list[str] = []
        for name in (str(name)[:LONGEST_NAME] for name in names):
            if _measure([*kept, name, CUT]) > longest:
                break
            kept.append(name)
        return [*kept, CUT]

    return cut


def _cut_series(value: Any) -> Any:
    rows = _from_text(value)
    return {} if isinstance(rows, dict) and _measure(rows) > LONGEST_SERIES else rows


def _cut_accepted(value: Any) -> Any:
    said = _from_text(value)
    return {name: _cut_json(text) for name, text in said.items()} if isinstance(said, dict) else said


def _cut_json(text: Any) -> Any:
    if not isinstance(text, str) or _measure(text) <= LONGEST_ACCEPTED:
        return text
    text = text[:LONGEST_ACCEPTED]
    while _measure(text + CUT) > LONGEST_ACCEPTED:
        text = text[:-1]
    return text + CUT


def _of_length(length: int) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
    def check(counts: tuple[int, ...]) -> tuple[int, ...]:
        if counts and len(counts) != length:
            raise ValueError(f"{len(counts)} counts instead of {length}")
        return counts

    return check


Count = Annotated[int, Field(ge=0, lt=1 << 63)]  # weeks are compared by them, whoever wrote them


class Facts(BaseModel):
    """What rides on an object: where it came from, what is in it, when and by which run it was loaded.

    Days are ISO dates, `loaded_at` an ISO time in UTC, `crc32c` base64, `sha256` that of the unpacked content in hex.
    `source`, `empty` (values, by column, those of the key among them) and `sums` (by column) came with 0.4.0;
    `unknown_columns` (of the source, not loaded) and `out_of_date` (whether the source said that it was) with 0.7.0;
    `rejected` and `replaces` (names of companions), `revision` (1, 2, ...) and `landed_at` (when this content did) with
    0.8.0; with 0.9.0 `day_rows` (7), `hour_rows` (24), `keys`, `doubled_keys` and `series_rows` (rows by mode), of
    `content.profile`, `ended` (modes that the source says have ended) and `accepted` (why, when, by which run, where it
    does not look like its neighbours).
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    feed: str
    week: str
    source: str = ""
    source_url: Annotated[str, BeforeValidator(_cut_text(LONGEST_URL))]
    source_etag: str
    source_last_modified: str
    source_bytes: int
    rows: Count
    bad_rows: Count
    first_day: str
    last_day: str
    empty: Annotated[dict[str, int], BeforeValidator(_from_text)] = {}
    sums: Annotated[dict[str, int | float], BeforeValidator(_from_text)] = {}
    day_rows: Annotated[tuple[Count, ...], BeforeValidator(_from_text), AfterValidator(_of_length(7))] = ()
    hour_rows: Annotated[tuple[Count, ...], BeforeValidator(_from_text), AfterValidator(_of_length(24))] = ()
    keys: Count = 0
    doubled_keys: Count = 0
    series_rows: Annotated[dict[str, Count], BeforeValidator(_cut_series)] = {}
    ended: Annotated[tuple[str, ...], BeforeValidator(_cut_names(LONGEST_ENDED))] = ()
    accepted: Annotated[dict[str, str], BeforeValidator(_cut_accepted)] = {}
    unknown_columns: Annotated[tuple[str, ...], BeforeValidator(_cut_names(LONGEST_COLUMNS))] = ()
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
    def read(cls, said: Any, key: str, size: int, crc32c: str | None) -> "Facts | None":
        """The facts as stored, or None where some are missing or they speak of another file or another week.

        Of a file that was not read, `crc32c` is None: then they are taken at their word where its size fits.
        """
        facts = cls.read_of_any(said, key)
        if facts is None or facts.size != size:
            return None
        return facts if crc32c in (None, facts.crc32c) else None

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

    def as_text(self) -> str:
        """As a folder holds them."""
        return _to_text(self.model_dump(mode="json"), indent=1) + "\n"

    def as_metadata(self) -> dict[str, str]:
        """As a bucket holds them: all values text; what is no text is JSON.

        Raises:
            LakeFailed: they are more than a bucket keeps. Those of no feed here can be.
        """
        values = self.model_dump(mode="json").items()
        said = {name: value if isinstance(value, str) else _to_text(value) for name, value in values}
        size = sum(len(text.encode(errors="surrogatepass")) for each in said.items() for text in each)
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
        looked_at: of a held week: when a run last found it so at its source, and held it.
    """

    of: str
    why: Annotated[str, BeforeValidator(_cut_text(LONGEST_WHY))]
    last_seen: str
    looked_at: str = ""
