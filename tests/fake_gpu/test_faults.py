"""Every fault as its caller meets it, and as the journal tells it."""

import http.client
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gpu import FakeGpu
from videogen.fake_gpu import faults, generations
from videogen.fake_gpu.dialects import videos

QUICK = 0.02
FORM = {"prompt": "A lighthouse"}


def create(gpu: FakeGpu) -> tuple[int, Any]:
    return gpu.ask("POST", "/v1/videos", form=FORM)


def created(gpu: FakeGpu) -> str:
    create(gpu)
    return str(gpu.wait_for("submitted")["id"])


def poll(gpu: FakeGpu, video: str) -> tuple[int, Any]:
    return gpu.ask("GET", f"/v1/videos/{video}")


def raw(gpu: FakeGpu, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(gpu.url).netloc, timeout=5)
    connection.request("GET", path)
    return connection.getresponse()


def test_slow_takes_ten_times_as_long() -> None:
    with FakeGpu(dialect="openai", speed=1, jitter=0, fault={"slow": 1}) as gpu:
        created(gpu)

        assert gpu.wait_for("submitted")["expected_seconds"] == 40


def test_a_hanging_job_ends_when_it_is_released() -> None:
    with FakeGpu(dialect="openai", speed=QUICK, fault={"hang": 1}) as gpu:
        video = created(gpu)
        time.sleep(8 * QUICK)
        _, hanging = poll(gpu, video)
        gpu.release()
        gpu.wait_for("finished", video)

        assert hanging["status"] == "in_progress"
        assert gpu.wait_for("released")["count"] == 1


@pytest.mark.parametrize(
    ("name", "status", "accepted"),
    [
        ("error_500_on_submit", 500, 0),
        ("error_500_after_accept", 500, 1),
        ("reject_429", 429, 0),
        ("reject_402", 402, 0),
        ("reject_content", 400, 0),
    ],
)
def test_a_create_is_refused_before_or_after_it_counts(
    name: str, status: int, accepted: int
) -> None:
    with FakeGpu(dialect="openai", fault={name: 1}) as gpu:
        assert create(gpu)[0] == status
        assert len(gpu.journal("submitted")) == accepted
        assert gpu.wait_for("fault")["name"] == name


def test_a_create_is_accepted_without_an_answer() -> None:
    with FakeGpu(dialect="openai", speed=QUICK, fault={"drop_after_accept": 1}) as gpu:
        with pytest.raises(http.client.RemoteDisconnected):
            create(gpu)

        gpu.wait_for("finished", gpu.wait_for("submitted")["id"])


def test_polls_meet_what_only_strikes_polls() -> None:
    with FakeGpu(dialect="openai", fault={"hang": 1}) as gpu:
        video = created(gpu)

        gpu.fault("error_500_on_poll")
        assert poll(gpu, video)[0] == 500
        gpu.fault("error_500_on_poll", 0)
        gpu.fault("forget_on_poll")
        assert poll(gpu, video)[0] == 404
        gpu.fault("forget_on_poll", 0)
        gpu.fault("drop_on_poll")
        with pytest.raises(http.client.RemoteDisconnected):
            poll(gpu, video)
        gpu.fault("drop_on_poll", 0)
        assert poll(gpu, video)[0] == 200


def test_an_error_that_strikes_now_and_then_leaves_the_other_answers_whole() -> None:
    with FakeGpu(dialect="openai", fault={"hang": 1}) as gpu:
        video = created(gpu)
        gpu.fault("error_500", 0.5)
        answers = [raw(gpu, f"/v1/videos/{video}") for _ in range(20)]

        assert {answer.status for answer in answers} == {200, 500}
        assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}
        assert len(gpu.journal("fault")) == [answer.status for answer in answers].count(500)


def test_garbage_is_cut_off_json() -> None:
    with FakeGpu(dialect="openai", fault={"garbage_on_poll": 1}) as gpu:
        status, body = poll(gpu, created(gpu))

        assert status == 200
        assert body.startswith(b'{"id":')


def test_a_huge_body_does_not_end_soon() -> None:
    with FakeGpu(dialect="openai", fault={"huge_on_poll": 1}) as gpu:
        answer = raw(gpu, f"/v1/videos/{created(gpu)}")

        assert len(answer.read(20_000_000)) == 20_000_000


def test_a_dripping_body_comes_byte_by_byte() -> None:
    with FakeGpu(dialect="openai", fault={"drip_on_poll": 1}) as gpu:
        answer = raw(gpu, f"/v1/videos/{created(gpu)}")
        began = time.monotonic()
        answer.read(3)

        # The first byte may have come before the clock was read.
        assert time.monotonic() - began > 0.9


def test_a_wrong_content_type_covers_the_right_body() -> None:
    with FakeGpu(dialect="openai", fault={"wrong_content_type_on_poll": 1}) as gpu:
        answer = raw(gpu, f"/v1/videos/{created(gpu)}")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_success_may_be_told_twice_or_taken_back() -> None:
    with FakeGpu(dialect="openai", speed=QUICK, fault={"success_twice": 1}) as gpu:
        video = created(gpu)
        gpu.wait_for("finished", video, count=2)
        assert [one["output"] for one in gpu.journal("finished", video)] == [1, 2]

    with FakeGpu(dialect="openai", speed=QUICK, fault={"success_then_failure": 1}) as gpu:
        video = created(gpu)
        gpu.wait_for("finished", video)
        gpu.wait_for("failed", video)
        assert poll(gpu, video)[1]["status"] == "failed"
        assert len(gpu.journal("billed", video)) == 1


