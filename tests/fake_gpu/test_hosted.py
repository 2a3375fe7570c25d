"""Replicate and fal over TCP: their roads, their cancels, what their addresses and words mean."""

from typing import Any

from tests.gpu import FakeGpu

QUICK = 0.02
PREDICTION = {"version": "abc", "input": {"prompt": "A lighthouse", "duration": 4}}
APP = "/fal-ai/wan/v2.2"


def predict(gpu: FakeGpu, **headers: str) -> dict[str, Any]:
    status, found = gpu.ask("POST", "/v1/predictions", PREDICTION, headers=headers)
    assert status == 201
    return dict(found)


def submit(gpu: FakeGpu) -> dict[str, Any]:
    status, found = gpu.ask("POST", APP, {"prompt": "A lighthouse"})
    assert status == 200
    return dict(found)


def test_a_prediction_succeeds_and_its_output_expires() -> None:
    with FakeGpu(dialect="replicate", speed=QUICK, url_seconds=0) as gpu:
        started = predict(gpu)
        gpu.wait_for("finished", started["id"])
        _, found = gpu.ask("GET", started["urls"]["get"])
        expired, _ = gpu.ask("GET", found["output"])

        assert (started["status"], found["status"], expired) == ("processing", "succeeded", 404)
        assert found["logs"].startswith("100%")
        assert gpu.journal("url_expired")


def test_a_prediction_is_waited_for_when_that_is_preferred() -> None:
    with FakeGpu(dialect="replicate", speed=QUICK) as gpu:
        assert predict(gpu, Prefer="wait=5")["status"] == "succeeded"


def test_a_canceled_prediction_says_so_and_frees_its_slot() -> None:
    with FakeGpu(dialect="replicate", fault={"hang": 1}) as gpu:
        first, second = predict(gpu), predict(gpu)

        _, canceled = gpu.ask("POST", first["urls"]["cancel"])

        assert (second["status"], canceled["status"]) == ("starting", "canceled")
        assert gpu.state()["running"] == [second["id"]]


def test_predictions_are_listed_newest_first() -> None:
    with FakeGpu(dialect="replicate", slots=3) as gpu:
        made = [predict(gpu)["id"] for _ in range(3)]

        _, page = gpu.ask("GET", "/v1/predictions")

        assert [one["id"] for one in page["results"]] == made[::-1]
        assert page["next"] is None


def test_a_fal_request_goes_through_its_own_addresses() -> None:
    with FakeGpu(dialect="fal", speed=QUICK) as gpu:
        given = submit(gpu)
        early, _ = gpu.ask("GET", given["response_url"])
        gpu.wait_for("finished", given["request_id"])
        _, status = gpu.ask("GET", given["status_url"])
        _, response = gpu.ask("GET", given["response_url"])

        assert early == 400
        assert status["status"] == "COMPLETED"
        assert gpu.ask("GET", response["video"]["url"])[0] == 200
        # The path below the app is dropped.
        assert "/v2.2/" not in given["status_url"]


def test_fals_completed_may_mean_failed() -> None:
    with FakeGpu(dialect="fal", speed=QUICK, fault={"refused_content": 1}) as gpu:
        given = submit(gpu)
        gpu.wait_for("failed")
        _, status = gpu.ask("GET", given["status_url"])

        assert (status["status"], status["error_type"]) == ("COMPLETED", "moderation_blocked")
        assert gpu.ask("GET", given["response_url"])[0] == 422


def test_a_fal_request_is_canceled_once() -> None:
    with FakeGpu(dialect="fal", fault={"hang": 1}) as gpu:
        given = submit(gpu)

        assert gpu.ask("PUT", given["cancel_url"])[0] == 202
        assert gpu.ask("PUT", given["cancel_url"])[0] == 400


def test_a_fal_request_knows_its_place() -> None:
    with FakeGpu(dialect="fal", fault={"hang": 1}) as gpu:
        submit(gpu)

        assert [submit(gpu)["queue_position"] for _ in range(2)] == [0, 1]


def test_a_confirmed_cancel_may_change_nothing() -> None:
    with FakeGpu(dialect="fal", speed=QUICK, fault={"hang": 1, "cancel_ignored": 1}) as gpu:
        given = submit(gpu)
        confirmed, _ = gpu.ask("PUT", given["cancel_url"])
        gpu.release()
        gpu.wait_for("finished", given["request_id"])

        assert confirmed == 202
        assert gpu.ask("GET", given["response_url"])[0] == 200
        assert gpu.journal("canceled") == []


def test_a_success_may_have_no_result() -> None:
    with FakeGpu(dialect="replicate", speed=QUICK, fault={"no_result": 1}) as gpu:
        prediction = predict(gpu)
        gpu.wait_for("finished")
        _, found = gpu.ask("GET", prediction["urls"]["get"])

    assert (found["status"], found["output"]) == ("succeeded", None)

    with FakeGpu(dialect="fal", speed=QUICK, fault={"no_result": 1}) as gpu:
        given = submit(gpu)
        gpu.wait_for("finished")

        assert gpu.ask("GET", given["response_url"])[1]["video"] is None
