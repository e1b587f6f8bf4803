"""What a collector gets of a run, by the names of docs/telemetry.md, and what a run without one makes of that."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collector import Collector, read_attributes
from conftest import FLOWS, HANGS, ONE_WEEK, WEEK, content, ended, expected, small_week, start
from mta_weekly.settings import VERSION
from papers import PAGES

PAGE = PAGES["docs/telemetry.md"]
ROWS = re.findall(r"^\| (`.*) \|$", PAGE, re.M)
CELLS = [[cell.strip() for cell in row.split("|")] for row in ROWS]
NAMES = re.compile(r"`([\w.]+)`")
ERROR = "error.type"


def read_table(columns: int) -> dict[str, list[str]]:
    """The rows of the table with so many columns, by what is named first."""
    return {NAMES.findall(cells[0])[0]: cells[1:] for cells in CELLS if len(cells) == columns}


def list_names(points: Any) -> set[str]:
    return {name for point in points for name in read_attributes(point)}


def test_a_collector_gets_what_the_page_lists(environment: dict[str, str], tmp_path: Path) -> None:
    """Of a run of two weeks, one of which is not published."""
    with Collector() as collector:
        on = {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        period = ["--start", "2024-01-06", "--end", "2024-01-13"]
        ran = ended(start([*period, "--lake", str(tmp_path / "lake")], on))
    assert ran.code == 1
    assert "telemetry" not in ran.err, ran.err
    assert content(tmp_path / "lake") == expected(small_week())

    spans: dict[str, set[str]] = {}
    for span in collector.spans:
        spans.setdefault(span.name, set()).update(read_attributes(span))
    assert ERROR in spans["fetch"]
    table = {name: set(NAMES.findall(attributes)) for name, (_, attributes) in read_table(3).items()}
    assert {name: found - {ERROR, "mta.outcome"} for name, found in spans.items()} == table
    explained = {name for name, cells in read_table(2).items() if name.startswith(("mta.", "error."))}
    assert explained == {*set().union(*spans.values()), "mta.outcome"}

    sent = {
        each.name: (f"`{each.unit}`", list_names(each.histogram.data_points)) for each in collector.metrics.values()
    }
    assert sent == {name: (unit, set(NAMES.findall(of))) for name, (unit, _, _, of) in read_table(5).items()}
    (rows,) = collector.metrics["mta.week.rows"].histogram.data_points
    (size,) = collector.metrics["mta.week.size"].histogram.data_points
    assert (rows.sum, size.sum) == (500, (tmp_path / "lake" / "turnstile" / f"{WEEK}.csv.gz").stat().st_size)

    landed = [span for span in collector.spans if read_attributes(span)["mta.week"] == WEEK]
    assert len({span.trace_id for span in landed}) == 1
    parents = {span.span_id: span.name for span in landed}
    below = [(span.name, parents.get(span.parent_span_id)) for span in landed]
    assert below == [("convert", "fetch"), ("check", "fetch"), ("fetch", None), ("judge", None), ("publish", None)]

    for resource in collector.resources:
        assert (resource["service.name"], resource["service.version"]) == ("mta-weekly-etl", VERSION)
    assert len({str(resource) for resource in collector.resources}) == 1
    everything = b"".join(collector.bodies)
    assert not re.search(rb"https?:|127\.0\.0\.1|%b" % re.escape(str(tmp_path).encode()), everything)


def test_a_collector_that_hangs_costs_a_run_a_line(environment: dict[str, str], tmp_path: Path) -> None:
    with Collector(hangs=True) as hanging:
        on = {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": hanging.url}
        ran = ended(start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], on))
        assert hanging.requests
    assert ran.code == 0, ran.err
    assert content(tmp_path / "lake") == expected(small_week())
    _, _, said, line = ran.err.splitlines()  # after the lake and the week
    assert said.endswith("1 week: 1 landed")
    assert "telemetry: not all could be sent within 3 s; look at OTEL_EXPORTER_OTLP_ENDPOINT" in line


@pytest.mark.parametrize(
    "endpoint", ["http://me:secret@127.0.0.1:9/secret", "secret nonsense", "file:///secret", "http://[secret"]
)
def test_a_collector_that_is_not_there_or_is_none_costs_a_line(endpoint: str) -> None:
    code = "from mta_weekly.telemetry import record_step; print(record_step(lambda: 42)())"
    on = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    ran = ended(
        subprocess.Popen(
            [sys.executable, "-c", code], env=on, cwd=FLOWS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    )
    assert (ran.code, ran.out) == (0, "42\n")
    (line,) = ran.err.splitlines()
    assert line.startswith("telemetry: ")
    assert "secret" not in line


def test_off_nothing_of_opentelemetry_is_loaded(environment: dict[str, str], tmp_path: Path) -> None:
    """By our modules none of it; by a run of the flow no more than an empty flow of Prefect's loads."""
    code = f"""
import importlib, pkgutil, sys

def loaded():
    return {{name for name in sys.modules if name.partition(".")[0] == "opentelemetry"}}

import mta_weekly
names = [each.name for each in pkgutil.walk_packages(mta_weekly.__path__, "mta_weekly.")]
others = ["orchestration", "read", "reading", "recorder"]  # what knows Prefect, what no load imports, what is meant
ours = [each for each in names if each.split(".")[1] not in others]
for name in ours:
    importlib.import_module(name)
assert len(ours) > 50, ours
assert "mta_weekly.load" in sys.modules and "prefect" not in sys.modules
assert not loaded(), loaded()

from prefect import flow
flow(lambda: 1, name="empty")()
empty = loaded()
import etl_web_to_gcs
state = etl_web_to_gcs.main_flow(year=2024, month=1, day=6, lake={str(tmp_path / "lake")!r}, return_state=True)
assert state.is_completed(), state
assert loaded() == empty, loaded() - empty
assert not any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in empty)
assert "mta_weekly.recorder" not in sys.modules
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=FLOWS,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS,
    )
    assert ran.returncode == 0, ran.stderr
    assert content(tmp_path / "lake") == expected(small_week())
