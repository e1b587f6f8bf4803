"""Any file as `.env`: it gives settings, or one sentence that says what to mend and quotes no value."""

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mta_weekly.errors import BadArgument
from mta_weekly.settings import Settings, read_settings
from tries import tries

few = settings(max_examples=tries(1000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SECRET = "Zaunkoenig7281mVq"
NAMES = [
    *(f"MTA_{name.upper()}" for name in Settings.model_fields),
    "mta_lake",
    "MTA_LAKES",
    "export MTA_LAKE",
    "X",
    "",
]
VALUES = [
    "", "0", "-1", "7", "1e3", "1e999", "nan", "inf", "\u0667", "9" * 5_000, "0x1A", "1_000", "true", "None", "null",
    "~",
    "~nobody-of-this/x", "/", "a b", "a#b", "a #b", "$HOME", "${HOME}", "${MTA_LAKE}", "${", "${X:-y}",
    "gcs-bucket/blk",
    "gcs-bucket/a#b", "gs://x", "http://a.example/x/", "http://xn--zz", f"https://me:{SECRET}@h/",
    f"https://h/?{SECRET}",
    f"ftp://{SECRET}", SECRET, f"{SECRET}\u00e9", f"{SECRET} \x07", "x" * 9_000, "\x00", "\x1b[31m", "\u202e", "\ufeff",
]  # fmt: skip
MARKS = [
    "'",
    '"',
    "\\",
    "\\n",
    "\\x",
    "\\u00zz",
    "\n",
    "\r\n",
    "\r",
    "=",
    "#",
    " ",
    "\t",
    "\v",
    "\u2028",
    "\x85",
    "export ",
    ":",
]
words = st.sampled_from(VALUES) | st.text(max_size=5)
lines = st.one_of(
    st.builds("{}={}".format, st.sampled_from(NAMES), words),
    st.builds("{0}={1}{2}{1}".format, st.sampled_from(NAMES), st.sampled_from("'\""), words),
    st.lists(words | st.sampled_from([*MARKS, *NAMES]), max_size=6).map("".join),
)
files = st.lists(st.tuples(lines, st.sampled_from(["\n", "\n", "\r\n", "\r", ""])).map("".join), max_size=5).map(
    "".join
)


@pytest.fixture
def dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `.env` is."""
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    return tmp_path / ".env"


@few
@given(files.map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=30))
def test_a_file_gives_settings_or_says_what_to_mend(
    dotenv: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    dotenv.write_bytes(content)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        try:
            read_settings()
        except BadArgument as error:
            said = str(error)
            assert said.isprintable(), repr(said)
            assert len(said) < 2_000
            assert SECRET not in said
    for line in caplog.messages:
        assert line.isprintable(), repr(line)
        assert len(line) < 200
        assert SECRET not in line


plain = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cf"], exclude_characters="'\\$"), min_size=1)


@few
@given(
    plain.filter(str.isprintable), files.filter(lambda text: not {"'", '"'} & {*text} and "LAKE" not in text.upper())
)
def test_a_value_in_quotes_is_taken_as_it_stands_whatever_the_lines_around_it(
    dotenv: Path, lake: str, around: str
) -> None:
    dotenv.write_text(f"{around}\nMTA_LAKE='{lake}' # a lake\n{around}", newline="")
    try:
        taken = read_settings()
    except BadArgument:  # of a line around it
        dotenv.write_text(f"MTA_LAKE='{lake}'", newline="")
        taken = read_settings()
    assert taken.lake == lake
