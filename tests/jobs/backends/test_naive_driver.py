"""Why each defence is there: a driver without it is wrong about the reference server, whose journal tells the truth."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.ids import new_id
from tests.gpu import FakeGpu
from tests.jobs.backends.dialects import letters
from tests.jobs.backends.video_servers import KEY, Servers, struck

_LARGEST_SANE = 8 * 2**20


class Naive:
    """What one writes in an afternoon: it believes every word, and sends again what was not answered."""

    def __init__(self, gpu: FakeGpu) -> None:
        self.prompt = f"A naive wish, {new_id()}"
        self._http = httpx.Client(
            base_url=gpu.url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=2
        )

    def submit(self, prompt: str) -> str:
        for _ in range(2):
            try:
                return str(
                    self._http.post("/v1/videos", files={"prompt": (None, prompt)}).json()["id"]
                )
            except (httpx.TransportError, KeyError):
                continue
        return ""

    def look(self, job: str) -> tuple[str, int]:
        answer = self._http.get(f"/v1/videos/{job}")
        answer.raise_for_status()
        found = answer.json()
        words = {"queued", "in_progress", "completed", "failed"}
        return {word: word for word in words}[found["status"]], int(found["progress"])

    def cancel(self, job: str) -> bool:
        return self._http.delete(f"/v1/videos/{job}").is_success

    def size_of(self, path: str) -> int:
        read = 0
        with self._http.stream("GET", path) as answer:
            for piece in answer.iter_raw():
                read += len(piece)
                if read > _LARGEST_SANE:
                    break
        return read


def _ends(naive: Naive, gpu: FakeGpu, job: str) -> None:
    gpu.wait_for("failed", job)
    with pytest.raises(httpx.HTTPStatusError):
        naive.look(job)


def _polls(error: type[Exception]) -> Callable[[Naive, FakeGpu, str], None]:
    def look(naive: Naive, gpu: FakeGpu, job: str) -> None:
        gpu.wait_for("started", job)
        with pytest.raises(error):
            naive.look(job)

    return look


def _frees_nothing(naive: Naive, gpu: FakeGpu, job: str) -> None:
    gpu.wait_for("started", job)
    assert naive.cancel(job)
    assert not any(one["frees"] for one in gpu.journal("canceled", job))
    assert job in gpu.state()["running"]


def _sent_again(naive: Naive, gpu: FakeGpu, job: str) -> None:
    assert sum(one["prompt"] == naive.prompt for one in gpu.journal("submitted")) == 2


def _is_forgotten(naive: Naive, gpu: FakeGpu, job: str) -> None:
    gpu.restart()
    with pytest.raises(httpx.HTTPStatusError):
        naive.look(job)


def _reads_for_ever(naive: Naive, gpu: FakeGpu, job: str) -> None:
    assert naive.size_of(f"/v1/videos/{job}") > _LARGEST_SANE


def _advances_while_it_waits(naive: Naive, gpu: FakeGpu, job: str) -> None:
    waiting = naive.submit("behind it")
    assert waiting in gpu.state()["waiting"]
    assert naive.look(waiting)[0] == "in_progress"


@pytest.mark.parametrize(
    ("dialect", "faults", "is_wrong"),
    [
        ("sglang", ("failed_as_500",), _ends),
        ("sglang", ("unknown_status", "hang"), _polls(KeyError)),
        ("sglang", ("null_progress", "hang"), _polls(TypeError)),
        ("sglang", ("garbage_on_poll",), _polls(json.JSONDecodeError)),
        ("sglang", ("huge_on_poll",), _reads_for_ever),
        ("sglang", ("hang", "delete_frees_nothing"), _frees_nothing),
        ("vllm_omni", ("hang", "cancel_ignored"), _frees_nothing),
        ("vllm_omni", ("drop_after_accept",), _sent_again),
        ("vllm_omni", ("hang", "in_progress_while_queued"), _advances_while_it_waits),
        ("sglang", ("hang",), _is_forgotten),
    ],
    ids=lambda one: "+".join(one) if isinstance(one, tuple) else None,
)
def test_a_driver_without_the_defence_is_wrong_and_the_journal_shows_it(
    servers: Servers,
    dialect: str,
    faults: tuple[str, ...],
    is_wrong: Callable[[Naive, FakeGpu, str], None],
) -> None:
    gpu = servers.get(dialect)
    naive = Naive(gpu)
    before = len(gpu.journal())
    with struck(gpu, *faults):
        job = naive.submit(naive.prompt)
        is_wrong(naive, gpu, job)
    # A fault is in the journal: of the generation that met it, or of the answer.
    told = [
        name
        for fact in gpu.journal()[before:]
        for name in (*fact.get("faults", ()), fact.get("name", ""))
    ]

    assert {one.partition("_on_")[0] for one in faults} <= set(told)


def test_a_driver_that_does_not_verify_takes_what_is_forged_and_counts_copies(
    servers: Servers,
) -> None:
    gpu, naive = servers.get("openai"), Naive(servers.get("openai"))
    told: list[Any] = []
    for faults in (("webhook_forged",), ("webhook_duplicated",)):
        with struck(gpu, *faults):
            job = naive.submit(naive.prompt)
            count = 5 if "webhook_duplicated" in faults else 1
            came = letters(servers.receiver, job, count)
        told.append([json.loads(one.body)["type"] for one in came])

    assert told == [["video.completed"], ["video.completed"] * 5]
    assert gpu.wait_for("webhook_duplicated")["copies"] == 5
    assert any(one["forged"] for one in gpu.journal("webhook_sent"))
