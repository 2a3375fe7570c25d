"""Runs a Celery worker on the queues of pools: threads, one for each slot."""

import logging
import os
import signal
import socket
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection

from jobs import pool_health, queues
from jobs.backends import registry
from jobs.models import Pool
from videogen import celery

logger = logging.getLogger(__name__)

# Between two looks whether this machine is quarantined, seconds.
_GLANCE = 5.0
# Orders handed over to one pool's server at once.
_HANDING_OVER = 8


class Command(BaseCommand):
    help = "Run the GPU worker of one or more pools (all pools without --pool)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", action="append", dest="pools", metavar="NAME")
        parser.add_argument(
            "--node",
            default=socket.gethostname(),
            help="name of the machine in attempts and incidents (its host name)",
        )

    def handle(self, *_: Any, pools: list[str] | None, node: str, **__: Any) -> None:
        found = {pool.name: pool for pool in Pool.objects.all()}
        missing = sorted(set(pools or ()) - set(found))
        if missing:
            raise CommandError(f"There is no pool {missing[0]!r}. Pools: {', '.join(found)}.")
        chosen = [found[name] for name in pools or sorted(found)]
        if not chosen:
            raise CommandError("There is no pool yet. Add one first.")
        self._wait_while_quarantined(chosen, node)
        threading.Thread(target=_leave_when_quarantined, args=(chosen, node), daemon=True).start()
        names = [queue for pool in chosen for queue in queues.of_pool(pool.name)]
        label = "+".join(pool.name for pool in chosen)
        celery.app.worker_main(
            [
                "worker",
                "--hostname",
                f"gpu.{label}@{node}",
                "--queues",
                ",".join(names),
                "--pool",
                "threads",
                "--concurrency",
                str(max(1, sum(_threads(pool) for pool in chosen))),
                "--loglevel",
                "WARNING",
                "--without-mingle",
                "--without-gossip",
                "--without-heartbeat",
            ]
        )

    def _wait_while_quarantined(self, chosen: list[Pool], node: str) -> None:
        """Take nothing while this machine is out; another process of its supervisor may try again later."""
        said = False
        while any(pool_health.is_quarantined(pool.name, node) for pool in chosen):
            if not said:
                self.stdout.write(f"{node} is quarantined: its attempts failed in a row. Waiting.")
                said = True
            connection.close()
            time.sleep(_GLANCE)


def _leave_when_quarantined(chosen: list[Pool], node: str) -> None:
    """End the worker when its machine is taken out, so that it gives its attempts back and takes no more."""
    while True:
        time.sleep(_GLANCE)
        try:
            is_out = any(pool_health.is_quarantined(pool.name, node) for pool in chosen)
        except (OperationalError, InterfaceError):
            is_out = False
        connection.close()
        if is_out:
            logger.warning("leaving_quarantined_node", extra={"node": node})
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _threads(pool: Pool) -> int:
    """Give one for each generation that runs here; handing over to a server takes a moment, not minutes."""
    runs_here = registry.backend(pool.driver).capabilities.runs_in_worker
    return pool.slots if runs_here else min(pool.slots, _HANDING_OVER)
