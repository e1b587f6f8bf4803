"""How steps are told to OpenTelemetry: spans and metrics, sent in batches, the rest at the end of the process.

Imported only where somebody collects them: `telemetry` sees to it. Whatever breaks here breaks no run.
"""

import atexit
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self
from uuid import uuid4

from opentelemetry import context, metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from mta_weekly.errors import Unchanged
from mta_weekly.settings import VERSION

log = logging.getLogger(__name__)  # not below "mta": most faults come to light when the run has closed its log

SERVICE = "mta-weekly-etl"
SENT_WITHIN = 3.0  # seconds that the end of a process waits for what is left to be sent
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
ROWS = (100, 1e3, 1e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7)
BYTES = (1e4, 1e5, 1e6, 3e6, 1e7, 3e7, 1e8, 1e9)

_trace_of: ContextVar[str] = ContextVar("trace_of", default="")  # what the step that begins belongs to


class Recording:
    """One call of a step: entered before it, left after it.

    Args:
        step: its name.
        about: the attributes that are known before it.
    """

    def __init__(self, step: str, about: Callable[[], Mapping[str, str | int]]) -> None:
        self.step, self.about = step, about
        self.attributes: dict[str, str | int] = {}
        self.span: trace.Span = trace.INVALID_SPAN

    def __enter__(self) -> Self:
        self.add(self.about)
        with _never_fail():
            self.span = _start_span(self.step, self.attributes)
        self.token = context.attach(trace.set_span_in_context(self.span))  # what begins within is part of it
        self.began = time.perf_counter()
        return self

    def add(self, more: Callable[[], Mapping[str, str | int]]) -> None:
        """Add attributes."""
        with _never_fail():
            self.attributes |= {f"mta.{name}": value for name, value in more().items()}

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        seconds = time.perf_counter() - self.began
        context.detach(self.token)
        with _never_fail():
            self._end(seconds, error)

    def _end(self, seconds: float, error: BaseException | None) -> None:
        outcome = type(error).__name__ if error else "ok"
        self.span.set_attributes({**self.attributes, "mta.outcome": outcome})
        if error and not isinstance(error, Unchanged):  # its message is not sent: it may name an address
            self.span.set_status(trace.StatusCode.ERROR)
            self.span.set_attribute("error.type", outcome)
        self.span.end()
        made, feed = _find_instruments(), {"mta.feed": self.attributes.get("mta.feed", "")}
        made.duration.record(seconds, {"mta.step": self.step, "mta.outcome": outcome, **feed})
        if state := self.attributes.get("mta.state"):  # the week was put somewhere
            made.rows.record(int(self.attributes["mta.rows"]), {"mta.state": state, **feed})
            made.size.record(int(self.attributes["mta.size"]), {"mta.state": state, **feed})


def _start_span(step: str, attributes: Mapping[str, str | int]) -> trace.Span:
    """A span below the current one; one without belongs to the trace of its week in its run."""
    names = ("mta.run_id", "mta.feed", "mta.week")
    of = _trace_of.set("/".join(str(attributes[name]) for name in names) if attributes.get("mta.run_id") else "")
    try:
        return _find_instruments().tracer.start_span(step, attributes=attributes)
    finally:
        _trace_of.reset(of)


class _WeekIds(RandomIdGenerator):
    """The spans of a week in a run are one trace, whatever thread they come from."""

    def generate_trace_id(self) -> int:
        """That of the week, where the step belongs to one."""
        if of := _trace_of.get():
            return int.from_bytes(hashlib.sha256(of.encode()).digest()[:16])
        return super().generate_trace_id()


@dataclass(frozen=True)
class _Instruments:
    tracer: trace.Tracer
    duration: metrics.Histogram
    rows: metrics.Histogram
    size: metrics.Histogram


_making = threading.Lock()  # weeks begin in several threads


def _find_instruments() -> _Instruments:
    with _making:
        return _make_instruments()


@cache
def _make_instruments() -> _Instruments:
    """Of the providers that the process has, as where it is instrumented; else of our own, for us alone.

    Ours are not made those of the process: other libraries would begin to tell them of what they do.
    """
    tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
    if not (isinstance(tracers, TracerProvider) and isinstance(meters, MeterProvider)):
        tracers, meters = _make_providers()
    meter = meters.get_meter("mta_weekly", VERSION)
    return _Instruments(
        tracers.get_tracer("mta_weekly", VERSION),
        meter.create_histogram(
            "mta.step.duration", "s", "How long a step took", explicit_bucket_boundaries_advisory=SECONDS
        ),
        meter.create_histogram(
            "mta.week.rows", "{row}", "Rows of a published week", explicit_bucket_boundaries_advisory=ROWS
        ),
        meter.create_histogram(
            "mta.week.size", "By", "Size of a published week, as gzip", explicit_bucket_boundaries_advisory=BYTES
        ),
    )


def make_resource() -> Resource:
    """Who records: this project, in this process; what the environment names in its place wins."""
    own = {"service.name": SERVICE, "service.version": VERSION, "service.instance.id": str(uuid4())}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})


def _make_providers() -> tuple[TracerProvider, MeterProvider]:
    library = logging.getLogger("opentelemetry")
    library.propagate = False  # it shows tracebacks, and says the same again with each batch
    library.addHandler(_first_fault)
    to_spans, to_metrics, resource = OTLPSpanExporter(), OTLPMetricExporter(), make_resource()
    tracers = TracerProvider(resource=resource, id_generator=_WeekIds(), shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(to_spans))
    meters = MeterProvider([PeriodicExportingMetricReader(to_metrics)], resource, shutdown_on_exit=False)
    _send_at_exit(tracers, meters)
    return tracers, meters


def _send_at_exit(tracers: TracerProvider, meters: MeterProvider) -> None:
    """Send what is left when the process ends; whom nobody answers does not hold it up."""
    ends = threading.Event()

    def send_spans() -> None:
        ends.wait()
        tracers.shutdown()

    sender = threading.Thread(target=send_spans, daemon=True)
    sender.start()  # now, for an interpreter that ends starts no thread

    def end() -> None:
        until = time.monotonic() + SENT_WITHIN
        ends.set()
        with _never_fail():
            meters.shutdown(timeout_millis=SENT_WITHIN * 1000)
        sender.join(max(0.0, until - time.monotonic()))
        if sender.is_alive():
            _first_fault.say(f"not all could be sent within {SENT_WITHIN:g} s")

    atexit.register(end)


class _FirstFault(logging.Handler):
    """The first fault of the recording or sending, as one line; without what an error says, which is an address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = False

    def emit(self, record: logging.LogRecord) -> None:
        """See Handler; of an error, only its name."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        text = str(record.msg)
        if arguments:
            text %= tuple(type(each).__name__ if isinstance(each, BaseException) else each for each in arguments)
        if record.exc_info and record.exc_info[0]:
            text += f" ({record.exc_info[0].__name__})"
        self.say(text)

    def say(self, text: str) -> None:
        """Say it, unless there was one."""
        if not self.said:
            self.said = True
            log.warning(
                "telemetry: %s; look at OTEL_EXPORTER_OTLP_ENDPOINT. The run is none the worse, no more is said of it",
                text.rstrip("."),
            )


_first_fault = _FirstFault()


@contextmanager
def _never_fail() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, a run must not fail by being watched
        _first_fault.say(f"cannot be recorded ({type(error).__name__})")
