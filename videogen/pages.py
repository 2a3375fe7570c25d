"""What every page needs: credits, unread notices, and where and from when to follow the feed."""

from typing import Any

from django.http import HttpRequest

from jobs.models import Account
from notifications import centre, feed
from notifications.addresses import push_origin


def page(request: HttpRequest) -> dict[str, Any]:
    """Give the context of the page frame; nothing for people who are not signed in."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"credits": None}
    accounts = Account.objects.filter(owner_id=user.pk)
    return {
        "credits": f"{accounts.values_list('balance', flat=True).first() or 0:,}",
        "unread": _shown(centre.unread(user.pk)),
        "push_origin": push_origin(request),
        "feed_head": getattr(request, "feed_head", None) or feed.head(user.pk),
    }


def _shown(unread: int) -> str:
    if unread >= centre.MOST_COUNTED:
        return f"{centre.MOST_COUNTED - 1}+"
    return str(unread) if unread else ""
