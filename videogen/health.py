"""Whether this process lives, and whether the service works: JSON for machines, a status code that is true.

503 means that no request can be served. What only slows things down is named, and answered 200: taking web processes
out of service would help nobody then.
"""

from functools import cache
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from redis import Redis
from redis.exceptions import RedisError

from scheduler import dispatcher
from videogen import canaries, outages

# Ages beyond which somebody does not do what he is there for, seconds.
_OLD_LEADER: Final = 30.0
_OLD_BEAT: Final = 30.0
_OLD_CANARY: Final = 300.0
_PATIENCE: Final = 0.3

_AGES: Final = """
select extract(epoch from now() - max(claimed_at) filter (where name = %(leader)s)),
    extract(epoch from now() - max(claimed_at) filter (where name <> %(leader)s))
from tick
"""


def live(_: HttpRequest) -> JsonResponse:
    """Answer as long as the process does."""
    return _answer({"status": "live"})


def ready(_: HttpRequest) -> JsonResponse:
    """Say what works. Ages are seconds; null is never."""
    try:
        found = _of_database()
    except DatabaseError:
        return _unavailable({"database": "away", "redis": _of_redis()})
    found["redis"] = _of_redis()
    if found["migrations"] != "ok":
        return _unavailable(found)
    is_well = found["redis"] == "ok" and all(
        found[part]["status"] == "ok" for part in ("dispatcher", "beat", "queues")
    )
    return _answer({"status": "ready" if is_well else "degraded", **found})


def _of_database() -> dict[str, Any]:
    if not _is_migrated():
        return {"database": "ok", "migrations": "missing"}
    with connection.cursor() as cursor:
        cursor.execute(_AGES, {"leader": dispatcher.TICK})
        leader, beat = cursor.fetchone()
    ages = canaries.ages()
    silent = sum(age > _OLD_CANARY for age in ages.values())
    return {
        "database": "ok",
        "migrations": "ok",
        "dispatcher": _aged(leader, _OLD_LEADER),
        "beat": _aged(beat, _OLD_BEAT),
        # Names of queues are names of pools: not for everybody who asks. The metrics have them.
        "queues": {"status": "silent" if silent else "ok", "known": len(ages), "silent": silent},
    }


def _aged(age: Any, limit: float) -> dict[str, Any]:
    seconds = None if age is None else round(max(0.0, float(age)), 1)
    is_well = seconds is not None and seconds <= limit
    return {"status": "ok" if is_well else "old", "age_seconds": seconds}


def _of_redis() -> str:
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        ) as redis:
            redis.ping()
    except (RedisError, OSError):
        return "away"
    return "ok"


def _is_migrated() -> bool:
    """Say whether the database is as new as this code; what was once found true stays so."""
    try:
        return _found_migrated()
    except _Behind:
        return False


class _Behind(Exception):
    """Migrations of this code are missing."""


@cache
def _found_migrated() -> bool:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise _Behind
    return True


def _unavailable(found: dict[str, Any]) -> JsonResponse:
    answer = _answer({"status": "unavailable", **found}, status=503)
    answer["Retry-After"] = str(outages.RETRY_AFTER)
    return answer


def _answer(found: dict[str, Any], *, status: int = 200) -> JsonResponse:
    answer = JsonResponse(found, status=status)
    answer["Cache-Control"] = "no-store"
    return answer
