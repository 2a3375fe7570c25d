"""`bin/proof leaks`: words of people and secrets go into all that takes one, and are found where they belong only.

They go to a whole stack that says all that it can say (LOG_LEVEL=DEBUG, error reports, traces), first while it works,
then while tables are missing, so that what was being done stands in the middle of faults. Then all that was written
down outside the database is searched: log files of every process and of both servers, error reports, traces, metrics,
every command to Redis (Celery's messages among them) and what it keeps, and answers that are errors.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import httpx

from proofs.alerts.place import Place, until
from proofs.leaks import places
from proofs.leaks.planting import Planter, Words
from tests.collector import Collector, collecting
from tests.gpu import FakeGpu
from tests.stack import RunningStack

_MODEL: Final = "leaking-1"
_POOL: Final = "leaking"
# Without them people, programs and every process find something broken under their hands.
_TABLES: Final = ("job", "account_user", "webhook_endpoint", "attempt", "delivery")
_BROKEN_SECONDS: Final = 4.0
_REPORTING: Final = frozenset({"web", "core", "upkeep"})
_AROUND: Final = 60

# What is written down: by the name of a place, its texts.
Written = Mapping[str, Sequence[bytes]]


def holds() -> bool:
    """Plant, read, search; print for each place how much there was, and every hit."""
    words = Words()
    with collecting() as reports, collecting() as spans, collecting() as hooks:
        stack = RunningStack(
            SENTRY_DSN=f"http://public@{reports.address}/1",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{spans.address}",
            LOG_LEVEL="DEBUG",
            LOG_FORMAT="json",
        )
        try:
            stack.start()
            hook = f"http://{hooks.address}/hook?token={words['token']}"
            planter = Planter(stack, words, hook, _MODEL)
            written = _lived_through(planter)
            stack.manage("check_invariants")
            stack.stop()
            written |= dict(_left(stack, planter, reports, spans))
        finally:
            stack.stop()
            stack.remove()
    faults = [
        *_silent(written, planter, hooks),
        *_found(written, words.every()),
    ]
    _tell(written, words)
    for fault in faults[:40]:
        print(f"  FAULT {fault}", flush=True)
    print(f"  {len(faults)} faults.", flush=True)
    return not faults


def _lived_through(planter: Planter) -> dict[str, list[bytes]]:
    """Plant while all works and while much does not; give what is gone with the stack."""
    stack = planter.stack
    place = Place(stack)
    with (
        _server(stack, planter.words),
        places.listening(place.redis) as heard,
    ):
        planter.sign_up()
        planter.everywhere()
        until(lambda: _all_ended(planter), "the jobs to end")
        _sign(place, planter)
        with _missing(place):
            planter.everywhere()
            time.sleep(_BROKEN_SECONDS)
        _until_ready(stack)
        planter.everywhere()
        until(lambda: _all_ended(planter), "the jobs to end")
        return {
            "metrics": [places.metrics(place.metrics)],
            "Redis keeps": list(places.kept_in_redis(place.redis)),
            "Redis was told": list(heard),
        }


def _left(
    stack: RunningStack, planter: Planter, reports: Collector, spans: Collector
) -> Iterator[tuple[str, list[bytes]]]:
    """Give what lies there when every process has ended."""
    for name, text in places.logs(stack.data_dir):
        yield f"log of {name}", [text]
    yield "error reports", places.posted(reports, "/api/1/envelope")
    yield "traces", places.posted(spans, "/v1/traces")
    yield (
        "error answers",
        [b"\n".join([str(one.headers).encode(), one.content]) for one in planter.answers],
    )


@contextmanager
def _server(stack: RunningStack, words: Words) -> Iterator[None]:
    """Run a generation server with a key, whose results have addresses that are signed."""
    with FakeGpu(dialect="sglang", slots=2, speed=0.1, api_key=words["secret"]) as gpu:
        stack.manage(
            *("add_pool", "--name", _POOL, "--driver", "openai_videos", "--profile", "sglang"),
            *("--url", gpu.url, "--slots", "2", "--models", _MODEL, "--key", words["secret"]),
            *("--seconds", "2", "--sizes", "854x480"),
        )
        yield
        stack.manage("remove_pool", "--name", _POOL)


@contextmanager
def _missing(place: Place) -> Iterator[None]:
    """Have tables under other names."""
    for table in _TABLES:
        place.sql(f"alter table {table} rename to {table}_gone")
    try:
        yield
    finally:
        for table in _TABLES:
            place.sql(f"alter table {table}_gone rename to {table}")


def _sign(place: Place, planter: Planter) -> None:
    """Let videos lie at an address whose query opens it, where nobody answers, and ask for them."""
    url = f"http://127.0.0.1:9/1.mp4?signature={planter.words['signature']}"
    place.sql(
        "set session_replication_role = replica;"
        f" update job set video_url = '{url}' where state = 'succeeded'"
    )
    for job_id in planter.job_ids:
        planter.watch(job_id)


def _all_ended(planter: Planter) -> bool:
    key = planter.stack.account("enterprise")["api_key"]
    with httpx.Client(base_url=planter.stack.url, timeout=30) as client:
        headers = {"Authorization": f"Bearer {key}"}
        found = [
            client.get(f"/api/v1/jobs/{one}", headers=headers).json() for one in planter.job_ids
        ]
    return bool(found) and all(one["finished_at"] for one in found)


def _until_ready(stack: RunningStack) -> None:
    def is_ready() -> bool:
        answer = httpx.get(f"{stack.url}/health/ready", timeout=30)
        return answer.is_success and answer.json()["status"] == "ready"

    until(is_ready, "the stack to be ready again")


def _found(written: Written, words: Mapping[str, str]) -> Iterator[str]:
    for name, texts in written.items():
        for text in texts:
            whole = places.unpacked(text)
            for kind, word in words.items():
                if (at := whole.find(word.encode())) >= 0:
                    around = whole[max(0, at - _AROUND) : at + len(word) + _AROUND]
                    yield f"{name} has the {kind}: ...{around!r}..."


def _silent(written: Written, planter: Planter, hooks: Collector) -> Iterator[str]:
    """Say where nothing was found because nothing was there to be searched."""
    job = planter.job_ids[0]
    for name in ("log of core.log", "log of web.log", "Redis was told"):
        if not any(job.encode() in places.unpacked(one) for one in written.get(name, ())):
            yield f"{name} says nothing of {job}"
    reporting = places.processes_of(list(written["error reports"]))
    if missing := _REPORTING - reporting:
        yield f"no error was reported by {', '.join(sorted(missing))}"
    if not any(bytes.fromhex(job.replace("-", "")) in one for one in written["traces"]):
        yield f"no trace is of {job}"
    statuses = {one.status_code for one in planter.answers}
    if not statuses >= {400, 401, 404, 500}:
        yield f"the errors were only {sorted(statuses)}"
    if b"videogen_" not in written["metrics"][0]:
        yield "there are no metrics of ours"
    if not hooks.taken:
        yield "no webhook was sent"


def _tell(written: Written, words: Words) -> None:
    print(f"  {len(words.put)} words put in, {len(words.told)} secrets told:", flush=True)
    for name, texts in written.items():
        hits = sum(1 for _ in _found({name: texts}, words.every()))
        size = sum(map(len, texts))
        print(f"    {name:<24} {len(texts):>7,} texts {size:>12,} bytes {hits:>5} hits", flush=True)
