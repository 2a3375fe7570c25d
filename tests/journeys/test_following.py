"""Long polls, streams and changes on the running stack: prompt, gap-free, right without Redis, ended by a revoke."""

import hashlib
import itertools
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from tests.journeys import client
from tests.journeys.following import Changes, Follower, LongPolls, Socket, Stream, events_of
from tests.journeys.test_sockets import session_of
from tests.stack import RunningStack
from videogen.accounts import keys

_TIER = "internal"


@pytest.fixture(scope="module", autouse=True)
def _leave_room(running_stack: RunningStack) -> Iterator[None]:
    """Leave a stack that takes jobs to whoever comes next."""
    yield
    client.wait_for_room(running_stack)


@pytest.fixture
def api(running_stack: RunningStack) -> Iterator[httpx.Client]:
    key = running_stack.account(_TIER)["api_key"]
    with httpx.Client(
        base_url=f"{running_stack.url}/api/v1/", headers=_bearer(key), timeout=40
    ) as api:
        yield api


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _submit(api: httpx.Client) -> dict[str, Any]:
    # Of the longest clip, so that it does not end by itself meanwhile.
    job: dict[str, Any] = api.post("jobs", json={"prompt": "a whale"}).raise_for_status().json()
    return job


def _cancel(api: httpx.Client, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = api.post(f"jobs/{job_id}/cancellation", json={}).json()
    return answer


def _push(stack: RunningStack) -> str:
    return f"{stack.demo['push_url']}/api/v1"


@contextmanager
def _paused(stack: RunningStack, program: str) -> Iterator[None]:
    pid = stack.pid_of(program)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _no_gpu(stack: RunningStack) -> Iterator[None]:
    """Keep jobs waiting, so that only what a test does moves them."""
    _pool(stack, "paused")
    try:
        yield
    finally:
        _pool(stack, "active")


def _pool(stack: RunningStack, state: str) -> None:
    _sql(stack, "update pool set state = %s", [state])


def _sql(stack: RunningStack, statement: str, values: list[Any]) -> None:
    lines = (stack.data_dir / "run" / "env").read_text().splitlines()
    address = next(line for line in lines if line.startswith("DATABASE_URL="))
    with psycopg.connect(shlex.split(address)[0].partition("=")[2]) as connection:
        connection.execute(statement, values)


def test_a_long_poll_is_answered_when_the_job_changes(
    running_stack: RunningStack, api: httpx.Client
) -> None:
    with _no_gpu(running_stack), ThreadPoolExecutor(1) as pool:
        job = _submit(api)
        waits = pool.submit(api.get, f"jobs/{job['id']}/wait?version=1", follow_redirects=True)
        with pytest.raises(TimeoutError):
            waits.result(0.5)
        _cancel(api, job["id"])
        answer = waits.result(5)

    # The web process sent it on; httpx drops the key on another port, and the sealed address has it.
    assert str(answer.url).startswith(running_stack.demo["push_url"])
    assert answer.json()["state"] == "canceled"
    assert answer.json()["version"] > 1
    assert answer.headers["ETag"] == api.get(f"jobs/{job['id']}").headers["ETag"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("jobs/01890000-0000-7000-8000-000000000000/wait", 404),
        ("jobs/01890000-0000-7000-8000-000000000000/events", 404),
        ("jobs/{id}/wait?timeout=31", 400),
        ("jobs/{id}/wait?version=x", 400),
        ("jobs/{id}/wait?for=ever", 400),
        ("events?after=x", 400),
        ("events?ticket=forged", 403),
    ],
)
def test_the_push_process_checks_as_the_web_does(
    running_stack: RunningStack, api: httpx.Client, path: str, status: int
) -> None:
    job = _submit(api)
    _cancel(api, job["id"])
    address = f"{_push(running_stack)}/{path.format(id=job['id'])}"
    key = running_stack.account(_TIER)["api_key"]
    stranger = running_stack.account("pro")["api_key"]

    def answer(**headers: str) -> httpx.Response:
        accept = "application/json" if "wait" in path else "text/event-stream"
        return httpx.get(address, headers={"Accept": accept, **headers})

    assert answer(**_bearer(key)).status_code == status
    assert answer(**_bearer(key)).headers["Content-Type"] == "application/problem+json"
    assert answer().status_code in {401, 403}
    if "{id}" in path and status != 400:
        assert answer(**_bearer(stranger)).status_code == 404


def test_a_stream_goes_on_from_the_last_number_and_ends_with_its_job(
    running_stack: RunningStack, api: httpx.Client
) -> None:
    follow = api.get("today").json()["follow"]
    with _no_gpu(running_stack):
        job = _submit(api)
        with api.stream(
            "GET",
            f"{follow['push_url']}/api/v1/jobs/{job['id']}/events?after={follow['after']}",
        ) as answer:
            seen = events_of(answer)
            assert next(seen)[0] == ""
            first = [next(seen) for _ in range(2)]
            _cancel(api, job["id"])
            rest = list(seen)

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert {name for name, _ in first} == {"job.submitted", "job"}
    assert rest[-1][0] == "job"
    assert rest[-1][1]["state"] == "canceled"
    assert "job.canceled" in [name for name, _ in rest]
    again = api.get(
        f"{_push(running_stack)}/jobs/{job['id']}/events", headers={"Last-Event-ID": "1"}
    )
    assert again.status_code == 204


