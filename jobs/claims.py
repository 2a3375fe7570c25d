"""What the headers of a submission say about its being sent before."""

from typing import Final

from django.http import HttpRequest

from jobs.idempotency import Claim
from jobs.requests import KEY_LIMIT, InvalidFields, VideoRequest

_HEADER: Final = "Idempotency-Key"


def of(request: HttpRequest, wanted: VideoRequest) -> Claim:
    """Give the claim of a submission over HTTP. Raises InvalidFields."""
    key = key_of(request)
    # What the OpenAI SDKs send instead of a key: 0 with the first try, then 1, 2, ...
    count = request.META.get("HTTP_X_STAINLESS_RETRY_COUNT", "")
    if key is None and count.isascii() and count.isdigit():
        return Claim.by_retry_count(int(count[:9]), wanted)
    return Claim.by_key(key)


def key_of(request: HttpRequest) -> str | None:
    """Read the `Idempotency-Key` header. Raises InvalidFields."""
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_LIMIT or not key.isprintable():
        raise InvalidFields({_HEADER: f"Send 1 to {KEY_LIMIT} printable characters."})
    return key
