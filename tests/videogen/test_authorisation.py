"""Who may do what, over every route and verb of every API that the addresses tell of."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from jobs.models import Job
from notifications import sealing
from notifications.models import Delivery, PushDevice, PushSubscription, WebhookEndpoint
from notifications.relay import Relay
from tests.factories import Person, ann, cy, person, succeeded
from videogen.accounts import keys, suspensions, tokens
from videogen.accounts.models import ApiKey

pytestmark = pytest.mark.django_db

_CALLERS = ("owner", "other", "nobody", "revoked", "suspended", "staff")
_BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_MISSING = UUID("01890000-0000-7000-8000-000000000000")
# What a route is about, by the name of its argument; these are somebody's.
_OWNED = frozenset(
    {
        "job_id",
        "video_id",
        "key_id",
        "endpoint_id",
        "delivery_id",
        "subscription_id",
        "device_id",
    }
)
_OF_OPENAI = {"video_id", "endpoint_id"}
_OTHERS = {"attempt": "1", "character_id": "char_1", "model": "preview", "number": "1"}
# Nobody has one, so everybody is told that it is not there.
_NOBODYS = "{character_id}"
# Different in every answer.
_CHANGING = frozenset({"X-Request-Id", "Date"})
# Somebody's too, and not named by a UUID.
_NUMBERED = "number"
_NO_NUMBER = 2**40


@dataclass(frozen=True)
class Route:
    """One address of an API, with holes for its arguments."""

    template: str
    view: type[APIView]

    @property
    def is_owned(self) -> bool:
        return any(f"{{{name}}}" in self.template for name in (*_OWNED, _NUMBERED))

    @property
    def is_public(self) -> bool:
        return AllowAny in self.view.permission_classes

    def path(self, things: Mapping[str, UUID | int]) -> str:
        found = {name: str(thing) for name, thing in things.items()}
        found["video_id"] = f"video_{UUID(found['job_id']).hex}"
        if self.template.startswith("/v1/"):
            found["endpoint_id"] = f"whe_{UUID(found['endpoint_id']).hex}"
        return self.template.format(**{**_OTHERS, **found})

    def takes(self, verb: str) -> bool:
        name = "get" if verb == "HEAD" else verb.lower()
        if verb == "OPTIONS":
            return False
        return name in self.view.http_method_names and hasattr(self.view, name)


def _routes(resolver: URLResolver, before: str = "/") -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "cls", None)
            if view is not None and issubclass(view, APIView):
                yield Route(template=before + _with_holes(str(pattern.pattern)), view=view)


def _sign_in(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """Give the addresses of signing in for apps, which are another library's views."""
    for pattern in resolver.url_patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _sign_in(pattern, here)
        elif here.startswith("/api/v1/auth/"):
            yield _with_holes(here)


def _with_holes(route: str) -> str:
    parts = route.split("<")
    holes = [part.split(">", 1) for part in parts[1:]]
    return parts[0] + "".join(f"{{{hole.split(':')[-1]}}}{rest}" for hole, rest in holes)


_ROUTES = list(_routes(get_resolver()))
_SIGN_IN = list(_sign_in(get_resolver()))
_OF_EACH = pytest.mark.parametrize("route", _ROUTES, ids=lambda route: route.template)


def _ask(caller: Person | None, verb: str, path: str) -> Any:
    body = "" if verb in _BODILESS else json.dumps({"prompt": "a heron"})
    return Client().generic(
        verb,
        path,
        data=body,
        content_type="application/json",
        headers=caller.headers if caller else {},
    )


def _told(response: Any) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: text for name, text in response.headers.items() if name not in _CHANGING}
    return response.status_code, response.content, headers


def _staff() -> Person:
    found = person("staff", tier="internal")
    found.user.is_staff = found.user.is_superuser = True
    found.user.save()
    return found


