"""An id for each request, in its answer and in its log lines."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bound_contextvars

from jobs.ids import new_id


class RequestIdMiddleware:
    """Gives each request an id of ours; an id sent by the client is not trusted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = f"req_{new_id().hex}"
        with bound_contextvars(request=request_id):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response
