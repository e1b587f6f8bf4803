"""The decorator of telemetry: off it is not there, on it changes nothing and tells what happened."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mta_weekly import recorder
from mta_weekly.errors import Refused, Unchanged
from mta_weekly.settings import VERSION
from mta_weekly.telemetry import record_step

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


async def double_later(number: int) -> int:
    """Twice the number, in time."""
    await asyncio.sleep(0)
    return 2 * number


@dataclass
class Told:
    """What the providers of this process were told."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    def take_span(self) -> ReadableSpan:
        """The only one since the last time."""
        (span,) = self.exporter.get_finished_spans()
        self.exporter.clear()
        return span

    def read_points(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """The sums of each metric, by attributes."""
        data = self.reader.get_metrics_data()
        parts = [metric for part in data.resource_metrics for scope in part.scope_metrics for metric in scope.metrics]
        return {each.name: [(dict(point.attributes), point.sum) for point in each.data.data_points] for each in parts}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Telemetry is on, in a process that has providers of its own."""
    told = Told(InMemorySpanExporter(), InMemoryMetricReader())
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([told.reader], shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(told.exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters)
    monkeypatch.setattr(recorder._first_fault, "said", False)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    recorder._make_instruments.cache_clear()
    yield told
    recorder._make_instruments.cache_clear()


@pytest.mark.parametrize("variables", [{}, {ENDPOINT: " "}, {ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "True"}])
def test_off_it_is_the_function_itself(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for function in (double, double_later):
        assert record_step(function) is function
        assert record_step(name="twice", about=lambda number: {"number": number})(function) is function


def test_a_function_and_a_coroutine_are_recorded_with_and_without_arguments(told: Told) -> None:
    named = record_step(name="twice", about=lambda number: {"rows": number}, result=lambda doubled: {"size": doubled})
    for function, name in ((double, "double"), (double_later, "double_later")):
        for recorded, step, more in (
            (record_step(function), name, {}),
            (named(function), "twice", {"mta.rows": 21, "mta.size": 42}),
        ):
            returned = recorded(21)
            assert (asyncio.run(returned) if asyncio.iscoroutine(returned) else returned) == 42
            assert (recorded.__name__, recorded.__doc__) == (name, function.__doc__)
            span = told.take_span()
            assert (span.name, dict(span.attributes or {})) == (step, {**more, "mta.outcome": "ok"})
            assert span.status.is_unset


def test_an_error_passes_as_it_is_and_only_its_class_is_told(told: Told) -> None:
    for error, is_fault in (Refused("secret"), True), (KeyboardInterrupt("secret"), True), (Unchanged("secret"), False):

        @record_step(about=lambda error: {"feed": "daily"}, result=lambda _: {"state": "landed", "rows": 1, "size": 1})
        def fail(error: BaseException) -> None:
            raise error

        with pytest.raises(type(error)) as raised:
            fail(error)
        assert raised.value is error
        span, outcome = told.take_span(), type(error).__name__
        wanted = {"mta.feed": "daily", "mta.outcome": outcome} | ({"error.type": outcome} if is_fault else {})
        assert dict(span.attributes or {}) == wanted
        assert (span.status.status_code is trace.StatusCode.ERROR) is is_fault
        assert "secret" not in span.to_json()
    (duration,) = told.read_points().values()  # and no rows of a week that was not published
    assert [attributes["mta.outcome"] for attributes, _ in duration] == ["Refused", "KeyboardInterrupt", "Unchanged"]


def test_a_step_within_a_step_is_a_part_of_it(told: Told) -> None:
    inner = record_step(name="inner")(double)
    assert record_step(name="outer")(lambda: inner(21))() == 42
    within, around = told.exporter.get_finished_spans()
    assert (within.name, around.name) == ("inner", "outer")
    assert within.parent == around.context


def test_a_week_that_was_put_somewhere_is_measured(told: Told) -> None:
    week = {"feed": "daily", "week": "240106", "rows": 49, "size": 900}
    record_step(name="publish", about=lambda _: week, result=lambda _: {"state": "landed"})(double)(21)
    points = told.read_points()
    of = {"mta.feed": "daily", "mta.state": "landed"}
    assert (points["mta.week.rows"], points["mta.week.size"]) == ([(of, 49)], [(of, 900)])
    ((attributes, seconds),) = points["mta.step.duration"]
    assert attributes == {"mta.step": "publish", "mta.feed": "daily", "mta.outcome": "ok"}
    assert 0 < seconds < 60


def test_the_environment_names_who_records(monkeypatch: pytest.MonkeyPatch) -> None:
    own = recorder.make_resource().attributes
    assert (own["service.name"], own["service.version"]) == ("mta-weekly-etl", VERSION)
    assert own["service.instance.id"] != recorder.make_resource().attributes["service.instance.id"]
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=data,service.version=7")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "saturdays")
    named = recorder.make_resource().attributes
    assert (named["service.name"], named["service.version"], named["team"]) == ("saturdays", "7", "data")


def test_a_fault_of_the_recording_is_one_line_and_changes_nothing(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fall(*_: Any) -> Any:
        raise RuntimeError("http://me:secret@127.0.0.1")

    for broken in (
        record_step(about=fall, result=fall)(double),
        record_step(result=lambda _: {"state": "landed"})(double),  # of no rows
    ):
        assert broken(21) == 42
    with monkeypatch.context() as without:
        without.setattr(recorder, "_make_instruments", fall)
        assert record_step(double)(21) == 42
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("telemetry: cannot be recorded (RuntimeError); look at OTEL_EXPORTER_OTLP_ENDPOINT.")


def test_what_the_exporter_says_of_a_fault_is_one_line_without_its_address(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    error = ConnectionError("http://127.0.0.1/secret")
    library = logging.Logger("a library", logging.INFO)
    library.addHandler(recorder._first_fault)
    library.info("all is well")
    try:
        raise error
    except ConnectionError:
        library.exception("Failed to export %s batch code: %s, reason: %s", "spans", None, error)
    library.error("again")
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "telemetry: Failed to export spans batch code: None, reason: ConnectionError (ConnectionError); look at"
    )
    assert not record.exc_info
