"""The pages of somebody's own account: time zone, devices, API keys. Each works without JavaScript."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from jobs import days
from jobs.requests import InvalidFields
from videogen.accounts import keys as api_keys
from videogen.accounts import scopes, sessions
from videogen.accounts.devices import described
from videogen.accounts.models import ApiKey, User

_ENDS: Final = {
    "": None,
    "30": timedelta(days=30),
    "90": timedelta(days=90),
    "365": timedelta(days=365),
}
_LONGEST_NAME: Final = 100
_ENDED_SHOWN: Final = 10


@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show the account and take a new time zone."""
    user, fault = _user(request), ""
    if request.method == "POST":
        fault = _set_time_zone(user, request.POST.get("time_zone", ""))
        if not fault:
            messages.success(request, "Saved.")
            return redirect("account")
    context = {
        "fault": fault,
        "zones": sorted(available_timezones()),
        "has_second_factor": is_mfa_enabled(user),
        "device_count": len(sessions.of(user.pk)),
        "key_count": api_keys.live(user.pk).count(),
    }
    return render(request, "accounts/account.html", context, status=400 if fault else 200)


@login_required
@require_http_methods(["GET", "POST"])
def devices(request: HttpRequest) -> HttpResponse:
    """Show where the person is signed in, and sign one device or all others out."""
    user = _user(request)
    if request.method == "POST":
        if "others" in request.POST:
            count = sessions.end_others(user.pk, keep=request.session.session_key)
            messages.success(request, f"Signed out elsewhere ({count}).")
        elif not sessions.end(user.pk, device=_number(request.POST.get("device"))):
            raise Http404
        else:
            messages.success(request, "Signed out there.")
        return redirect("devices")
    found = [
        {
            "id": one.pk,
            "name": described(one.user_agent),
            "place": one.ip,
            "last_seen_at": one.last_seen_at,
            "began_at": one.created_at,
            "is_this": one.session_key == request.session.session_key,
        }
        for one in sessions.of(user.pk)
    ]
    return render(request, "accounts/devices.html", {"devices": found})


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """Show the keys; make, rotate and revoke them. A new one is shown in the answer to its form only."""
    user = _user(request)
    context: dict[str, Any] = {"faults": {}, "entered": {}}
    if request.method == "POST":
        match request.POST.get("do"):
            case "revoke":
                if not api_keys.revoke(_id(request), user_id=user.pk):
                    raise Http404
                messages.success(request, "Revoked. Nobody gets in with it any more.")
                return redirect("keys")
            case "ask":
                return _asked(request, user)
            case "rotate":
                context |= _rotated(user, _id(request))
            case _:
                context |= _made(user, request)
    ended = ApiKey.objects.filter(user=user).exclude(id__in=api_keys.live(user.pk).values("id"))
    context |= {
        "keys": api_keys.live(user.pk).select_related("successor"),
        "ended": ended.order_by("-created_at")[:_ENDED_SHOWN],
        "scopes": scopes.MEANINGS.items(),
        "base_address": f"{settings.PUBLIC_URL}/v1",
    }
    status = 400 if context["faults"] else 200
    return render(request, "accounts/keys.html", context, status=status)


def _made(user: User, request: HttpRequest) -> dict[str, Any]:
    name = request.POST.get("name", "").strip()
    wanted = tuple(one for one in scopes.ALL if one in request.POST.getlist("scopes"))
    ends = request.POST.get("ends", "")
    faults: dict[str, str] = {}
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        faults["name"] = f"Give it a name of 1 to {_LONGEST_NAME} letters."
    if not wanted:
        faults["scopes"] = "Choose at least one thing that it may do."
    if ends not in _ENDS:
        faults["ends"] = "Choose one of the list."
    if not faults:
        lifetime = _ENDS[ends]
        expires_at = timezone.now() + lifetime if lifetime else None
        try:
            made, secret = api_keys.issue(user, name=name, scopes=wanted, expires_at=expires_at)
        except api_keys.KeyRefused as refusal:
            faults["name"] = str(refusal)
        else:
            return {"made": made, "secret": secret}
    return {"faults": faults, "entered": {"name": name, "scopes": wanted, "ends": ends}}


def _rotated(user: User, key_id: UUID) -> dict[str, Any]:
    try:
        made, secret = api_keys.rotate(key_id, user=user)
    except ApiKey.DoesNotExist:
        raise Http404 from None
    except api_keys.KeyRefused as refusal:
        return {"faults": {"key": str(refusal)}}
    return {"made": made, "secret": secret, "is_rotated": True}


def _asked(request: HttpRequest, user: User) -> HttpResponse:
    key = api_keys.live(user.pk).filter(id=_id(request)).first()
    if key is None:
        raise Http404
    return render(request, "accounts/revoke.html", {"key": key})


def _set_time_zone(user: User, name: str) -> str:
    try:
        user.time_zone = days.zone(name).key
    except InvalidFields as error:
        return error.faults["tz"]
    user.save(update_fields=["time_zone"])
    return ""


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def _id(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("key", ""))
    except ValueError:
        raise Http404 from None


def _number(text: str | None) -> int:
    # The largest id of a row.
    return int(text) if text and text.isdecimal() and int(text) < 2**63 else -1
