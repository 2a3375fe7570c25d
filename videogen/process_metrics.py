"""What each process says of itself: when it began, and when its loops last did their work."""

import os
from typing import Final

from django.conf import settings
from prometheus_client import Gauge

from videogen import exporter

# Whoever supervises names its processes.
_NAME: Final = "PROCESS_NAME"

STARTED = Gauge(
    "videogen_process_started_timestamp_seconds",
    "When a process of this name last started.",
    ["process"],
    multiprocess_mode="max",
)
STEPPED = Gauge(
    "videogen_loop_stepped_timestamp_seconds",
    "When a loop last did its work; one that stands by does none.",
    ["loop"],
    multiprocess_mode="max",
)


def begin() -> None:
    """Note that this process started to serve; offer the metrics of its container, where that is wished."""
    if os.environ.get(_NAME):
        STARTED.labels(process=settings.PROCESS).set_to_current_time()
    if settings.METRICS_OFFERED:
        exporter.offer(settings.METRICS_HOST, settings.METRICS_PORT)
