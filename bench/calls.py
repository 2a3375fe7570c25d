"""What a call costs the processor, in Python and in PostgreSQL: the whole WSGI application in one process, one by one.

`bin/bench calls` needs no quiet machine as `bin/bench submissions` and `reads` do: it counts processor time, the least
of several turns. What a server, a network and waiting add is not in it. CALLS in the environment sets how many a turn.
"""

import gc
import io
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from bench import days, private

_CALLS: Final = int(os.environ.get("CALLS", "500"))
_TURNS: Final = 4
_WARM_UP: Final = 300
_ACCOUNTS: Final = 1_000
_BODY: Final = b'{"prompt": "A lighthouse at dusk, waves", "seconds": 4}'
_LIST: Final = "/api/v1/jobs?limit=50"

Environ = dict[str, Any]
Answer = tuple[str, dict[str, str], bytes]


def measure() -> dict[str, float]:
    """Give microseconds by kind of call."""
    with tempfile.TemporaryDirectory() as folder:
        # As in production, where all processes share their metrics.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        # The server process behind the connection is what is looked at: it has to stay.
        os.environ["DATABASE_MAX_AGE_SECONDS"] = "86400"
        with private.application():
            return _measure()


def _measure() -> dict[str, float]:
    from videogen.wsgi import application  # noqa: PLC0415 - after django.setup

    def call(environ: Environ) -> Answer:
        said: dict[str, Any] = {}
        answer = application(environ, lambda status, headers, *_: said.update(s=status, h=headers))
        body = b"".join(answer)
        if close := getattr(answer, "close", None):
            close()
        return said["s"], dict(said["h"]), body

    found: dict[str, float] = {}
    for name, (make, status) in _calls(call).items():
        turns = [_turn(call, make, status, count=_WARM_UP)]
        gc.collect()
        turns = [_turn(call, make, status, count=_CALLS) for _ in range(_TURNS)]
        found[f"{name}, Python us"] = min(python for python, _ in turns)
        found[f"{name}, PostgreSQL us"] = min(server for _, server in turns)
    return found


def _calls(call: Callable[[Environ], Answer]) -> dict[str, tuple[Callable[[], Environ], str]]:
    """Make accounts and jobs; give how to write each kind of call, and what it is answered."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from jobs.models import Job  # noqa: PLC0415
    from videogen.accounts import keys, load  # noqa: PLC0415
    from videogen.accounts.models import User  # noqa: PLC0415

    reader = private.add_owner("reads", slots=0)
    key = keys.create(User.objects.get(pk=reader), name="bench")
    with connection.cursor() as cursor:
        cursor.execute(days.FILL, {"owner": reader, "endpoint": uuid4(), "jobs": 60})
    many = [one for batch in load.seed(_ACCOUNTS, tier="internal") for one in batch]
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    numbers = itertools.count()
    ended = Job.objects.filter(owner_id=reader, state="succeeded").first()
    one = f"/api/v1/jobs/{ended and ended.id}"
    submitted = call(_environ("POST", "/api/v1/jobs", many[0], _BODY, HTTP_IDEMPOTENCY_KEY="first"))
    waits = f"/api/v1/jobs/{json.loads(submitted[2])['id']}"
    tags = {path: call(_environ("GET", path, key))[1]["ETag"] for path in (one, _LIST)}

    def submit() -> Environ:
        number = next(numbers)
        again = {"HTTP_IDEMPOTENCY_KEY": f"key-{number}"}
        return _environ("POST", "/api/v1/jobs", many[number % _ACCOUNTS], _BODY, **again)

    return {
        "submission": (submit, "202"),
        "status": (lambda: _environ("GET", one, key), "200"),
        "status of what waits": (lambda: _environ("GET", waits, many[0]), "200"),
        "status, 304": (lambda: _environ("GET", one, key, HTTP_IF_NONE_MATCH=tags[one]), "304"),
        "list of 50": (lambda: _environ("GET", _LIST, key), "200"),
        "list of 50, 304": (
            lambda: _environ("GET", _LIST, key, HTTP_IF_NONE_MATCH=tags[_LIST]),
            "304",
        ),
        "unknown key": (lambda: _environ("GET", one, "nonsense"), "401"),
    }


def _turn(
    call: Callable[[Environ], Answer], make: Callable[[], Environ], status: str, *, count: int
) -> tuple[float, float]:
    """Give microseconds of a call, here and in the server."""
    made = [make() for _ in range(count)]
    began, server = time.process_time(), _server_seconds()
    for environ in made:
        said, _, body = call(environ)
        if not said.startswith(status):
            raise SystemExit(f"Answered {said} instead of {status}: {body[:200]!r}")
    took, served = time.process_time() - began, _server_seconds() - server
    return took / count * 1e6, served / count * 1e6


def _server_seconds() -> float:
    """Give the processor time of the server process behind this thread's connection."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _environ(method: str, address: str, key: str, body: bytes = b"", **more: str) -> Environ:
    path, _, query = address.partition("?")
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        **({"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))} if body else {}),
        **more,
    }
