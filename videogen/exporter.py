"""Metrics of every process of this machine, on a port of their own."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import psutil
from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

# Declared, wherever they are counted.
import jobs.metrics  # noqa: F401
import notifications.metrics  # noqa: F401
import scheduler.metrics  # noqa: F401

_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
# Between two tries to be the one that serves, seconds.
_AGAIN: Final = 5.0
_OURS: Final = ("videogen_", "django_")


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Scrapes are not news."""


class _Server(ThreadingMixIn, WSGIServer):
    """A client that sends nothing keeps no scrape waiting."""

    daemon_threads = True


class _Living(Collector):
    """Sums all processes; what a dead one held at its end, such as its sockets, is gone."""

    def __init__(self) -> None:
        self._all = MultiProcessCollector(None)  # type: ignore[no-untyped-call]  # the package has no types

    def collect(self) -> Iterator[Metric]:
        for path in Path(os.environ[_MULTIPROCESS]).glob("gauge_live*.db"):
            pid = int(path.stem.rpartition("_")[2])
            if not psutil.pid_exists(pid):
                mark_process_dead(pid)  # type: ignore[no-untyped-call]  # as above
        found: list[Metric] = list(self._all.collect())  # type: ignore[no-untyped-call]  # as above
        yield from found
        # What never happened yet is announced, so that dashboards and people find it.
        known = {metric.name for metric in found}
        for declared in REGISTRY.collect():
            if declared.name not in known and declared.name.startswith(_OURS):
                yield Metric(declared.name, declared.documentation, declared.type)


def serve(host: str, port: int, *, figures: Collector | None = None) -> None:
    """Answer /metrics on a thread. With PROMETHEUS_MULTIPROC_DIR set, all processes are summed.

    `figures` are shown with them. Raises OSError where the port is in use.
    """
    registry = REGISTRY
    if os.environ.get(_MULTIPROCESS):
        registry = CollectorRegistry()
        registry.register(_Living())
    if figures is not None:
        registry.register(figures)
    server = make_server(host, port, make_wsgi_app(registry), _Server, _Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def offer(host: str, port: int) -> None:
    """Serve as soon as no other process of this container does, from a thread."""

    def wait_for_the_port() -> None:
        while True:
            try:
                serve(host, port)
            except OSError:
                time.sleep(_AGAIN)
            else:
                return

    threading.Thread(target=wait_for_the_port, name="metrics offer", daemon=True).start()
