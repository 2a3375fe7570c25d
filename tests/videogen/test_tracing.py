"""One job is one trace, from the request to the notification, whatever processes it goes through."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jobs import pools
from notifications import webhook_endpoints
from tests.collector import Collector, collecting
from tests.factories import cy
from tests.gpu import FakeGpu
from videogen.accounts import keys

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.django_db(transaction=True)
# In the prompt, the backend's key and the address of the webhook.
CANARY = "canary7f3a"
CALLERS_TRACE = "ab" * 16


def _spans(sink: Collector) -> list[Any]:
    found = []
    for path, body in sink.taken:
        if path == "/v1/traces":
            told = ExportTraceServiceRequest.FromString(body)
            found += [
                span
                for resource in told.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
    return found


def test_one_trace_leads_from_the_request_to_the_notification(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    owner = cy()
    key = keys.create(owner.user, name="traced")
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    with collecting() as sink, FakeGpu(dialect="vllm_omni", speed=0.05) as gpu:
        pools.put(
            "traced",
            {
                "driver": "openai_videos",
                "profile": "vllm_omni",
                "url": gpu.url,
                "slots": 1,
                "model_names": ["traced-1"],
                "seconds": [4],
                "sizes": ["854x480"],
                "state": "active",
                "key": f"{CANARY}-key",
            },
            actor="a test",
        )
        webhook_endpoints.create(
            owner.id,
            url=f"http://{sink.address}/hook?token={CANARY}",
            event_types=["video.completed"],
        )
        ran = subprocess.run(
            [sys.executable, "-m", "tests.videogen.traced", key, "traced-1"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": url,
                "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{sink.address}",
            },
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        spans = _spans(sink)
        hooks = [path for path, _ in sink.taken if path.startswith("/hook")]
        for told in (CANARY, key, owner.user.email):
            assert not [
                path for path, body in sink.taken if path == "/v1/traces" and told.encode() in body
            ]

    job_id = UUID(ran.stdout.strip())
    trace = [span for span in spans if span.trace_id == job_id.bytes]
    names = [span.name for span in trace]
    (first,) = [span for span in trace if not span.parent_span_id]
    assert first.name == "POST api/v1/jobs"
    assert [link.trace_id.hex() for link in first.links] == [CALLERS_TRACE]
    for name in (
        "job queued",
        "job dispatched",
        "attempt",
        "backend POST",
        "job succeeded",
        "relay job.succeeded",
        "deliver webhook",
    ):
        assert name in names, names
    assert hooks
    # Each hangs on the first or on another one of the trace.
    known = {span.span_id for span in trace}
    assert {span.parent_span_id for span in trace if span.parent_span_id} <= known
    (attempt,) = [span for span in trace if span.name == "attempt"]
    sent = [span for span in trace if span.name == "backend POST"]
    assert attempt.span_id in {span.parent_span_id for span in sent}


_LOADED = """
import django, sys
django.setup()
from videogen import wsgi
from notifications import traces
loaded = {"videogen.tracing", "google.protobuf", "opentelemetry.sdk.trace.export"} & set(sys.modules)
from django.conf import settings
chain = [name for name in (*settings.MIDDLEWARE, *settings.CALL_MIDDLEWARE) if "tracing" in name]
print(sorted(loaded), chain, traces.is_on)
"""


def test_without_a_collector_nothing_is_loaded_and_nothing_is_timed() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _LOADED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )

    assert told.stdout.strip() == "[] [] False"
