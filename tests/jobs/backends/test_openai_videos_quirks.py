"""Each quirk of a server matters: with a profile that does not know it, the driver is wrong about the server."""

from dataclasses import replace

import httpx
import pytest

from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Failed,
    StillRunning,
    StillWaiting,
    Unanswered,
)
from jobs.failures import FailureKind
from tests.jobs.backends.video_servers import (
    DRIVER,
    KEY,
    Servers,
    finished,
    order,
    runs_on,
    sent,
    site,
    struck,
    until_ended,
)

AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}


def test_openai_refuses_a_field_that_others_take(servers: Servers) -> None:
    gpu = servers.get("openai")

    with pytest.raises(BackendError, match="Unknown parameter") as refused:
        DRIVER.submit(order(gpu, "trtllm_visualgen"))

    assert refused.value.kind is FailureKind.INVALID_REQUEST
    assert DRIVER.submit(order(gpu, "openai"))


def test_openai_stops_nothing_and_others_would_try_for_ever(servers: Servers) -> None:
    gpu = servers.get("openai")
    with struck(gpu, "hang"):
        wanted = sent(order(gpu, "generic"))

        with pytest.raises(BackendError, match="cannot be stopped now"):
            DRIVER.cancel(wanted)


def test_vllm_omni_refuses_a_model_by_any_other_name(servers: Servers) -> None:
    gpu = servers.get("vllm_omni")

    with pytest.raises(BackendError, match="Model mismatch"):
        DRIVER.submit(order(gpu, "openai"))

    assert DRIVER.submit(order(gpu, "vllm_omni"))


@pytest.mark.parametrize("dialect", ["vllm_omni", "aquiles"])
def test_a_progress_that_is_none_would_be_believed(servers: Servers, dialect: str) -> None:
    gpu = servers.get(dialect)
    with struck(gpu, "hang", "faked_progress"):
        wanted = sent(order(gpu, dialect))
        naive = replace(wanted, site=site(gpu, "trtllm_visualgen"), handle={})

        told = DRIVER.look(wanted)
        believed = DRIVER.look(naive)

    assert told == StillRunning(percent=None)
    assert isinstance(believed, StillRunning)
    assert believed.percent is not None


@pytest.mark.parametrize("dialect", ["sglang", "aquiles", "trtllm_visualgen"])
def test_a_delete_that_frees_nothing_would_be_believed(servers: Servers, dialect: str) -> None:
    gpu = servers.get(dialect)
    with struck(gpu, "hang"):
        wanted = sent(order(gpu, dialect))
        naive = replace(wanted, site=site(gpu, "vllm_omni"), handle={})

        assert DRIVER.cancel(naive) is Cancellation.STOPPED
        assert gpu.wait_for("canceled", wanted.backend_job_id)["frees"] is False
        runs_on(gpu, wanted)


def test_sglang_shows_no_prompt_and_is_found_by_a_mark(servers: Servers) -> None:
    gpu = servers.get("sglang")
    naive, wanted = order(gpu, "openai"), order(gpu, "sglang")
    with struck(gpu, "drop_after_accept"):
        for one in (naive, wanted):
            with pytest.raises(Unanswered):
                DRIVER.submit(one)

    with pytest.raises(BackendError, match="cannot tell"):
        DRIVER.candidates(naive)
    assert DRIVER.candidates(wanted)


def test_sglang_opens_no_content_of_a_video_that_it_stored_away(servers: Servers) -> None:
    gpu = servers.get("sglang")
    with struck(gpu, "result_by_url"):
        wanted = sent(order(gpu, "sglang"))
    url = finished(wanted).video.url
    naive = replace(wanted, site=site(gpu, "openai"), handle={})

    content = DRIVER.content(naive)
    answer = httpx.get(content.url, headers=dict(content.headers), trust_env=False)

    assert url
    with pytest.raises(BackendError, match="cannot be read: HTTP 400"):
        finished(naive)
    assert answer.status_code == 400


def test_sglang_knows_no_variant_by_name(servers: Servers) -> None:
    gpu = servers.get("sglang")
    wanted = sent(order(gpu, "sglang"))
    finished(wanted)
    url = DRIVER.content(wanted).url

    assert "?" not in url
    assert gpu.ask("GET", url, headers=AUTHORIZATION)[0] == 200
    assert gpu.ask("GET", f"{url}?variant=video", headers=AUTHORIZATION)[0] == 404


def test_aquiles_breaks_on_a_size_that_is_refused_before(servers: Servers) -> None:
    gpu = servers.get("aquiles")
    small = {"width": 854, "height": 480}

    with pytest.raises(Unanswered):
        DRIVER.submit(order(gpu, "sglang", **small))
    before = len(gpu.journal("refused"))
    with pytest.raises(BackendError, match="This model makes videos of") as refused:
        DRIVER.submit(order(gpu, "aquiles", **small))

    assert refused.value.kind is FailureKind.BACKEND_ERROR
    assert len(gpu.journal("refused")) == before


def test_openai_makes_few_lengths(servers: Servers) -> None:
    gpu = servers.get("openai")

    with pytest.raises(BackendError, match="4, 8, 12 seconds"):
        DRIVER.submit(order(gpu, "openai", seconds=5))
    with pytest.raises(BackendError, match="Supported values"):
        DRIVER.submit(order(gpu, "generic", seconds=5))


def test_trtllm_visualgen_calls_everything_queued(servers: Servers) -> None:
    gpu = servers.get("trtllm_visualgen")
    with struck(gpu, "hang"):
        wanted = sent(order(gpu, "trtllm_visualgen"))
        gpu.wait_for("started", wanted.backend_job_id)
        naive = replace(wanted, site=site(gpu, "openai"), handle={})

        assert isinstance(DRIVER.look(naive), StillWaiting)
        assert isinstance(DRIVER.look(wanted), StillRunning)


@pytest.mark.parametrize(("dialect", "profile"), [("vllm_omni", "vllm_omni"), ("rough", "generic")])
def test_a_failed_job_really_comes_as_http_500(
    servers: Servers, dialect: str, profile: str
) -> None:
    gpu = servers.get(dialect)
    with struck(gpu, "failure"):
        wanted = sent(order(gpu, profile))
    found = until_ended(wanted)

    status, _ = gpu.ask("GET", f"/v1/videos/{wanted.backend_job_id}", headers=AUTHORIZATION)

    assert status == 500
    assert isinstance(found, Failed)


def test_a_rough_server_has_none_of_the_addresses_of_the_others(servers: Servers) -> None:
    gpu = servers.get("rough")

    with pytest.raises(BackendError, match="no such address"):
        DRIVER.health(order(gpu, "sglang").site)

    DRIVER.health(order(gpu, "generic").site)
    # A dialect that nobody has heard of is treated as a rough one.
    finished(sent(order(gpu, "somebodys_own")))
