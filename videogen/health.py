"""Whether this process lives, and whether the service works."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis import Redis
from redis.exceptions import RedisError


def live(_: HttpRequest) -> JsonResponse:
    """Answer as long as the process does."""
    return JsonResponse({"status": "live"})


def ready(_: HttpRequest) -> JsonResponse:
    """Answer 503 without the database; without Redis the service is slower but right."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "away"}, status=503)
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3
        ) as redis:
            redis.ping()
    except (RedisError, OSError):
        return JsonResponse({"status": "degraded", "database": "ok", "redis": "away"})
    return JsonResponse({"status": "ready", "database": "ok", "redis": "ok"})
