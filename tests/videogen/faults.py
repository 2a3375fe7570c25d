"""`python -m tests.videogen.faults CANARY`: a process in which things break; what is private is in each of them."""

import logging
import sys
from typing import Any

import django

django.setup()

import sentry_sdk  # noqa: E402 - after django.setup
from django.conf import settings  # noqa: E402
from django.db import OperationalError  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from structlog.contextvars import bound_contextvars  # noqa: E402

from jobs.errors import Busy  # noqa: E402
from videogen import celery, outages  # noqa: E402
from videogen.postgresql.stalls import DatabaseStalled  # noqa: E402

CANARY = sys.argv[1]
logger = logging.getLogger("videogen.faults")


def broken(request: HttpRequest) -> HttpResponse:
    """Fail, with what somebody asked in a variable and in the words of the error."""
    prompt = f"{CANARY} swims by night"
    raise RuntimeError(f"cannot read '{prompt}' of {CANARY}@example.com")


urlpatterns = [path("api/v1/break", broken)]
handler500 = "videogen.error_pages.broken"


@celery.app.task(name="videogen.break_down", ignore_result=True)
def break_down(job_id: str) -> None:
    """Fail as a task may."""
    raise KeyError(job_id)


def _log(error: BaseException, message: str, **extra: Any) -> None:
    try:
        raise error
    except type(error):
        logger.exception(message, extra=extra)


def main() -> None:
    """Break in every way."""
    settings.ROOT_URLCONF = __name__
    Client(raise_request_exception=False, SERVER_NAME="127.0.0.1").post(
        f"/api/v1/break?token={CANARY}",
        {"prompt": CANARY},
        headers={"Authorization": f"Bearer vg_{CANARY}", "Cookie": f"session={CANARY}"},
    )
    break_down.apply(args=("018f-job",))
    with bound_contextvars(job="018f", worker="gpu.a@one"):
        for pool, kind in (("a", "backend_error"), ("b", "backend_error"), ("a", "overdue")):
            logger.error("backend_failed", extra={"pool": pool, "kind": kind, "detail": CANARY})
    _log(ValueError(f"no number: '{CANARY}'"), "attempt_broke", attempt=2, prompt=CANARY)
    # Refusals are answers, and of a stall somebody told already.
    _log(Busy(), "refused")
    stalled = OperationalError("x")
    stalled.__cause__ = DatabaseStalled()
    _log(stalled, "loop_step_failed")
    outages.note(OperationalError(f"duplicate key\nDETAIL: Failing row contains ({CANARY})."))
    sentry_sdk.flush(20)


main()
