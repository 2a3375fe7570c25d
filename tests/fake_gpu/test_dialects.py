"""Every dialect over TCP: its happy road, its errors, and what its DELETE really means."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from typing import Any
from urllib.request import Request, urlopen

import av
import pytest

from tests.gpu import FakeGpu

VIDEOS = ("openai", "vllm_omni", "sglang", "aquiles", "trtllm_visualgen")
QUICK = 0.02
PROMPT = {"prompt": "A lighthouse in the rain"}


def create(gpu: FakeGpu, **fields: Any) -> str:
    status, found = gpu.ask("POST", "/v1/videos", form={**PROMPT, **fields})
    assert status in {200, 202}, found
    return str(found["id"])


def poll(gpu: FakeGpu, video: str) -> tuple[int, Any]:
    return gpu.ask("GET", f"/v1/videos/{video}")


@pytest.mark.parametrize("dialect", VIDEOS)
def test_a_video_is_made_shown_listed_and_fetched(dialect: str) -> None:
    with FakeGpu(dialect=dialect, speed=QUICK, jitter=0) as gpu:
        video = create(gpu, seconds="4")
        gpu.wait_for("finished", video)
        status, found = poll(gpu, video)
        _, listed = gpu.ask("GET", "/v1/videos")
        _, clip = gpu.ask("GET", f"/v1/videos/{video}/content")
        billed = gpu.wait_for("billed", video)

    assert (status, found["status"], found["object"]) == (200, "completed", "video")
    assert [one["id"] for one in listed["data"]] == [video]
    assert billed["video_seconds"] == 4
    # A busy machine takes longer, never shorter.
    assert billed["gpu_seconds"] > 3.9 * QUICK
    with av.open(io.BytesIO(clip), "r") as container:
        assert len(list(container.decode(video=0))) == 48


@pytest.mark.parametrize(
    ("dialect", "waiting", "running"),
    [
        ("openai", "queued", "in_progress"),
        # Shown as running while it waits.
        ("vllm_omni", "in_progress", "in_progress"),
        ("sglang", "queued", "in_progress"),
        ("aquiles", "queued", "processing"),
        ("trtllm_visualgen", "queued", "queued"),
    ],
)
def test_each_server_has_words_of_its_own(dialect: str, waiting: str, running: str) -> None:
    with FakeGpu(dialect=dialect, slots=1, fault={"hang": 1}) as gpu:
        first, second = create(gpu), create(gpu)

        assert poll(gpu, first)[1]["status"] == running
        assert poll(gpu, second)[1]["status"] == waiting
        assert gpu.state()["waiting"] == [second]


@pytest.mark.parametrize(
    ("dialect", "status", "error"),
    [
        ("openai", 200, {"code": "generation_error", "message": "CUDA out of memory."}),
        ("vllm_omni", 500, {"code": 500, "message": "CUDA out of memory."}),
        ("sglang", 200, {"message": "CUDA out of memory."}),
        ("aquiles", 200, {"code": "generation_error", "message": "CUDA out of memory."}),
        ("trtllm_visualgen", 200, "CUDA out of memory."),
    ],
)
def test_a_failed_job_is_shown_in_the_servers_shape(dialect: str, status: int, error: Any) -> None:
    with FakeGpu(dialect=dialect, speed=QUICK, fault={"failure": 1}) as gpu:
        video = create(gpu)
        gpu.wait_for("failed", video)

        found = poll(gpu, video)

    assert (found[0], found[1]["status"], found[1]["error"]) == (status, "failed", error)


@pytest.mark.parametrize(
    ("dialect", "fields", "status"),
    [
        ("openai", {"guidance_scale": "5"}, 400),
        ("openai", {"seconds": "5"}, 400),
        ("openai", {"size": "640x360"}, 400),
        ("vllm_omni", {"seconds": "four"}, 400),
        ("sglang", {"seconds": "4.5"}, 422),
        ("aquiles", {"input_reference": "a picture"}, 400),
        # Any wrong field breaks it.
        ("aquiles", {"size": "640x360"}, 500),
        ("trtllm_visualgen", {"flow_shift": "3"}, 422),
    ],
)
def test_a_wrong_field_is_refused_as_the_server_does(
    dialect: str, fields: dict[str, str], status: int
) -> None:
    with FakeGpu(dialect=dialect) as gpu:
        found, _ = gpu.ask("POST", "/v1/videos", form={**PROMPT, **fields})

        assert found == status
        assert gpu.journal("submitted") == []
        assert gpu.wait_for("refused")["status"] == status


@pytest.mark.parametrize(
    ("dialect", "frees"),
    [("vllm_omni", True), ("sglang", False), ("aquiles", False), ("trtllm_visualgen", False)],
)
def test_delete_frees_the_slot_only_where_it_does(dialect: str, *, frees: bool) -> None:
    with FakeGpu(dialect=dialect, slots=1, speed=QUICK, fault={"hang": 1}) as gpu:
        first, second = create(gpu), create(gpu)

        status, _ = gpu.ask("DELETE", f"/v1/videos/{first}")

        assert status == 200
        assert poll(gpu, first)[0] == 404
        assert gpu.wait_for("canceled", first)["frees"] is frees
        assert gpu.state()["running"] == [second if frees else first]
        gpu.release()
        gpu.wait_for("started", second)
        assert len(gpu.journal("billed", first)) == 1
        assert [one["unseen"] for one in gpu.journal("finished", first)] == (
            [] if frees else [True]
        )


def test_a_waiting_job_of_aquiles_really_leaves_the_queue() -> None:
    with FakeGpu(dialect="aquiles", fault={"hang": 1}) as gpu:
        create(gpu)
        second = create(gpu)

        gpu.ask("DELETE", f"/v1/videos/{second}")

        assert gpu.wait_for("canceled", second)["frees"] is True
        assert gpu.state()["waiting"] == []


def test_openai_deletes_only_what_has_ended() -> None:
    with FakeGpu(dialect="openai", fault={"hang": 1}) as gpu:
        video = create(gpu)

        assert gpu.ask("DELETE", f"/v1/videos/{video}")[0] == 409


def test_vllm_reads_no_json_and_serves_one_model() -> None:
    with FakeGpu(dialect="vllm_omni", model="wan") as gpu:
        assert gpu.ask("POST", "/v1/videos", PROMPT)[0] == 400
        assert gpu.ask("POST", "/v1/videos", form={**PROMPT, "model": "other"})[0] == 400
        video = create(gpu, num_frames="48", fps="16", model="wan")

        assert gpu.wait_for("submitted", video)["seconds"] == 3


def test_aquiles_fakes_its_progress_while_the_job_waits() -> None:
    with FakeGpu(dialect="aquiles", fault={"hang": 1}) as gpu:
        create(gpu)
        waiting = create(gpu)
        time.sleep(0.3)

        assert poll(gpu, waiting)[1]["progress"] > 0


def test_sglang_keeps_results_elsewhere_when_it_has_a_cloud() -> None:
    with FakeGpu(dialect="sglang", speed=QUICK, fault={"result_by_url": 1}) as gpu:
        video = create(gpu)
        gpu.wait_for("finished", video)
        url = poll(gpu, video)[1]["url"]

        assert gpu.ask("GET", f"/v1/videos/{video}/content")[0] == 400
        assert gpu.ask("GET", f"/v1/videos/{video}/content?variant=video")[0] == 404
        assert gpu.ask("GET", url)[0] == 200


def test_a_part_of_the_clip_can_be_fetched() -> None:
    with FakeGpu(dialect="openai", speed=QUICK) as gpu:
        video = create(gpu)
        gpu.wait_for("finished", video)
        address = f"{gpu.url}/v1/videos/{video}/content"

        with urlopen(Request(address, headers={"Range": "bytes=4-7"})) as part:
            assert (part.status, part.read(), part.headers["Content-Type"]) == (
                206,
                b"ftyp",
                "video/mp4",
            )


def test_a_key_is_asked_for() -> None:
    with FakeGpu(dialect="aquiles", speed=QUICK, api_key="sesame") as gpu:
        key = {"Authorization": "Bearer sesame"}
        refused, _ = gpu.ask("POST", "/v1/videos", form=PROMPT)
        _, found = gpu.ask("POST", "/v1/videos", form=PROMPT, headers=key)
        gpu.wait_for("finished")

        assert refused == 401
        # Its content is open to everybody.
        assert gpu.ask("GET", f"/v1/videos/{found['id']}/content")[0] == 200


@pytest.mark.parametrize(
    ("dialect", "health", "model"),
    [
        ("vllm_omni", b"", "Wan-AI/Wan2.2-T2V-A14B-Diffusers"),
        ("sglang", {"status": "ok"}, "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"),
        ("aquiles", {"status": "ok", "mode": "video"}, "wan2.2"),
        ("trtllm_visualgen", b"", "visual-gen"),
    ],
)
def test_a_server_of_ones_own_tells_its_health_and_its_models(
    dialect: str, health: Any, model: str
) -> None:
    with FakeGpu(dialect=dialect, api_key="sesame") as gpu:
        key = {"Authorization": "Bearer sesame"}

        assert gpu.ask("GET", "/health") == (200, health)
        assert gpu.ask("GET", "/v1/models")[0] == 401
        served = gpu.ask("GET", "/v1/models", headers=key)[1]["data"]
        assert [one["id"] for one in served] == [model]
        gpu.fault("unhealthy")
        assert gpu.ask("GET", "/health")[0] == 503


def test_a_rough_server_has_shapes_of_its_own() -> None:
    with FakeGpu(dialect="rough", speed=QUICK) as gpu:
        assert gpu.ask("POST", "/v1/videos", {}) == (
            400,
            {"error": "Missing required parameter: 'prompt'."},
        )
        status, made = gpu.ask("POST", "/v1/videos", PROMPT)
        gpu.wait_for("finished", str(made["id"]))
        _, done = poll(gpu, made["id"])
        _, listed = gpu.ask("GET", "/v1/videos")
        gone = gpu.ask("DELETE", f"/v1/videos/{made['id']}")
        gpu.fault("failure")
        _, failing = gpu.ask("POST", "/v1/videos", PROMPT)
        gpu.wait_for("failed", str(failing["id"]))
        failed = poll(gpu, failing["id"])

    assert (status, made["status"], made["progress"]) == (201, "running", None)
    assert (done["status"], [one["id"] for one in listed]) == ("succeeded", [made["id"]])
    assert gone == (204, b"")
    assert (failed[0], failed[1]["status"]) == (500, "error")
    assert failed[1]["error"] == "CUDA out of memory."


def test_vllm_may_be_asked_to_answer_with_the_video() -> None:
    with FakeGpu(dialect="vllm_omni", speed=QUICK) as gpu:
        status, clip = gpu.ask("POST", "/v1/videos/sync", form=PROMPT)
        gpu.fault("failure")
        failed, error = gpu.ask("POST", "/v1/videos/sync", form=PROMPT)

    assert (status, clip[4:8]) == (200, b"ftyp")
    assert (failed, error["error"]["message"]) == (500, "CUDA out of memory.")


def test_a_restart_cuts_off_who_waits_for_a_video() -> None:
    with FakeGpu(dialect="vllm_omni", fault={"hang": 1}) as gpu, ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(gpu.ask, "POST", "/v1/videos/sync", form=PROMPT)
        gpu.wait_for("started")
        gpu.restart()

        with pytest.raises(RemoteDisconnected):
            waiting.result(10)
