"""Pages of rows that are numbered: the cursor is the number of the last one shown, written opaquely."""

import base64
import struct
from typing import Final
from urllib.parse import urlencode

from rest_framework.request import Request

from jobs.api import filters
from jobs.requests import InvalidFields

_FIRST: Final = 2**63 - 1
_CURSOR: Final = ">q"


def size_of(request: Request) -> int:
    """Read `?limit=`. Raises InvalidFields."""
    value = request.query_params.get("limit")
    return filters.limit_of(value) if value else filters.DEFAULT_LIMIT


def after_of(request: Request) -> int:
    """Read `?cursor=`: rows below this number follow. Raises InvalidFields."""
    value = request.query_params.get("cursor")
    if not value:
        return _FIRST
    try:
        raw = base64.b64decode(value.encode("ascii"), altchars=b"-_", validate=True)
        (number,) = struct.unpack(_CURSOR, raw)
    except (ValueError, struct.error):
        raise InvalidFields({"cursor": "Use the cursor of a `next` link unchanged."}) from None
    return int(number)


def next_page(request: Request, last: int | None) -> str | None:
    """Give the address of the page after the row of this number."""
    if last is None:
        return None
    cursor = base64.urlsafe_b64encode(struct.pack(_CURSOR, last)).decode()
    return f"{request.path}?{urlencode({**request.query_params.dict(), 'cursor': cursor})}"
