"""`python -m tests.videogen.traced KEY MODEL`: one job from its submission to its notification. Prints its id."""

import json
import sys

import django

django.setup()

from django.test import Client  # noqa: E402 - after django.setup
from opentelemetry import trace  # noqa: E402

from jobs import execution, following, polling  # noqa: E402
from jobs.ids import JobId  # noqa: E402
from jobs.models import Job  # noqa: E402
from notifications.courier import Courier  # noqa: E402
from notifications.models import Delivery  # noqa: E402
from notifications.relay import Relay  # noqa: E402
from scheduler import dispatch  # noqa: E402
from videogen import celery  # noqa: E402

# The caller's own trace (W3C Trace Context, "traceparent").
TRACEPARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


def main() -> None:
    """Do what each process does in its turn."""
    celery.app.set_current()
    answer = Client(SERVER_NAME="127.0.0.1").post(
        "/api/v1/jobs",
        json.dumps({"prompt": "canary7f3a, a whale", "model": sys.argv[2], "seconds": 4}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {sys.argv[1]}", "traceparent": TRACEPARENT},
    )
    job_id = JobId(Job.objects.get(id=answer.json()["id"]).id)
    dispatch.grant_free_slots()
    execution.run(job_id, attempt=1, worker="gpu.traced@here")
    poller = polling.Poller()
    while not Job.objects.filter(id=job_id, state="succeeded").exists():
        poller.claim()
        following.follow_all(poller.answers(timeout=0.2))
    relay, courier = Relay(), Courier()
    relay.acquire_shards()
    while relay.step():
        pass
    while Delivery.objects.filter(state="scheduled").exists():
        courier.step(timeout=0.2)
    courier.close()
    trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]  # the SDK's has it
    print(job_id)


main()
