"""Every dialect of /v1/videos over TCP, each with its profile: what it says, and what it really does."""

import httpx

from jobs.backends.backend import (
    Failed,
)
from jobs.failures import FailureKind
from tests.gpu import FakeGpu
from tests.jobs.backends.video_servers import (
    DRIVER,
    Servers,
    finished,
    order,
    sent,
    struck,
)


def test_a_create_carries_what_the_server_knows_and_our_mark(
    gpu: FakeGpu, dialect: str, profile: str
) -> None:
    wanted = sent(order(gpu, profile))

    told = gpu.wait_for("submitted", wanted.backend_job_id)
    fields = told["fields"]
    model = fields.pop("model", None)

    assert told["token"] == f"{wanted.job_id}-1"
    assert told["seconds"] == 4
    with_seed = {"seed": "7"} if dialect in {"vllm_omni", "sglang", "trtllm_visualgen"} else {}
    assert fields == {"prompt": wanted.prompt, "seconds": "4", "size": "1280x720", **with_seed}
    expected = {"vllm_omni": None, "sglang": f"sora-2#{wanted.job_id.hex}-1"}
    assert model == expected.get(dialect, "sora-2")


def test_nothing_goes_round_the_server_of_results(servers: Servers) -> None:
    gpu = servers.get("sglang")
    with struck(gpu, "bad_result_url"):
        wanted = sent(order(gpu, "sglang"))
    gpu.wait_for("finished", wanted.backend_job_id)

    found = DRIVER.look(wanted)

    assert isinstance(found, Failed)
    assert found.kind is FailureKind.BACKEND_ERROR
    assert "address that is not allowed" in found.detail


def test_a_result_may_have_an_address_of_its_own(servers: Servers) -> None:
    gpu = servers.get("sglang")
    with struck(gpu, "result_by_url"):
        wanted = sent(order(gpu, "sglang"))

    video = finished(wanted).video

    assert video.url.startswith(gpu.url)
    assert not video.is_content
    assert httpx.get(video.url, trust_env=False).status_code == 200
