"""A collector of OpenTelemetry on the loopback: what is sent to it by OTLP over HTTP, read as the protocol has it."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from conftest import HANGS
from loopback import Handler, Loopback


def read_attributes(of: Any) -> dict[str, Any]:
    """Attributes as Python has them: of a resource, a span or a data point."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


class Collector(Loopback):
    """The server; one that hangs takes a request and never answers it.

    Attributes:
        bodies: all that was sent, as it came.
        resources: what sent it.
        spans: in order of their end.
        metrics: as they were last sent.
    """

    def __init__(self, hangs: bool = False) -> None:
        super().__init__()
        self.hangs = hangs
        self.bodies: list[bytes] = []
        self.resources: list[dict[str, Any]] = []
        self.spans: list[Span] = []
        self.metrics: dict[str, Metric] = {}

    def answer(self, request: Handler) -> None:
        """Take spans or metrics."""
        if self.hangs:
            request.pause(HANGS)
        with self.lock:
            self.bodies.append(request.body)
            if request.path == "/v1/traces":
                for part in ExportTraceServiceRequest.FromString(request.body).resource_spans:
                    self.resources.append(read_attributes(part.resource))
                    self.spans += [span for scope in part.scope_spans for span in scope.spans]
            else:
                for part in ExportMetricsServiceRequest.FromString(request.body).resource_metrics:
                    self.resources.append(read_attributes(part.resource))
                    self.metrics |= {each.name: each for scope in part.scope_metrics for each in scope.metrics}
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()
