"""Strict clients: every answer is what the reference of the OpenAI API says, type by type and value by value."""

from typing import Any

import jsonschema
import pytest

from jobs import requests
from tests import factories
from tests.factories import ann, running, succeeded
from tests.openai import documented, states
from tests.openai.calls import VIDEOS, get, post_form, post_json, send

pytestmark = pytest.mark.django_db(transaction=True)

_MAKERS = (
    states.waiting,
    factories.dispatched,
    running,
    succeeded,
    states.failed,
    states.canceled,
    states.expired,
)


@pytest.fixture(autouse=True)
def _published_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cast submit a size that the hosted API had."""

    def wanted(prompt: str = "a whale") -> requests.VideoRequest:
        return requests.read({"prompt": prompt, "seconds": 8, "size": "1280x720"})

    monkeypatch.setattr(factories, "a_request", wanted)


@pytest.mark.parametrize("make", _MAKERS)
def test_a_video_is_as_documented_in_every_state(make: Any) -> None:
    owner = ann()
    job = make(owner)

    documented.expect(documented.VIDEO, get(owner, f"{VIDEOS}/{job.id}").json())
    documented.expect(documented.page_of(documented.VIDEO), get(owner, VIDEOS).json())


@pytest.mark.parametrize("send_it", [post_form, post_json])
def test_a_create_that_names_nothing_gets_what_the_documentation_says(send_it: Any) -> None:
    fields: Any = {"prompt": "a whale"}
    owner = ann()
    answer = send_it(owner, *fields.items()) if send_it is post_form else send_it(owner, fields)

    video = answer.json()
    documented.expect(documented.VIDEO, video)
    assert (video["seconds"], video["size"]) == ("4", "720x1280")


def test_pages_deletions_models_and_errors_are_as_documented() -> None:
    owner = ann()
    job = succeeded(owner)

    documented.expect(documented.DELETED, send(owner, "DELETE", f"{VIDEOS}/{job.id}").json())
    documented.expect(documented.page_of(documented.VIDEO), get(owner, VIDEOS).json())
    documented.expect(documented.MODELS, get(owner, "/v1/models").json())
    documented.expect(documented.ERROR, get(owner, f"{VIDEOS}/{job.id}").json())
    documented.expect(documented.ERROR, post_json(owner, "[").json())
    documented.expect(documented.ERROR, send(None, "GET", VIDEOS).json())
    documented.expect(documented.EVENT_TYPES, get(owner, "/v1/webhook_event_types").json())


@pytest.mark.parametrize(
    ("member", "value"),
    [("seconds", 8), ("progress", 1.0), ("status", "canceled"), ("error", {}), ("created_at", "1")],
)
def test_the_schema_would_notice(member: str, value: object) -> None:
    owner = ann()
    video = get(owner, f"{VIDEOS}/{running(owner).id}").json()

    with pytest.raises(jsonschema.ValidationError):
        documented.expect(documented.VIDEO, video | {member: value})
