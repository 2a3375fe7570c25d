"""What a stall of Redis leaves behind shuts nobody out."""

from contextvars import Context
from typing import Any

from allauth.core.internal import ratelimit
from django.core.cache import caches
from django.test import RequestFactory

# Allauth waits for a lock that somebody else holds for so long, milliseconds, and then says "too many tries".
_WAITED_FOR = 1000 * ratelimit.CACHE_LOCK_WAIT_TIMEOUT


def _spent_tries() -> bool:
    request = RequestFactory().post("/sign-in")
    return not ratelimit.consume(
        request, app="allauth.account", action="login", config={"login": "3/m/ip"}
    )


def test_a_lock_that_nobody_gives_back_is_gone_before_whoever_waits_gives_up() -> None:
    cache: Any = caches["default"]
    try:
        assert cache.add("tries:lock", True, timeout=ratelimit.CACHE_LOCK_TIMEOUT)
        assert not cache.add("tries:lock", True, timeout=ratelimit.CACHE_LOCK_TIMEOUT)
        left = cache._cache.get_client(None, write=True).pttl(cache.make_key("tries:lock"))
    finally:
        cache.delete("tries:lock")

    assert 0 < left <= _WAITED_FOR


def test_tries_are_counted_all_the_same() -> None:
    caches["default"].clear()

    assert [_spent_tries() for _ in range(4)] == [False, False, False, True]


def test_a_cache_object_of_its_own_needs_no_connection_of_its_own() -> None:
    def ask() -> tuple[Any, int]:
        client = caches["default"]._cache.get_client(None, write=True)  # type: ignore[attr-defined]
        return caches["default"], int(client.client_id())

    # As an event loop runs each request: nothing of the others' context is there.
    (one, first), (other, second) = (Context().run(ask) for _ in range(2))

    assert one is not other
    assert first == second
