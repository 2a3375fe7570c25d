"""Runs a Celery worker on the queues of pools: threads, one for each slot."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs import queues
from jobs.backends import registry
from jobs.models import Pool
from videogen import celery, worker_watch

# Orders handed over to one pool's server at once.
_HANDING_OVER = 8
# Threads for servers that are added while a worker of all pools runs.
_SPARE = 8


class Command(BaseCommand):
    help = (
        "Run the GPU worker of one or more pools. Without --pool: of all pools, and of servers that are"
        " added while it runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", action="append", dest="pools", metavar="NAME")
        parser.add_argument(
            "--node",
            default=socket.gethostname(),
            help="name of the machine in attempts and incidents (its host name)",
        )
        parser.add_argument(
            "--slots",
            type=queues.Slots,
            choices=list(queues.Slots),
            default=queues.Slots.ALL,
            help="work only on the slots that pools reserve for paid tiers, or only on the others (all)",
        )

    def handle(
        self, *_: Any, pools: list[str] | None, node: str, slots: queues.Slots, **__: Any
    ) -> None:
        found = {pool.name: pool for pool in Pool.objects.all()}
        missing = sorted(set(pools or ()) - set(found))
        if missing:
            raise CommandError(f"There is no pool {missing[0]!r}. Pools: {', '.join(found)}.")
        chosen = [found[name] for name in pools or sorted(found)]
        if not chosen:
            raise CommandError("There is no pool yet. Add one first.")
        chosen_names = [pool.name for pool in chosen]
        worker_watch.wait_while_quarantined(chosen_names, node, say=self.stdout.write)
        worker_watch.start(chosen_names, node, follows_servers=not pools, slots=slots)
        spare = 0 if pools else _SPARE
        names = [queue for pool in chosen for queue in queues.of_pool(pool.name, slots)]
        label = "+".join(pool.name for pool in chosen)
        if slots is not queues.Slots.ALL:
            label += f".{slots}"
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
                str(max(1, spare + sum(_threads(pool, slots) for pool in chosen))),
                # No message waits behind a running one: whoever is free takes it.
                "--disable-prefetch",
                "--loglevel",
                "WARNING",
                "--without-mingle",
                "--without-gossip",
                "--without-heartbeat",
            ]
        )


def _threads(pool: Pool, slots: queues.Slots) -> int:
    """Give one for each generation that runs here; handing over to a server takes a moment, not minutes."""
    reserved = min(pool.paid_reserved, pool.slots)
    count = {
        queues.Slots.ALL: pool.slots,
        queues.Slots.RESERVED: reserved,
        queues.Slots.SHARED: pool.slots - reserved,
    }[slots]
    runs_here = registry.backend(pool.driver).capabilities.runs_in_worker
    return count if runs_here else min(count, _HANDING_OVER)
