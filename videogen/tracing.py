"""Tracing: on where OTEL_EXPORTER_OTLP_ENDPOINT names a collector, by OpenTelemetry over HTTP (OTLP).

A request that submits a job is the first span of the job's trace; any other is a trace of its own, or a part of the
caller's (W3C Trace Context).
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind

from notifications import traces

_first: ContextVar[SpanContext | None] = ContextVar("first", default=None)
_FAULT: Final = 500


def start() -> None:
    """Collect spans of this process and send them, from a thread of its own. Once per process."""
    # Imported where it is used: it brings protobuf and an HTTP client.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    about = {"service.name": "videogen", "service.instance.id": settings.PROCESS}
    provider = TracerProvider(resource=Resource.create(about), id_generator=_Ids())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    traces.is_on = True


class _Ids(RandomIdGenerator):
    """Random ids, except for the first span of a subject's trace."""

    def generate_trace_id(self) -> int:
        found = _first.get()
        return found.trace_id if found else super().generate_trace_id()

    def generate_span_id(self) -> int:
        found = _first.get()
        return found.span_id if found else super().generate_span_id()


class TracingMiddleware:
    """Makes each request a span. In the chains only where tracing is on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.time_ns()
        token = traces.begun.set(None)
        try:
            response = self.get_response(request)
            _tell(request, response, began=began)
        finally:
            traces.begun.reset(token)
        return response


def _tell(request: HttpRequest, response: HttpResponse, *, began: int) -> None:
    route = request.resolver_match.route if request.resolver_match else ""
    caller = trace.get_current_span(propagate.extract(request.headers)).get_span_context()
    subject_id = traces.begun.get()
    links = [Link(caller)] if subject_id and caller.is_valid else []
    parent = Context() if subject_id else propagate.extract(request.headers, Context())
    token = _first.set(traces.root(subject_id) if subject_id else None)
    try:
        span = trace.get_tracer("videogen").start_span(
            f"{request.method} {route}",
            parent,
            kind=SpanKind.SERVER,
            start_time=began,
            links=links,
            attributes={
                "http.request.method": str(request.method),
                "http.route": route,
                "http.response.status_code": response.status_code,
            },
        )
    finally:
        _first.reset(token)
    if response.status_code >= _FAULT:
        span.set_status(trace.StatusCode.ERROR)
    span.end()
