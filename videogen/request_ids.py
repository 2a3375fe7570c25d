"""An id for each request, in its answer and in its log lines."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, reset_contextvars

from jobs.ids import new_id


class RequestIdMiddleware:
    """Gives each request an id of ours; an id sent by the client is not trusted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = f"req_{new_id().hex}"
        before = bind_contextvars(request=request_id)
        try:
            response = self.get_response(request)
        finally:
            reset_contextvars(**before)
        response["X-Request-Id"] = request_id
        return response