def test_delete_may_free_nothing_or_be_refused() -> None:
    with FakeGpu(
        dialect="vllm_omni", speed=0.1, fault={"delete_frees_nothing": 1, "delete_conflict": 1}
    ) as gpu:
        video = created(gpu)
        refused, _ = gpu.ask("DELETE", f"/v1/videos/{video}")
        gpu.fault("delete_conflict", 0)
        other = str(create(gpu)[1]["id"])
        confirmed, _ = gpu.ask("DELETE", f"/v1/videos/{other}")

        assert (refused, confirmed) == (409, 200)
        assert gpu.wait_for("finished", other)["unseen"] is True


def test_words_and_progress_may_be_strange() -> None:
    strange = {"unknown_status": 1, "null_progress": 1, "hang": 1}
    with FakeGpu(dialect="openai", fault=strange) as gpu:
        _, found = poll(gpu, created(gpu))

        assert found["status"] not in {"queued", "in_progress", "completed", "failed"}
        assert found["progress"] is None


def test_a_failed_job_may_come_as_an_http_error() -> None:
    with FakeGpu(dialect="sglang", speed=QUICK, fault={"failed_as_500": 1}) as gpu:
        video = created(gpu)
        gpu.wait_for("failed", video)

        status, found = poll(gpu, video)

        assert (status, found["status"]) == (500, "failed")


def test_a_result_may_point_where_nobody_may_go() -> None:
    with FakeGpu(dialect="vllm_omni", speed=QUICK, fault={"bad_result_url": 1}) as gpu:
        video = created(gpu)
        gpu.wait_for("finished", video)

        answer = raw(gpu, f"/v1/videos/{video}/content")

        assert answer.status == 302
        assert answer.headers["Location"] == gpu.wait_for("submitted")["bad_url"]


def test_a_misspelt_fault_is_refused() -> None:
    with FakeGpu(dialect="openai") as gpu, pytest.raises(RuntimeError, match="no fault"):
        gpu.fault("hnag")


def test_a_seed_repeats_times_and_faults() -> None:
    def told(seed: int) -> list[tuple[float, list[str]]]:
        some = {"slow": 0.3, "unknown_status": 0.5, "failure": 0.4}
        with FakeGpu(dialect="openai", seed=seed, slots=30, fault=some) as gpu:
            for _ in range(20):
                create(gpu)
            return [(one["expected_seconds"], one["faults"]) for one in gpu.journal("submitted")]

    assert told(7) == told(7)
    assert told(7) != told(8)


def test_one_fault_does_not_shift_another() -> None:
    alone = faults.Faults(3, {"hang": 0.5})
    together = faults.Faults(3, {"hang": 0.5, "slow": 0.5})

    hangs = [["hang" in one.of_generation() for _ in range(50)] for one in (alone, together)]

    assert hangs[0] == hangs[1]


def test_a_mute_server_has_accepted_what_it_does_not_answer() -> None:
    with FakeGpu(dialect="openai", speed=QUICK, fault={"mute_on_submit": 1}) as gpu:
        with pytest.raises(TimeoutError):
            gpu.ask("POST", "/v1/videos", form=FORM, patience=0.3)

        gpu.wait_for("finished", gpu.wait_for("submitted")["id"])


def test_a_poll_may_find_the_server_restarted() -> None:
    with FakeGpu(dialect="sglang", fault={"hang": 1, "restart_on_poll": 1}) as gpu:
        video = created(gpu)

        assert poll(gpu, video)[0] == 404
        assert gpu.wait_for("forgotten", video)["phase"] == "running"


def test_a_delete_may_be_confirmed_and_ignored() -> None:
    fault = {"hang": 1, "cancel_ignored": 1}
    with FakeGpu(dialect="vllm_omni", speed=QUICK, fault=fault) as gpu:
        video = created(gpu)
        confirmed, _ = gpu.ask("DELETE", f"/v1/videos/{video}")
        gpu.release()
        gpu.wait_for("finished", video)

        assert confirmed == 200
        assert poll(gpu, video)[1]["status"] == "completed"


@pytest.mark.parametrize("dialect", ["openai", "sglang", "aquiles"])
def test_a_finished_video_may_not_be_there(dialect: str) -> None:
    with FakeGpu(dialect=dialect, speed=QUICK, fault={"no_result": 1}) as gpu:
        video = created(gpu)
        gpu.wait_for("finished", video)

        assert poll(gpu, video)[1]["status"] == "completed"
        assert gpu.ask("GET", f"/v1/videos/{video}/content")[0] == 404


def test_progress_may_fall() -> None:
    strange = generations.Generation(
        id="v1",
        wanted=generations.Wanted(prompt="", model="", seconds=4),
        duration=100,
        planned_failure=None,
        faults=frozenset({"progress_falls"}),
        created_at=0,
        started_at=time.time() - 40,
    )
    before = videos.percent(strange)
    strange.started_at = time.time() - 60

    assert (before or 0) > (videos.percent(strange) or 0) > 0


def test_requests_are_counted_by_kind() -> None:
    with FakeGpu(dialect="vllm_omni") as gpu:
        video = created(gpu)
        for _ in range(3):
            poll(gpu, video)

        told = gpu.state()["requests"]

    assert (told["submit"]["total"], told["poll"]["total"]) == (1, 3)
    assert 1 <= told["poll"]["busiest_second"] <= 3