def _belongings(owner: Person) -> dict[str, UUID]:
    """Give ids of all that a route can be about, of one owner."""
    endpoint = WebhookEndpoint.objects.create(
        id=uuid4(),
        owner_id=owner.id,
        url="https://hooks.example/",
        event_types=["video.completed"],
        sealed_secret=sealing.seal("whsec_c2VjcmV0"),
    )
    job = succeeded(owner)
    relay = Relay()
    relay.acquire_shards()
    relay.step()
    keys.create(owner.user, name="another")
    browser = PushSubscription.objects.create(
        id=uuid4(), owner_id=owner.id, endpoint="https://push.example/"
    )
    phone = PushDevice.objects.create(id=uuid4(), owner_id=owner.id, platform="ios", token="t")
    return {
        "subscription_id": browser.id,
        "device_id": phone.id,
        "job_id": job.id,
        "key_id": ApiKey.objects.get(name="another", user=owner.user).id,
        "endpoint_id": endpoint.id,
        "delivery_id": Delivery.objects.get(channel="webhook", owner_id=owner.id).id,
    }


def _things(owner: Person) -> dict[str, UUID | int]:
    named = _belongings(owner)
    (told,) = _ask(owner, "GET", "/api/v1/notifications").json()["notifications"]
    return {**named, _NUMBERED: told["id"]}


def _missing(things: Mapping[str, UUID | int]) -> dict[str, UUID | int]:
    return {name: _NO_NUMBER if name == _NUMBERED else _MISSING for name in things}


def _revoked(owner: Person) -> Person:
    key = keys.create(owner.user, name="lost")
    ApiKey.objects.filter(name="lost").update(revoked_at="2020-01-01T00:00:00Z")
    keys.forget()
    return Person(user=owner.user, api_key=key)


def test_both_faces_are_in_the_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(
            f" {len(_ROUTES)} routes x {len(_VERBS)} verbs x {len(_CALLERS)} callers"
            f" = {len(_ROUTES) * len(_VERBS) * len(_CALLERS)},"
            f" {len(_SIGN_IN)} routes of sign-in x {len(_VERBS)} verbs = {len(_SIGN_IN) * len(_VERBS)}",
            end=" ",
        )
    assert {route.template.split("/")[1] for route in _ROUTES} >= {"api", "v1", "jobs"}
    for face, names in (("/api/v1/", set(_OWNED - {"video_id"})), ("/v1/", _OF_OPENAI)):
        templates = [route.template for route in _ROUTES if route.template.startswith(face)]
        assert {name for name in _OWNED if f"{{{name}}}" in "".join(templates)} == names


@_OF_EACH
def test_nobody_is_answered_without_a_key_that_lives(route: Route) -> None:
    owner = ann()
    path, revoked = route.path(_things(owner)), _revoked(owner)

    for verb in _VERBS:
        if route.is_public and route.takes(verb):
            assert _ask(None, verb, path).status_code == 200, verb
        elif not route.is_public:
            assert _ask(None, verb, path).status_code == 401, verb
            assert _ask(revoked, verb, path).status_code == 401, verb


@_OF_EACH
def test_the_owner_of_a_suspended_account_is_told_why(route: Route) -> None:
    owner = ann()
    path = route.path(_things(owner))
    suspensions.suspend(owner.user, reason="Spam.", by=None)
    keys.forget()

    for verb in _VERBS:
        answer = _ask(owner, verb, path)
        if route.is_public:
            assert answer.status_code == (200 if route.takes(verb) else 405), verb
            continue
        assert answer.status_code == 403, verb
        if verb != "HEAD":
            said = answer.json()
            assert said.get("error", said)["code"] == "account_suspended", verb


