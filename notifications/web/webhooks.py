"""The pages of webhook addresses: added, tried, rotated, turned off; and every delivery with its tries.

Each works without JavaScript. A secret is in the answer to the form that made it, and nowhere else.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from notifications import announcements, webhook_endpoints, webhook_log
from notifications.errors import (
    DeliveryMissing,
    EndpointDisabled,
    EndpointMissing,
    InvalidValues,
    TooManyEndpoints,
    TooSoon,
)
from notifications.models import DeliveryState, WebhookEndpoint
from notifications.web import sendings

_PAGE: Final = 25
# What the log can be narrowed to.
_SHOWS: Final = {
    "": ("All", ()),
    "failed": ("Given up", (DeliveryState.ABANDONED,)),
    "due": ("Due again", (DeliveryState.SCHEDULED,)),
}


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """Show the caller's addresses, and add one."""
    owner_id = UUID(str(request.user.pk))
    context: dict[str, Any] = {"faults": {}, "entered": {}}
    if request.method == "POST":
        context |= _added(request, owner_id)
    found = list(webhook_endpoints.of_owner(owner_id))
    lately = webhook_log.lately(owner_id)
    context |= {
        "endpoints": [sendings.standing(one, lately.get(one.id)) for one in found],
        "types": announcements.webhook_types(),
        "is_full": len(found) >= webhook_endpoints.MOST_ENDPOINTS,
    }
    status = 400 if context["faults"] else 200
    return render(request, "notifications/webhooks.html", context, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Show one address with what was sent to it, and do to it what a button says."""
    owner_id = UUID(str(request.user.pk))
    endpoint = _mine(owner_id, endpoint_id)
    if request.method != "POST":
        return _page(request, endpoint)
    act = _ACTS.get(request.POST.get("do", ""))
    if act is None:
        raise Http404
    try:
        return act(request, endpoint)
    except (EndpointDisabled, TooSoon) as refusal:
        messages.warning(request, str(refusal))
    except EndpointMissing:
        raise Http404 from None
    return redirect("webhook", endpoint_id)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delivery(request: HttpRequest, endpoint_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Show one delivery: what was sent, each try, what came back; and send it again."""
    owner_id = UUID(str(request.user.pk))
    endpoint = _mine(owner_id, endpoint_id)
    try:
        if request.method == "POST":
            try:
                webhook_log.replay(owner_id, endpoint_id, delivery_id)
                messages.success(request, "It is sent again, with the same id and body.")
            except (EndpointDisabled, TooSoon) as refusal:
                messages.warning(request, str(refusal))
            return redirect("delivery", endpoint_id, delivery_id)
        found = webhook_log.get(owner_id, endpoint_id, delivery_id)
    except (DeliveryMissing, EndpointMissing):
        raise Http404 from None
    zone = sendings.zone(request)
    context = {
        "endpoint": endpoint,
        "sending": sendings.sending(found, zone=zone),
        "tries": [sendings.try_of(one, zone=zone) for one in found.attempts.all()],
        "body": sendings.indented(found.content),
        "zone_name": zone.key,
    }
    return render(request, "notifications/delivery.html", context)


def _added(request: HttpRequest, owner_id: UUID) -> dict[str, Any]:
    entered = _entered(request)
    try:
        made, secret = webhook_endpoints.create(owner_id, **entered)
    except InvalidValues as error:
        return {"faults": error.faults, "entered": entered}
    except (TooManyEndpoints, TooSoon) as refusal:
        return {"faults": {"url": str(refusal)}, "entered": entered}
    return {"made": made, "secret": secret}


def _changed(request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    entered = _entered(request)
    try:
        webhook_endpoints.update(endpoint.owner_id, endpoint.id, entered)
    except InvalidValues as error:
        return _page(request, endpoint, status=400, faults=error.faults, entered=entered)
    messages.success(request, "Saved.")
    return redirect("webhook", endpoint.id)


def _tested(request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    try:
        made = webhook_log.test(
            endpoint.owner_id, endpoint.id, event_type=request.POST.get("event_type")
        )
    except InvalidValues as error:
        return _page(request, endpoint, status=400, faults=error.faults)
    shown = sendings.sending(made, zone=sendings.zone(request))
    if made.state == DeliveryState.DELIVERED:
        messages.success(request, f"It answered {shown.answer} after {shown.took}.")
    else:
        messages.warning(request, f"The test did not arrive. {shown.reason}")
    return redirect("delivery", endpoint.id, made.id)


def _rotated(request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    has_leaked = "leaked" in request.POST
    overlap = 0 if has_leaked else webhook_endpoints.OVERLAP_SECONDS
    found, secret = webhook_endpoints.rotate(
        endpoint.owner_id, endpoint.id, keep_old_seconds=overlap
    )
    return _page(request, found, secret=secret, has_leaked=has_leaked)


def _enabled(request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    webhook_endpoints.update(endpoint.owner_id, endpoint.id, {"is_enabled": True})
    messages.success(request, "It is told again.")
    return redirect("webhook", endpoint.id)


def _disabled(request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    webhook_endpoints.update(endpoint.owner_id, endpoint.id, {"is_enabled": False})
    messages.success(request, "It is told nothing from now on.")
    return redirect("webhook", endpoint.id)


def _deleted(request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    webhook_endpoints.delete(endpoint.owner_id, endpoint.id)
    messages.success(request, f"{endpoint.url} is deleted.")
    return redirect("webhooks")


_ACTS: Final[Mapping[str, Callable[[HttpRequest, WebhookEndpoint], HttpResponse]]] = {
    "test": _tested,
    "rotate": _rotated,
    "change": _changed,
    "enable": _enabled,
    "disable": _disabled,
    "delete": _deleted,
}


def _page(
    request: HttpRequest, endpoint: WebhookEndpoint, *, status: int = 200, **more: Any
) -> HttpResponse:
    lately = webhook_log.lately(endpoint.owner_id).get(endpoint.id)
    zone = sendings.zone(request)
    until = endpoint.old_secret_until if endpoint.sealed_old_secret else None
    context = {
        "faults": {},
        "entered": {
            "url": endpoint.url,
            "name": endpoint.name,
            "event_types": endpoint.event_types,
        },
        "standing": sendings.standing(endpoint, lately),
        "types": announcements.webhook_types(),
        "old_secret_until": sendings.if_ahead(until, zone=zone),
        "zone_name": zone.key,
    }
    context |= _log(request, endpoint) | more
    return render(request, "notifications/webhook.html", context, status=status)


def _log(request: HttpRequest, endpoint: WebhookEndpoint) -> dict[str, Any]:
    show = request.GET.get("show", "")
    if show not in _SHOWS:
        raise Http404
    found = webhook_log.of_endpoint(endpoint.owner_id, endpoint.id)
    if states := _SHOWS[show][1]:
        found = found.filter(state__in=states)
    after = _id(request.GET.get("after", ""))
    if after:
        found = found.filter(id__lt=after)
    page = list(found[: _PAGE + 1])
    zone = sendings.zone(request)
    return {
        "endpoint": endpoint,
        "sendings": [sendings.sending(one, zone=zone) for one in page[:_PAGE]],
        "older": page[_PAGE - 1].id if len(page) > _PAGE else None,
        "show": show,
        "shows": [(name, word) for name, (word, _) in _SHOWS.items()],
        "is_older": bool(after),
    }


def _entered(request: HttpRequest) -> dict[str, Any]:
    return {
        "url": request.POST.get("url", "").strip(),
        "name": request.POST.get("name", "").strip(),
        "event_types": request.POST.getlist("event_types"),
    }


def _mine(owner_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    try:
        return webhook_endpoints.get(owner_id, endpoint_id)
    except EndpointMissing:
        raise Http404 from None


def _id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
