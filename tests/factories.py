"""The cast: Ann pays, Bob is free, Cy is a stranger; and the jobs that they submit."""

from dataclasses import dataclass
from uuid import UUID

from jobs import requests, seeds, submission, transitions
from jobs.backends.backend import Video
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.models import Job, Lease
from scheduler import dispatch
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


def past_deadline(job_id: UUID, *, field: str = "finish_by") -> None:
    Job.objects.filter(id=job_id).update(**{field: "2020-01-01T00:00:00Z"})


def expire_lease(job_id: UUID) -> None:
    from datetime import timedelta

    from django.db.models import F

    Lease.objects.filter(job_id=job_id).update(expires_at=F("granted_at") - timedelta(seconds=1))
