"""The queue: a message a job."""

import os
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.usual.settings")
app: Any = Celery("usual")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="usual.generate")
def generate(job_id: str) -> None:
    """Stand for the generation: only the submission is measured."""
