"""Answers of Replicate and fal that the reference server does not give."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobs.backends import hosted
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Failed,
    Sighting,
    StillRunning,
    Submitted,
    Unanswered,
)
from jobs.backends.fal import FalBackend
from jobs.backends.replicate import ReplicateBackend
from jobs.failures import FailureKind
from tests.jobs.backends.hosted_orders import order_for
from tests.jobs.backends.scripted_http import Scripted

REPLICATE, FAL = ReplicateBackend(), FalBackend()
NOT_FOUND = (404, {"detail": "Not found"})
COMPLETED = (200, {"status": "COMPLETED", "request_id": "one"})


def test_a_model_without_a_seed_is_asked_again_without_it() -> None:
    refusal = {"detail": "- input: Additional property seed is not allowed", "status": 422}
    with Scripted((422, refusal), (201, {"id": "one"})) as server:
        order = order_for(server.url, driver="replicate")

        assert REPLICATE.submit(order) == Submitted(backend_job_id="one")
        assert ["seed" in asked[2]["input"] for asked in server.asked] == [True, False]
    with Scripted((422, refusal)) as server:
        # The owner's own seed is not dropped.
        with pytest.raises(BackendError) as error:
            REPLICATE.submit(order_for(server.url, driver="replicate", seed=1))
        assert error.value.kind is FailureKind.INVALID_REQUEST


def test_the_webhooks_address_finds_an_order_for_certain() -> None:
    order = order_for("", driver="replicate", callback_url="https://us.test/hook/2", seed=1)
    assert order.submitted_at is not None
    same = {
        "created_at": (order.submitted_at + timedelta(seconds=1)).isoformat(),
        "input": hosted.wish(order, seed=1),
    }
    twin = {**same, "id": "twin", "webhook": "https://us.test/hook/1"}
    ours = {**same, "id": "ours", "webhook": "https://us.test/hook/2"}
    for results, expected in (([twin, ours], "ours"), ([twin], None)):
        with Scripted((200, {"results": results, "next": None})) as server:
            found = REPLICATE.candidates(replace(order, site=replace(order.site, url=server.url)))
        assert [one.backend_job_id for one in found] == ([expected] if expected else [])


@pytest.mark.parametrize(
    "page",
    [
        {"results": [], "next": "https://evil.test/v1/predictions?cursor=1"},
        {"results": None},
        {"detail": "no"},
    ],
)
def test_a_list_that_is_not_whole_proves_nothing(page: Any) -> None:
    with Scripted((200, page)) as server, pytest.raises(BackendError):
        REPLICATE.candidates(order_for(server.url, driver="replicate"))


@pytest.mark.parametrize(
    ("prediction", "kind"),
    [
        ({"status": "aborted"}, FailureKind.BACKEND_ERROR),
        ({"status": "failed", "error": None}, FailureKind.BACKEND_ERROR),
        (
            {"status": "failed", "error": "The output was flagged as sensitive. (E005)"},
            FailureKind.CONTENT_POLICY,
        ),
        ({"status": "failed", "error": "Bad image (E006)"}, FailureKind.INVALID_REQUEST),
        # Its data were removed after an hour.
        ({"status": "succeeded", "output": None, "data_removed": True}, FailureKind.BACKEND_ERROR),
        ({"status": "succeeded", "output": "not an address"}, FailureKind.BACKEND_ERROR),
    ],
)
def test_a_prediction_fails_in_many_words(prediction: dict[str, Any], kind: FailureKind) -> None:
    with Scripted((200, {"id": "one", **prediction})) as server:
        seen = REPLICATE.look(order_for(server.url, driver="replicate", backend_job_id="one"))

    assert isinstance(seen, Failed)
    assert seen.kind is kind


def test_another_prediction_than_ours_is_not_believed() -> None:
    with Scripted((200, {"id": "other", "status": "succeeded"})) as server:
        order = order_for(server.url, driver="replicate", backend_job_id="one")
        with pytest.raises(BackendError):
            REPLICATE.look(order)


@pytest.mark.parametrize("answer", [(201, {"id": "../../account"}), (200, []), (504, "<html>")])
def test_a_create_without_a_usable_id_may_have_been_taken(answer: tuple[int, Any]) -> None:
    for driver, name in ((REPLICATE, "replicate"), (FAL, "fal")):
        with Scripted(answer) as server, pytest.raises(Unanswered):
            driver.submit(order_for(server.url, driver=name))


def test_a_redirected_create_is_a_wrong_address() -> None:
    with Scripted((301, "", {"Location": "https://evil.test/"})) as server:
        with pytest.raises(BackendError) as error:
            FAL.submit(order_for(server.url, driver="fal"))
        assert error.value.kind is FailureKind.BACKEND_ERROR


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # It left the queue, and is not there any more.
        ([(200, {"status": "OK"}), NOT_FOUND, NOT_FOUND], Cancellation.STOPPED),
        ([NOT_FOUND, NOT_FOUND, NOT_FOUND], Cancellation.UNKNOWN),
        ([(202, {}), (200, {"status": "IN_PROGRESS"})], Cancellation.GOES_ON),
        ([(202, {}), COMPLETED], Cancellation.ENDED),
        ([(400, {"status": "ALREADY_COMPLETED"})], Cancellation.ENDED),
    ],
)
def test_a_cancel_at_fal_is_judged_by_what_follows(
    answers: list[Any], expected: Cancellation
) -> None:
    with Scripted(*answers) as server:
        assert FAL.cancel(order_for(server.url, driver="fal", backend_job_id="one")) is expected


def response(status: int, body: Any, headers: dict[str, str] | None = None) -> Sighting:
    """Give what is seen when fal calls it completed, and this is the response."""
    said = status, body, headers or {}
    with Scripted(COMPLETED, said, said) as server:
        return FAL.look(order_for(server.url, driver="fal", backend_job_id="one"))


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (422, {"detail": [{"loc": ["body", "x"], "msg": "m"}]}, {}, FailureKind.INVALID_REQUEST),
        (
            422,
            {"detail": [{"loc": ["body"], "msg": "m", "type": "content_policy_violation"}]},
            {},
            FailureKind.CONTENT_POLICY,
        ),
        (500, {"detail": "Internal Server Error"}, {}, FailureKind.BACKEND_ERROR),
        (404, {"detail": "Not found"}, {}, FailureKind.BACKEND_ERROR),
        (504, "", {"X-Fal-Request-Timeout-Type": "user"}, FailureKind.OVERDUE),
    ],
)
def test_a_response_may_be_a_failure(
    status: int, body: Any, headers: dict[str, str], kind: FailureKind
) -> None:
    seen = response(status, body, headers)

    assert isinstance(seen, Failed)
    assert seen.kind is kind


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_gateway_that_fails_for_now_is_asked_again(status: int) -> None:
    with pytest.raises(BackendError) as error:
        response(status, "<html>nginx</html>")
    assert error.value.kind is FailureKind.BACKEND_UNAVAILABLE


def test_a_response_may_lag_behind_its_status() -> None:
    assert response(400, {"detail": "Request is still in progress"}) == StillRunning()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("- see https://x.test/a?b=1 or www.y.test\n\tnow", "see or now"),
        ("a" * 300, "a" * 199 + "…"),
    ],
)
def test_words_for_owners_are_short_and_without_addresses(words: str, told: str) -> None:
    assert hosted.plain(words) == told


def test_addresses_with_tokens_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Scripted((200, {"request_id": "one"})) as server:
        FAL.submit(order_for(server.url, driver="fal", callback_url="https://us.test/s3cret"))
        assert "s3cret" in server.asked[0][1]

    assert caplog.text == ""
