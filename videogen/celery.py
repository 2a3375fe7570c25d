"""The Celery application: queues carry doorbells, the database carries the truth."""

import os
import signal
import ssl
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videogen.settings")

app = Celery("videogen")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["jobs", "scheduler", "notifications", "videogen.accounts", "videogen"])


@signals.setup_logging.connect
def _keep_django_logging(**_: Any) -> None:
    """Celery replaces the project's log handlers unless somebody else answers this signal."""
    from django.conf import settings  # noqa: PLC0415 - settings load after this module
    from django.utils.log import configure_logging  # noqa: PLC0415

    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)


@app.on_after_configure.connect
def _ask_for_a_certificate(sender: Celery, **_: Any) -> None:
    """Unless told so, kombu believes any broker over TLS; everybody else who speaks to Redis does not."""
    if str(sender.conf.broker_url).startswith("rediss:"):
        sender.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}


@app.on_after_finalize.connect
def _fill_beat_table(sender: Celery, **_: Any) -> None:
    from videogen import beat  # noqa: PLC0415 - tasks are registered now

    sender.conf.beat_schedule = beat.SCHEDULE


@signals.task_prerun.connect
def _bind_what_runs(task: Any, **_: Any) -> None:
    """Log lines of a task say which it is; what the thread worked on before is over."""
    from django.db import close_old_connections  # noqa: PLC0415 - settings load after this module
    from structlog import contextvars  # noqa: PLC0415 - what only workers need

    # As before a request: what is old or broken is opened anew, and the rest is tried before it is used.
    close_old_connections()

    contextvars.clear_contextvars()
    contextvars.bind_contextvars(task=task.name, worker=str(task.request.hostname))


@signals.task_postrun.connect
def _unbind_what_ran(**_: Any) -> None:
    from django.db import close_old_connections  # noqa: PLC0415
    from structlog import contextvars  # noqa: PLC0415

    close_old_connections()

    contextvars.clear_contextvars()


@signals.celeryd_init.connect
@signals.beat_init.connect
def _note_start(**_: Any) -> None:
    from videogen import process_metrics  # noqa: PLC0415

    process_metrics.begin()


@signals.worker_ready.connect
@signals.beat_init.connect
def _set_aside_what_stays(**_: Any) -> None:
    from videogen import garbage  # noqa: PLC0415 - settings load after this module

    garbage.set_aside_what_stays()


@signals.worker_ready.connect
@signals.beat_init.connect
def _say_ready(**_: Any) -> None:
    from videogen import readiness  # noqa: PLC0415

    readiness.say_ready()


@signals.worker_ready.connect
def _give_signs_of_worker(sender: Any, **_: Any) -> None:
    from videogen import pulse  # noqa: PLC0415 - what only workers need

    pulse.of_worker(sender)


@signals.worker_ready.connect
def _take_when_free(sender: Any, **_: Any) -> None:
    from videogen import freed_threads  # noqa: PLC0415 - what only workers need

    freed_threads.wake_loop(sender)


@signals.beat_init.connect
def _give_signs_of_beat(**_: Any) -> None:
    from videogen import pulse  # noqa: PLC0415

    pulse.of_beat()


@signals.beat_init.connect
def _end_between_sends(sender: Any, **_: Any) -> None:
    """A beat that is told to stop finishes what it is sending; Celery's own handler raises in the midst of it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sender.stop())


@signals.worker_shutting_down.connect
def _stop_generating(**_: Any) -> None:
    """A worker that is told to stop hands its attempts back instead of finishing minutes of work."""
    from jobs import execution  # noqa: PLC0415

    execution.shutting_down.set()
