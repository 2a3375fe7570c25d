"""What a create that was not taken means: whose fault it is, or that nobody can tell."""

from collections.abc import Iterable
from typing import Final

from jobs.backends.backend import BackendError, KeyRefused, Order, Unanswered
from jobs.backends.capabilities import Offer
from jobs.backends.http import Reply, unavailable
from jobs.backends.openai_videos import profiles, reading
from jobs.backends.openai_videos.profiles import Profile
from jobs.failures import FailureKind

_BUSY: Final = frozenset({402, 408, 425, 429})
_OF_REQUEST: Final = frozenset({400, 413, 415, 422})
_FORBIDDEN: Final = frozenset({401, 403})
_ABSENT: Final = frozenset({404, 405})
_NOT_NOW: Final = 503


def refusal(reply: Reply) -> BackendError | Unanswered:
    """Read the answer to a create that gave no job."""
    body = reply.json()
    error = reading.error(body)
    status = reply.status
    if reply.is_ok:
        return Unanswered(f"No job is in the answer. {reply.excerpt()}")
    if status in _OF_REQUEST or (status in _FORBIDDEN and error.is_content_policy):
        policy, request = FailureKind.CONTENT_POLICY, FailureKind.INVALID_REQUEST
        kind = policy if error.is_content_policy else request
        return BackendError(kind, error.for_owner(kind), detail=reply.excerpt())
    if status in _BUSY:
        return _busy(reply)
    if status == _NOT_NOW and ("retry-after" in reply.headers or body):
        # A server that says so itself took nothing; a proxy may not know what became of it.
        return _busy(reply)
    if status >= 500:  # noqa: PLR2004 - RFC 9110
        return Unanswered(reply.excerpt())
    return fault(reply)


def fault(reply: Reply) -> BackendError:
    """Make the failure of an answer that is not about a job, but about us or about the server."""
    status = reply.status
    if status in _FORBIDDEN:
        return KeyRefused(status)
    if status in _ABSENT:
        return _misconfigured(f"there is no such address: is it the root? {reply.excerpt()}")
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110
        return _misconfigured(f"it redirects, which is not followed: HTTP {status}")
    if status in _BUSY or status >= 500 or reply.is_ok:  # noqa: PLR2004 - RFC 9110
        return unavailable(reply.excerpt())
    return _misconfigured(reply.excerpt())


def check(order: Order, profile: Profile) -> None:
    """Refuse here what this kind of server never makes. Raises BackendError.

    The pool offered what it cannot make: another pool of the model may.
    """
    if fault := _impossible(profile, [order.seconds], [size(order)]):
        _, message = fault
        kind = FailureKind.BACKEND_ERROR
        raise BackendError(kind, message, detail=f"Not sent. {message}")


def fault_of(offer: Offer) -> tuple[str, str] | None:
    """Say what of an offer this kind of server never makes."""
    return _impossible(profiles.profile(offer.profile), offer.seconds, offer.sizes)


def size(order: Order) -> str:
    """Give the frame size as the protocol writes it."""
    return f"{order.width}x{order.height}"


def impossible(message: str) -> BackendError:
    """Make the failure of an order that is not even sent, because it cannot be made there."""
    return BackendError(FailureKind.INVALID_REQUEST, message, detail=f"Not sent. {message}")


def _impossible(
    profile: Profile, seconds: Iterable[int], sizes: Iterable[str]
) -> tuple[str, str] | None:
    if profile.seconds is not None and not profile.seconds.issuperset(seconds):
        lengths = ", ".join(str(one) for one in sorted(profile.seconds))
        return "seconds", f"This model makes videos of {lengths} seconds."
    if profile.sizes is not None and not profile.sizes.issuperset(sizes):
        return "sizes", f"This model makes videos of {', '.join(sorted(profile.sizes))}."
    return None


def _busy(reply: Reply) -> BackendError:
    wait = reading.printable(reply.headers.get("retry-after", ""))[:20]
    error = unavailable(f"{reply.excerpt()}{f' (Retry-After: {wait})' if wait else ''}")
    error.message = FailureKind.BACKEND_UNAVAILABLE.sentence
    return error


def _misconfigured(detail: str) -> BackendError:
    kind = FailureKind.BACKEND_ERROR
    return BackendError(kind, kind.sentence, detail=detail)
