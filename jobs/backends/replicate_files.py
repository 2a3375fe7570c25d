"""Images for Replicate's models: a small one within the order, another as a file of theirs.

Source: replicate.com/docs/topics/predictions/input-files.
"""

from collections.abc import Mapping
from typing import Final

from jobs.backends import hosted, http
from jobs.backends.backend import Order

# Bytes of an image that an input may carry itself; and the time for an upload, seconds.
_LARGEST_WITHIN: Final = 256 * 1000
_UPLOAD_SECONDS: Final = 30.0


def image_input(order: Order, *, headers: Mapping[str, str]) -> dict[str, str]:
    """Give the input of the order's image; empty without one. Raises BackendError."""
    if order.image is None:
        return {}
    if len(order.image.content) <= _LARGEST_WITHIN:
        return {order.site.image_input: hosted.data_uri(order.image)}
    # A file that is uploaded twice does no harm, so that after a lost answer the attempt may be made again.
    try:
        reply = http.call(
            order.site,
            "POST",
            "/v1/files",
            headers=headers,
            files={"content": order.image},
            seconds=_UPLOAD_SECONDS,
        )
    except http.NoAnswer as error:
        raise http.unavailable(str(error)) from error
    urls = (reply.json() or {}).get("urls")
    url = urls.get("get") if isinstance(urls, dict) else None
    if not reply.is_ok or not isinstance(url, str) or not hosted.is_on_site(url, order.site):
        raise hosted.unusable(reply)
    return {order.site.image_input: url}
