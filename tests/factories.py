"""The cast: Ann pays, Bob is free, Cy is a stranger; and the jobs that they submit."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import CharField, F, Value
from django.db.models.functions import Concat, Now

from jobs import catalog, leases, outlooks, requests, seeds, submission, transitions
from jobs.backends.backend import Video
from jobs.failures import FailureKind
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.models import Attempt, Job, Lease, Line, Pool, Progress, RunTime
from scheduler import dispatch, sweeps
from scheduler.publisher import Publisher
from videogen.accounts import keys
from videogen.accounts.models import User

VIDEO = Video(url="https://videos.example/1.mp4", thumbnail_url="https://videos.example/1.webp")


@dataclass(frozen=True)
class Person:
    """Somebody with an account and an API key."""

    user: User
    api_key: str

    @property
    def id(self) -> UUID:
        return self.user.id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


def person(name: str, *, tier: str) -> Person:
    seeds.add_preview_pool()
    user = User.objects.create_user(f"{name}@example.com", "a long password", tier=tier)
    return Person(user=user, api_key=keys.create(user, name="test"))


def ann() -> Person:
    return person("ann", tier="pro")


def bob() -> Person:
    return person("bob", tier="free")


def cy() -> Person:
    return person("cy", tier="enterprise")


def a_request(prompt: str = "a whale", *, seconds: int = 4) -> requests.VideoRequest:
    return requests.read({"prompt": prompt, "seconds": seconds})


def submit(
    owner: Person, prompt: str = "a whale", *, key: str | None = None
) -> submission.Accepted:
    return submission.submit(a_request(prompt), owner_id=owner.id, claim=Claim.by_key(key))


def queued(owner: Person, prompt: str = "a whale") -> JobId:
    return submit(owner, prompt).job_id


def dispatched(owner: Person) -> Job:
    job_id = queued(owner)
    dispatch.grant_free_slots()
    return Job.objects.get(id=job_id)


def running(owner: Person) -> Job:
    job = dispatched(owner)
    transitions.start(JobId(job.id), attempt=job.attempt)
    return Job.objects.get(id=job.id)


def succeeded(owner: Person) -> Job:
    job = running(owner)
    transitions.succeed(JobId(job.id), attempt=job.attempt, video=VIDEO)
    return Job.objects.get(id=job.id)


def published() -> None:
    """Let it be known what the lines are like."""
    Publisher().publish()
    outlooks.forget()


def past_deadline(job_id: UUID, *, field: str = "finish_by") -> None:
    Job.objects.filter(id=job_id).update(**{field: "2020-01-01T00:00:00Z"})


def expire_lease(job_id: UUID) -> None:
    Lease.objects.filter(job_id=job_id).update(expires_at=F("granted_at") - timedelta(seconds=1))


def end_attempt(job: Job, kind: FailureKind) -> None:
    transitions.end_attempt(
        JobId(job.id), attempt=job.attempt, failure=kind, message="Why.", jitter=0.5
    )


def second_attempt(job: Job) -> None:
    end_attempt(job, FailureKind.WORKER_LOST)
    Job.objects.filter(id=job.id).update(due_at="2020-01-01T00:00:00Z")
    sweeps.return_due_retries()
    dispatch.grant_free_slots()


def running_for(job: Job, seconds: float) -> None:
    Attempt.objects.filter(job=job).update(started_at=F("granted_at") - timedelta(seconds=seconds))


def submitted_to_server() -> None:
    """Let every live attempt be on an asynchronous server, known there as b-1, b-2, ... by slot."""
    Attempt.objects.filter(ended_at=None).update(
        submitted_at=F("granted_at"),
        backend_job_id=Concat(Value("b-"), F("slot"), output_field=CharField()),
        handle={"status": "somewhere"},
    )
    Lease.objects.update(poll_at=F("granted_at"), answered_at=Now())


def learned(p99: float) -> None:
    RunTime.objects.create(
        pool_name="preview",
        model="preview",
        seconds=4,
        size="854x480",
        count=100,
        p10=p99 / 4,
        median=p99 / 2,
        p90=p99 * 0.9,
        p99=p99,
    )


def silent(owner: Person) -> Job:
    job = running(owner)
    leases.pick_up(JobId(job.id), attempt=1, worker="gpu.preview@gpu-7")
    expire_lease(job.id)
    return job


def preview_pool() -> Pool:
    return Pool.objects.get(name="preview")


def change_preview_pool(**values: object) -> None:
    Pool.objects.filter(name="preview").update(**values)
    catalog.forget()


def reach(virtual_time: float, *, tier: str | None = None) -> None:
    """Let the lines, or those of a tier, have come so far."""
    lines = Line.objects.all() if tier is None else Line.objects.filter(tier=tier)
    before = Progress.objects.first()
    newest = Progress(
        id=before.id if before else 1,
        virtual_times={str(line.id): virtual_time for line in lines},
        promoted=[],
        shares=before.shares if before else [],
        turns=before.turns if before else [],
        floors=before.floors if before else {},
    )
    newest.save()