def test_a_number_of_another_feed_is_answered_with_a_reset(
    running_stack: RunningStack, api: httpx.Client
) -> None:
    head = api.get("today").json()["follow"]["after"]

    plain = api.get("events", params={"after": head + 1_000}).json()
    with api.stream(
        "GET",
        f"{_push(running_stack)}/events",
        headers={"Accept": "text/event-stream", "Last-Event-ID": str(head + 1_000)},
    ) as answer:
        named = dict(itertools.islice(events_of(answer), 2))

    assert plain["reset"]
    assert plain["head"] >= head
    assert named["reset"]["head"] >= head


def test_without_redis_a_stream_is_right_within_seconds(
    running_stack: RunningStack, api: httpx.Client
) -> None:
    with (
        _no_gpu(running_stack),
        api.stream(
            "GET", f"{_push(running_stack)}/events", headers={"Accept": "text/event-stream"}
        ) as answer,
    ):
        seen = events_of(answer)
        assert [next(seen)[0] for _ in range(2)] == ["", "ready"]
        with _paused(running_stack, "valkey"):
            job = _submit(api)
            # Heartbeats have no name, and jobs of other tests may end meanwhile.
            name, _ = next(one for one in seen if one[0] and one[1].get("subject_id") == job["id"])

    assert name == "job.submitted"


def test_a_revoked_key_ends_its_streams(running_stack: RunningStack) -> None:
    key = keys.new_secret()
    _sql(
        running_stack,
        "insert into account_api_key (id, user_id, name, prefix, digest, scopes, created_at)"
        " select gen_random_uuid(), id, 'short', 'vg', %s, '{read,write}', now() from account_user"
        " where email like 'internal@%%'",
        [hashlib.sha256(key.encode()).digest()],
    )
    with httpx.stream(
        "GET",
        f"{_push(running_stack)}/events",
        headers={**_bearer(key), "Accept": "text/event-stream"},
        timeout=10,
    ) as answer:
        seen = events_of(answer)
        assert [next(seen)[0] for _ in range(2)] == ["", "ready"]
        _sql(
            running_stack,
            "update account_api_key set revoked_at = now() where digest = %s",
            [hashlib.sha256(key.encode()).digest()],
        )
        left = [name for name, _ in seen if name not in {"", "progress"}]

    assert left[-1] == "refused"


def test_a_phones_day_ends_in_the_same_truth_by_each_way_to_follow(
    running_stack: RunningStack, api: httpx.Client
) -> None:
    key = running_stack.account(_TIER)["api_key"]
    start = api.get("today").json()["follow"]["after"]
    with _no_gpu(running_stack):
        made = _submit_many(api, 100)
        cookie = session_of(running_stack, _TIER)
        # Two devices by each way. Long polls ask after one job at a time, and go on until they have all.
        feeds = [
            kind(running_stack, key, cookie=cookie)
            for kind in (Stream, Changes, Socket)
            for _ in range(2)
        ]
        polls = [LongPolls(running_stack, key, ids=made) for _ in range(2)]
        devices: list[Follower] = [*feeds, *polls]
        for device in devices:
            device.last = start
            device.start()
        _until(lambda: all(len(device.states) >= 8 for device in devices))
        # Airplane mode: half of the day is submitted and half of it cancelled unseen.
        for device in devices:
            device.online.clear()
        made += _submit_many(api, 100)
        _cancel_all(api, made[50:150])
        for device in devices:
            device.online.set()
        _cancel_all(api, made[:50] + made[150:])
    truth = dict.fromkeys(made, (2, "canceled"))
    try:
        _until(
            lambda: all(
                {job: device.states.get(job) for job in made} == truth for device in devices
            )
        )
        # The last event is of the batch, and none of a job.
        _until(
            lambda: (
                {device.last for device in feeds} == {api.get("today").json()["follow"]["after"]}
            )
        )
    finally:
        for device in devices:
            device.ended.set()
            device.online.set()

    assert len(made) == 200
    assert {device.last for device in feeds} == {api.get("today").json()["follow"]["after"]}
    assert [device.gaps + device.resets for device in devices] == [0] * 8


def _submit_many(api: httpx.Client, count: int) -> list[str]:
    made: list[str] = []
    while len(made) < count:
        wanted = {"jobs": [{"prompt": "a day", "seconds": 2}] * 20}
        answer = api.post("batches", json=wanted).raise_for_status().json()
        made += [result["job"]["id"] for result in answer["results"]]
    return made


def _cancel_all(api: httpx.Client, ids: list[str]) -> None:
    answer = api.post("jobs/cancellations", json={"ids": ids}).raise_for_status().json()
    assert {result["outcome"] for result in answer["results"]} == {"canceled"}


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
