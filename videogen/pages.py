"""What every page needs: credits, unread notices, news of the GPUs, and where and from when to follow the feed."""

from typing import Any

from django.http import HttpRequest

from jobs import days, notices
from jobs.models import Account
from notifications import centre, feed
from notifications.addresses import push_origin


def page(request: HttpRequest) -> dict[str, Any]:
    """Give the context of the page frame; nothing for people who are not signed in."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"credits": None}
    found = Account.objects.filter(owner_id=user.pk).values_list("balance", "tier_id").first()
    balance, tier = found or (0, "")
    return {
        "credits": f"{balance:,}",
        "notice": notices.of_capacity(tier, zone=days.zone(user.time_zone)),
        "unread": _shown(centre.unread(user.pk)),
        "push_origin": push_origin(request),
        "feed_head": getattr(request, "feed_head", None) or feed.head(user.pk),
    }


def _shown(unread: int) -> str:
    if unread >= centre.MOST_COUNTED:
        return f"{centre.MOST_COUNTED - 1}+"
    return str(unread) if unread else ""
