"""The Celery application: queues carry doorbells, the database carries the truth."""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videogen.settings")

app = Celery("videogen")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["jobs", "scheduler", "notifications", "videogen.accounts"])


@signals.setup_logging.connect
def _keep_django_logging(**_: Any) -> None:
    """Celery replaces the project's log handlers unless somebody else answers this signal."""
    from django.conf import settings  # noqa: PLC0415 - settings load after this module
    from django.utils.log import configure_logging  # noqa: PLC0415

    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)


@app.on_after_finalize.connect
def _fill_beat_table(sender: Celery, **_: Any) -> None:
    from videogen import beat  # noqa: PLC0415 - tasks are registered now

    sender.conf.beat_schedule = beat.SCHEDULE


@signals.worker_ready.connect
@signals.beat_init.connect
def _say_ready(**_: Any) -> None:
    from videogen import readiness  # noqa: PLC0415

    readiness.say_ready()


@signals.worker_shutting_down.connect
def _stop_generating(**_: Any) -> None:
    """A worker that is told to stop hands its attempts back instead of finishing minutes of work."""
    from jobs import execution  # noqa: PLC0415

    execution.shutting_down.set()
