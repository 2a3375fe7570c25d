"""Who may do what, over every route and verb of every API that the addresses tell of."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from jobs.models import Job
from notifications import sealing
from notifications.models import Delivery, WebhookEndpoint
from notifications.relay import Relay
from tests.factories import Person, ann, cy, person, succeeded
from videogen.accounts import keys
from videogen.accounts.models import ApiKey

pytestmark = pytest.mark.django_db

_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_MISSING = UUID("01890000-0000-7000-8000-000000000000")
# What a route is about, by the name of its argument; these are somebody's.
_OWNED = frozenset({"job_id", "video_id", "key_id", "endpoint_id", "delivery_id"})
_OTHERS = {"attempt": "1", "character_id": "char_1", "model": "preview", "number": "1"}
# Different in every answer.
_CHANGING = frozenset({"X-Request-Id", "Date"})


@dataclass(frozen=True)
class Route:
    """One address of an API, with holes for its arguments."""

    template: str
    view: type[APIView]

    @property
    def is_owned(self) -> bool:
        return any(f"{{{name}}}" in self.template for name in _OWNED)

    @property
    def is_public(self) -> bool:
        return AllowAny in self.view.permission_classes

    def path(self, things: Mapping[str, UUID]) -> str:
        found = {name: str(thing) for name, thing in things.items()}
        return self.template.format(video_id=f"video_{things['job_id'].hex}", **found, **_OTHERS)

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


def _with_holes(route: str) -> str:
    parts = route.split("<")
    holes = [part.split(">", 1) for part in parts[1:]]
    return parts[0] + "".join(f"{{{hole.split(':')[-1]}}}{rest}" for hole, rest in holes)


_ROUTES = list(_routes(get_resolver()))
_OF_EACH = pytest.mark.parametrize("route", _ROUTES, ids=lambda route: route.template)


def _ask(caller: Person | None, verb: str, path: str) -> Any:
    body = "" if verb in {"GET", "HEAD", "OPTIONS"} else json.dumps({"prompt": "a heron"})
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
    return {
        "job_id": job.id,
        "key_id": ApiKey.objects.get(name="another", user=owner.user).id,
        "endpoint_id": endpoint.id,
        "delivery_id": Delivery.objects.get(channel="webhook", owner_id=owner.id).id,
    }


def _revoked(owner: Person) -> Person:
    key = keys.create(owner.user, name="lost")
    ApiKey.objects.filter(name="lost").update(revoked_at="2020-01-01T00:00:00Z")
    keys.forget()
    return Person(user=owner.user, api_key=key)


def test_both_faces_are_in_the_matrix() -> None:
    assert {route.template.split("/")[1] for route in _ROUTES} >= {"api", "v1", "jobs"}
    assert sum(route.is_owned for route in _ROUTES) >= 7


@_OF_EACH
def test_nobody_is_answered_without_a_key_that_lives(route: Route) -> None:
    owner = ann()
    path, revoked = route.path(_belongings(owner)), _revoked(owner)

    for verb in _VERBS:
        if route.is_public and route.takes(verb):
            assert _ask(None, verb, path).status_code == 200, verb
        elif not route.is_public:
            assert _ask(None, verb, path).status_code == 401, verb
            assert _ask(revoked, verb, path).status_code == 401, verb


@pytest.mark.parametrize(
    "route", [route for route in _ROUTES if route.is_owned], ids=lambda route: route.template
)
def test_strangers_and_staff_are_told_what_a_missing_id_tells(route: Route) -> None:
    things, strangers = _belongings(ann()), (cy(), _staff())
    missing = dict.fromkeys(things, _MISSING)
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
    things = _belongings(owner)
    missing = dict.fromkeys(things, _MISSING)

    # What is deleted is gone for the verbs after it.
    for verb in sorted(_VERBS, key=lambda verb: verb == "DELETE"):
        path = route.path(things if route.is_owned else missing)
        status = _ask(owner, verb, path).status_code
        if not route.takes(verb):
            assert status == 405, verb
        elif "{character_id}" not in route.template:
            assert status not in {401, 403, 404}, verb
            assert status < 500, verb


def test_a_list_has_nothing_of_others() -> None:
    job = succeeded(ann())
    stranger = cy()

    for route in _ROUTES:
        if not route.is_owned and route.takes("GET") and "{" not in route.template:
            content = _ask(stranger, "GET", route.template).content.decode()
            assert str(job.id) not in content
            assert job.id.hex not in content
