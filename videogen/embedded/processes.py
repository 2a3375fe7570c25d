"""The processes of a machine: what runs, in which order, and how each says that it is ready."""

import sys
from dataclasses import dataclass, field
from typing import Final

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


def of_application(*, host: str, port: int, push_port: int, web_workers: int) -> list[Program]:
    """Give every process of the application in the lean profile of one machine."""
    manage = (sys.executable, "manage.py")
    name = places.reachable(host)
    return [
        Program(
            name="core",
            command=(*manage, "run", "dispatcher", "relay", "poller", "courier", "metrics"),
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
                *_CELERY, "beat", "--scheduler", "celery.beat:Scheduler",
                "--loglevel", "WARNING", "--pidfile=",
            ),
            priority=50,
        ),
        Program(
            name="push",
            command=(
                sys.executable, "-m", "uvicorn", "videogen.asgi:application", "--host", host,
                "--port", str(push_port), "--ws", "websockets-sansio", "--lifespan", "off",
                "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "3",
            ),
            priority=60,
            probe=f"http://{name}:{push_port}/health/live",
        ),
        Program(
            name="web",
            command=(
                sys.executable, "-m", "granian", "--interface", "wsgi", "videogen.wsgi:application",
                "--host", host, "--port", str(port), "--workers", str(web_workers),
                "--blocking-threads", "8", "--respawn-failed-workers", "--no-access-log",
                "--log-level", "warning", "--workers-kill-timeout", "5",
            ),
            priority=70,
            probe=f"http://{name}:{port}/health/ready",
        ),
    ]  # fmt: skip
