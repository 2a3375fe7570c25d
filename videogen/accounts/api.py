"""The native API of keys and devices. Views translate, make one call, translate back."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.base import View
from jobs.requests import InvalidFields
from videogen.accounts import keys, scopes
from videogen.accounts.access import Access
from videogen.accounts.models import ApiKey, User

_LONGEST_NAME: Final = 100
_PAGE: Final = 100
_HOURS: Final = keys.LONGEST_OVERLAP // timedelta(hours=1)


class Keys(View):
    """GET, POST /api/v1/keys."""

    def get(self, request: Request) -> Response:
        """List the live keys, the newest first. No secret is among them: nobody has it any more."""
        found = keys.live(_user(request).pk).select_related("successor")[:_PAGE]
        return Response({"keys": [_shown(key) for key in found]})

    def post(self, request: Request) -> Response:
        """Make a key; 201 with the secret, this once. A key cannot give what it may not do itself."""
        data = _fields(request, {"name", "scopes", "expires_at"})
        key, secret = keys.issue(
            _user(request),
            name=_name(data.get("name")),
            scopes=_scopes(data.get("scopes"), has=_access(request).scopes),
            expires_at=_expires_at(data.get("expires_at")),
        )
        return _made(key, secret)


class OneKey(View):
    """GET, DELETE /api/v1/keys/{key_id}."""

    def get(self, request: Request, key_id: UUID) -> Response:
        """Retrieve one key of the caller, live or ended."""
        key = ApiKey.objects.select_related("successor").filter(id=key_id, user=_user(request))
        return Response(_shown(_or_404(key.first())))

    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoke a key: refused everywhere within a second. Repeating it changes nothing."""
        _fields(request, set())
        if not keys.revoke(key_id, user_id=_user(request).pk):
            raise Http404
        return Response(status=status.HTTP_204_NO_CONTENT)


class Rotation(View):
    """POST /api/v1/keys/{key_id}/rotation."""

    def post(self, request: Request, key_id: UUID) -> Response:
        """Make the successor of a key; the old one goes on for `overlap_hours` (24)."""
        user = _user(request)
        old = _or_404(ApiKey.objects.filter(id=key_id, user=user).first())
        data = _fields(request, {"overlap_hours"})
        _may_give(tuple(old.scopes), has=_access(request).scopes)
        key, secret = keys.rotate(key_id, user=user, overlap=_overlap(data.get("overlap_hours")))
        return _made(key, secret)


def _made(key: ApiKey, secret: str) -> Response:
    headers = {"Location": f"/api/v1/keys/{key.id}", "Cache-Control": "no-store"}
    body = {**_shown(key), "key": secret}
    return Response(body, status=status.HTTP_201_CREATED, headers=headers)


def _shown(key: ApiKey) -> dict[str, Any]:
    successor = getattr(key, "successor", None)
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": _stamp(key.created_at),
        "expires_at": _stamp(key.expires_at),
        "revoked_at": _stamp(key.revoked_at),
        "last_used_at": _stamp(key.last_used_at),
        "replaced_by": str(successor.id) if successor else None,
    }


def _fields(request: Request, known: set[str]) -> Mapping[str, Any]:
    data = request.data
    if not isinstance(data, Mapping):
        raise InvalidFields({"body": "Send a JSON object."})
    if unknown := sorted(set(data) - known):
        raise InvalidFields(
            {str(one)[:64]: "This field is not known. Remove it." for one in unknown}
        )
    return data


def _name(value: object) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidFields({"name": f"Send 1 to {_LONGEST_NAME} printable characters."})
    return name


def _scopes(value: object, *, has: frozenset[str]) -> tuple[str, ...]:
    if value is None:
        value = [one for one in scopes.ALL if one in has]
    if not isinstance(value, list) or not value or any(one not in scopes.ALL for one in value):
        words = ", ".join(scopes.ALL)
        raise InvalidFields({"scopes": f"Send a list of one or more of {words}."})
    wanted = tuple(one for one in scopes.ALL if one in value)
    _may_give(wanted, has=has)
    return wanted


def _may_give(wanted: tuple[str, ...], *, has: frozenset[str]) -> None:
    if missing := [one for one in wanted if one not in has]:
        said = f"Your own key may not {missing[0]}, so it cannot make one that may."
        raise InvalidFields({"scopes": said})


def _expires_at(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or timezone.is_naive(moment) or moment <= timezone.now():
        said = "Send a time to come with its zone, such as 2030-01-31T12:00:00Z."
        raise InvalidFields({"expires_at": said})
    return moment


def _overlap(value: object) -> timedelta:
    if value is None:
        return keys.OVERLAP
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HOURS:
        raise InvalidFields({"overlap_hours": f"Send a whole number from 0 to {_HOURS}."})
    return timedelta(hours=value)


def _access(request: Request) -> Access:
    found = request.auth
    if not isinstance(found, Access):
        raise NotAuthenticated
    return found


def _user(request: Request) -> User:
    return _access(request).user


def _or_404(key: ApiKey | None) -> ApiKey:
    if key is None:
        raise Http404
    return key


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
