"""Traces: all that happens to one subject, in whatever process, is one trace, and its number is the subject's id.

So nothing has to be carried through tables and queues: whoever knows the job knows its trace. Without somebody who
collects (`videogen/tracing.py`) each call here is one look at a name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

# An id of a span is half as long as that of its trace.
_HALF: Final = 2**64 - 1

is_on = False
# What the request in hand began.
begun: ContextVar[UUID | None] = ContextVar("begun", default=None)
_tracer: Final = trace.get_tracer("videogen")


def root(subject_id: UUID) -> SpanContext:
    """Name the first span of a subject's trace: the request that began it."""
    return SpanContext(
        trace_id=subject_id.int,
        # Random letters of an id (RFC 9562, UUIDv7), never 0.
        span_id=subject_id.int & _HALF,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


@contextmanager
def span(name: str, subject_id: UUID, **attributes: Any) -> Iterator[Span | None]:
    """Time a part of what happens to a subject; calls of others in the block are parts of it."""
    if not is_on:
        yield None
        return
    with _tracer.start_as_current_span(name, _of(subject_id), attributes=attributes) as found:
        yield found


@contextmanager
def part(name: str, headers: dict[str, str], **attributes: Any) -> Iterator[None]:
    """Time a call as a part of the span in hand, and add the header that lets a server join (W3C Trace Context)."""
    if not is_on or not trace.get_current_span().get_span_context().is_valid:
        yield
        return
    with _tracer.start_as_current_span(name, attributes=attributes, kind=SpanKind.CLIENT):
        propagate.inject(headers)
        yield


def note(name: str, subject_id: UUID, *, since: datetime | None = None, **attributes: Any) -> None:
    """Write down something that happened to a subject just now, or took from `since` until now."""
    if is_on:
        began = round(since.timestamp() * 1e9) if since else None
        _tracer.start_span(name, _of(subject_id), start_time=began, attributes=attributes).end()


def _of(subject_id: UUID) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(root(subject_id)), Context())