def test_the_sign_in_of_apps_opens_to_nobody_and_breaks_for_nobody(settings: Any) -> None:
    settings.FLOOD_SIGN_INS_PER_MINUTE = 10_000
    suspended = ann()
    client = Client()
    client.force_login(suspended.user)
    token = str(client.session.session_key)
    UserSession.objects.create(user=suspended.user, ip="127.0.0.1", session_key=token)
    suspensions.suspend(suspended.user, reason="Spam.", by=None)
    tokens.forget()

    for path, verb in product(_SIGN_IN, _VERBS):
        nobody = _ask(None, verb, path)
        told = Client().generic(verb, path, headers={"X-Session-Token": token})
        if nobody.status_code >= 400:
            assert nobody.headers["Content-Type"] == "application/problem+json", (verb, path)
        # Of all addresses the settings of the sign-in alone are everybody's.
        is_open = verb == "OPTIONS" or path.endswith("/config")
        assert nobody.status_code < 500, (verb, path)
        assert nobody.status_code >= 400 or is_open, (verb, path)
        assert told.status_code == 403, (verb, path)


@pytest.mark.parametrize(
    "route", [route for route in _ROUTES if route.is_owned], ids=lambda route: route.template
)
def test_strangers_and_staff_are_told_what_a_missing_id_tells(route: Route) -> None:
    things, strangers = _things(ann()), (cy(), _staff())
    missing = _missing(things)
    before = Job.objects.get()

    for stranger, verb in product(strangers, _VERBS):
        told = _told(_ask(stranger, verb, route.path(things)))
        assert told == _told(_ask(stranger, verb, route.path(missing))), verb
        assert told[0] == (404 if route.takes(verb) else 405), verb
    after = Job.objects.get()
    assert (after.state, after.version, after.hidden_at) == ("succeeded", before.version, None)


@_OF_EACH
def test_an_owner_is_answered(route: Route) -> None:
    owner = ann()
    things = _things(owner)
    missing = _missing(things)

    # What is deleted is gone for the verbs after it.
    for verb in sorted(_VERBS, key=lambda verb: verb == "DELETE"):
        path = route.path(things if route.is_owned else missing)
        status = _ask(owner, verb, path).status_code
        if not route.takes(verb):
            assert status == 405, verb
        elif _NOBODYS in route.template:
            assert status == 404, verb
        else:
            assert status not in {401, 403, 404}, verb
            assert status < 500, verb


def test_a_list_has_nothing_of_others() -> None:
    things = _belongings(ann())
    stranger = cy()

    for route in _ROUTES:
        if not route.is_owned and route.takes("GET") and "{" not in route.template:
            content = _ask(stranger, "GET", route.template).content.decode()
            for thing in things.values():
                assert str(thing) not in content, route.template
                assert thing.hex not in content, route.template


_BAD_BODIES = {
    "deep": '{"x": ' + "[" * 21 + "]" * 21 + "}",
    "deepest": "[" * 30_000,
    "nan": '{"x": NaN}',
    "twice": '{"x": 1, "x": 2}',
    "unknown": '{"x": 1}',
    "half a character": '{"x": "\\ud800"}',
    "large": '{"x": "' + "x" * 66_000 + '"}',
    "no json": "nonsense",
    "a list": "[1]",
}


@_OF_EACH
def test_what_nobody_should_send_is_refused_by_name_and_changes_nothing(route: Route) -> None:
    owner = ann()
    path = route.path(_things(owner))
    before = Job.objects.get()

    for verb, (name, body) in product(("POST", "PUT", "PATCH", "DELETE"), _BAD_BODIES.items()):
        if not route.takes(verb):
            continue
        answer = Client().generic(
            verb, path, body, content_type="application/json", headers=owner.headers
        )
        said = answer.json()
        if said.get("error", said)["code"] == "not_supported":
            # It refuses whatever comes.
            continue
        assert answer.status_code == (413 if name == "large" else 400), (verb, name)
        named = said["error"]["param"] if "error" in said else said["errors"][0]["field"]
        assert named in {"x", "body"}, (verb, name)
    after = Job.objects.get()
    assert (after.state, after.version) == (before.state, before.version)
