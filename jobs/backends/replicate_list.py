"""Replicate's list of predictions: newest first, a hundred to a page."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from jobs.backends import hosted, http
from jobs.backends.backend import Order, Site

PATH: Final = "/v1/predictions"
# Their clock against ours, and the time until the create reached them.
SKEW: Final = timedelta(minutes=2)
_YEARS: Final = range(1970, 3000)
# Pages that a search reads at most, and those that are read for a prediction that is said not to be there.
_PAGES: Final = 20
_PAGES_OF_LOST: Final = 2
_ID: Final = re.compile(r"[\w-]{1,100}", re.ASCII)


def page(site: Site, path: str) -> tuple[list[dict[str, Any]], str]:
    """Give the predictions of a page, and the address of the next or an empty text."""
    reply = hosted.ask(site, "GET", path, headers=headers(site))
    found = reply.json() or {}
    listed, following = found.get("results"), found.get("next")
    if not reply.is_ok or not isinstance(listed, list):
        raise hosted.unusable(reply)
    if following and not (isinstance(following, str) and hosted.is_on_site(following, site)):
        # Our key goes nowhere else.
        raise http.unavailable("The next page of predictions is not on the server itself.")
    return [one for one in listed if isinstance(one, dict) and identifier(one)], following or ""


def since(site: Site, earliest: datetime) -> Iterator[dict[str, Any]]:
    """Give the predictions since then. Raises BackendError unless all of them could be read."""
    path = PATH
    for _ in range(_PAGES):
        listed, path = page(site, path)
        for one in listed:
            created_at = moment(one.get("created_at"))
            if created_at is not None and created_at < earliest:
                return
            yield one
        if not path:
            return
    raise http.unavailable(f"Not found among the newest {_PAGES} pages of predictions.")


def is_listed(order: Order) -> bool:
    """Look for the prediction among the newest, as long as they may be newer than it. Raises BackendError."""
    path = PATH
    for _ in range(_PAGES_OF_LOST):
        listed, path = page(order.site, path)
        if any(identifier(one) == order.backend_job_id for one in listed):
            return True
        oldest = moment(listed[-1].get("created_at")) if listed else None
        is_older = order.submitted_at and oldest and oldest < order.submitted_at - SKEW
        if is_older or not path:
            break
    return False


def headers(site: Site) -> dict[str, str]:
    """Give the headers that say who we are."""
    return {"Authorization": f"Bearer {site.key}"} if site.key else {}


def identifier(prediction: Mapping[str, Any]) -> str:
    """Give a prediction's id; empty where it has none."""
    found = prediction.get("id")
    return found if isinstance(found, str) and _ID.fullmatch(found) else ""


def moment(text: object) -> datetime | None:
    """Read a time of theirs; None for what is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    # Beyond these years a time zone or an hour more is no date at all.
    return found if found and found.tzinfo and found.year in _YEARS else None
