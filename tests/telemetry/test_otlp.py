"""Spans sent to a receiver of the test's own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fleetgym.contracts.record import Outcome, RunKey, RunRecord
from fleetgym.records.redact import Redactor
from fleetgym.telemetry.tracing import Tracing


class Receiver(BaseHTTPRequestHandler):
    received: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append((self.path, self.rfile.read(length)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    Receiver.received.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_spans_are_sent_to_the_endpoint_that_the_environment_names(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    key = RunKey(
        framework="autogen",
        framework_version="0.7.5",
        topology="single",
        scenario="cti/a",
        scenario_version=1,
        condition="clean",
        model="policy/expert",
        seed=3,
        grader="cti/strict",
    )
    tracing = Tracing(Redactor(["hunter2-hunter2"]), "suite")
    trace = tracing.begin(key.run_id, key)

    trace.end(
        RunRecord(
            run_id=key.run_id,
            key=key,
            suite="suite",
            outcome=Outcome.FAILURE,
            detail="hunter2-hunter2",
        )
    )
    tracing.shutdown()

    (path, body), *_ = Receiver.received
    spans = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert path == "/v1/traces"
    assert [span.name for span in spans] == ["invoke_workflow cti/a"]
    assert spans[0].trace_id.hex() == trace.trace_id
    assert b"hunter2" not in body
