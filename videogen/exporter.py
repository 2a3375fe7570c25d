"""Metrics of every process of this machine, on a port of their own."""

import os
import threading
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector

_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Scrapes are not news."""


def serve(host: str, port: int) -> None:
    """Answer /metrics on a thread. With PROMETHEUS_MULTIPROC_DIR set, all processes are summed."""
    registry = REGISTRY
    if os.environ.get(_MULTIPROCESS):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the package has no types
    server = make_server(host, port, make_wsgi_app(registry), handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
