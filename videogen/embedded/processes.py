"""The processes of a machine: what runs, in which order, and how each says that it is ready."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

from videogen.embedded import places

_CELERY: Final = (sys.executable, "-m", "celery", "-A", "videogen.celery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One supervised process."""

    name: str
    command: tuple[str, ...]
    # Lower starts first and stops last.
    priority: int
    # Seconds between the wish to stop and the kill.
    patience: int = 10
    # Address that answers 200 when it is ready; else it makes its READY_FILE.
    probe: str = ""
    stop_signal: str = "TERM"
    user: str = ""
    starts_by_itself: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def live_addresses(programs: Sequence[Program]) -> str:
    """Say where the programs with an address are asked whether they live, as PROBED_URLS has it."""
    return ",".join(
        f"{program.name}={urljoin(program.probe, '/health/live')}"
        for program in programs
        if program.probe
    )


def of_application(
    *, host: str, port: int, push_port: int, web_workers: int, web_threads: int
) -> list[Program]:
    """Give every process of the application in the lean profile of one machine."""
    manage = (sys.executable, "manage.py")
    servers = (sys.executable, "-m", "videogen.servers")
    name = places.reachable(host)
    return [
        Program(
            name="core",
            command=(*manage, "run", "dispatcher", "relay", "poller", "courier", "figures"),
            priority=20,
            # A request to a slow receiver ends by itself within this time.
            patience=15,
        ),
        Program(name="gpu-worker", command=(*manage, "gpu_worker"), priority=40, patience=15),
        Program(
            name="upkeep",
            command=(
                *_CELERY, "worker", "--hostname", "upkeep@%%h", "--queues", "upkeep",
                "--pool", "threads", "--concurrency", "2", "--loglevel", "WARNING",
                "--without-mingle", "--without-gossip", "--without-heartbeat",
            ),
            priority=40,
        ),
        Program(
            name="beat",
            command=(
                *_CELERY, "beat", "--scheduler", "videogen.ticker:Ticker",
                "--loglevel", "WARNING", "--pidfile=",
            ),
            priority=50,
        ),
        Program(
            name="push",
            command=(
                *servers, "push", "--host", host, "--port", str(push_port),
            ),
            priority=60,
            probe=f"http://{name}:{push_port}/health/live",
        ),
        Program(
            name="web",
            command=(
                *servers, "web", "--host", host, "--port", str(port),
                "--workers", str(web_workers), "--threads", str(web_threads),
            ),
            priority=70,
            probe=f"http://{name}:{port}/health/ready",
        ),
    ]  # fmt: skip
