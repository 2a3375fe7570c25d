"""What pages show: jobs in every state, each brought there by the moves of the domain."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from PIL import Image

from jobs import late_results, transitions
from jobs.backends.backend import Video
from jobs.backends.preview.scene import Scene
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, JobTransition, Lease, Pool
from notifications.relay import Relay
from scheduler import dispatch
from tests.factories import Person, learned, queued
from videogen.fake_gpu import clip

# Markup, right-to-left marks, emoji, and no place to break: as long as a prompt may be.
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp; \u202eזרימה שמאלה\u202c "
    "\u0627\u0644\u0641\u064a\u062f\u064a\u0648 \u2066mixed\u2069 👩‍👩‍👧‍👦🏳️‍🌈 {{ 7|add:7 }} {% now %} "
    "x̸̢̛͉̎ WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW "
)
HOSTILE = (HOSTILE * 40)[:4000]
READY = (
    "A lighthouse at blue hour, the beam sweeping out over a flat sea, locked-off wide shot",
    "Low sun over copper dunes, wind lifting sand from the ridges",
    "A whale crosses shafts of light, seen from far below",
    "Fog between mountain ridges, birds crossing left to right",
    "Rain on a tram window, street lights out of focus",
)


def a_full_day(owner: Person) -> dict[str, JobId]:
    """Give the owner jobs in every look, by look."""
    Pool.objects.update(slots=3)
    found: dict[str, JobId] = {}
    for at, prompt in enumerate(READY):
        found["ready"] = _ready(owner, prompt, at)
    found["hostile"] = _ready(owner, HOSTILE, 9)
    found["failed"] = _failed(owner, "Two dancers in a mirrored hall, camera orbiting twice")
    found["cancelled"] = _cancelled(owner, "Aurora over a frozen lake, handheld")
    found["late"] = _late(owner, "Fog rolls through a pine valley")
    found["retried"] = _second_try(owner, "Harbour cranes at dawn, long lens")
    learned(100)
    found["running"] = _running(owner, "A lighthouse keeper climbs the spiral stair", percent=62)
    found["blind"] = _running(owner, "Macro, ink blooming in cold water, backlit", percent=None)
    found["cancelling"] = _running(owner, "Neon signs in puddles", percent=31)
    transitions.cancel(found["cancelling"], owner_id=owner.id)
    found["waiting"] = queued(owner, "A single bell far away, static wide shot")
    relay_everything()
    return found


def relay_everything() -> None:
    """Let the relay tell all that happened."""
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass


def _granted(owner: Person, prompt: str) -> Job:
    job_id = queued(owner, prompt)
    dispatch.grant_free_slots()
    return Job.objects.get(id=job_id)


def _began(owner: Person, prompt: str) -> Job:
    job = _granted(owner, prompt)
    transitions.start(JobId(job.id), attempt=job.attempt)
    return job


def _ready(owner: Person, prompt: str, at: int) -> JobId:
    job = _began(owner, prompt)
    transitions.succeed(JobId(job.id), attempt=job.attempt, video=_video(prompt, at))
    # As if it had been submitted, granted and finished over some time.
    _age(job, ended=timedelta(minutes=5 * at + 1), whole=timedelta(seconds=71 + 9 * at))
    return JobId(job.id)


def _failed(owner: Person, prompt: str) -> JobId:
    job = _began(owner, prompt)
    transitions.end_attempt(
        JobId(job.id),
        attempt=job.attempt,
        failure=FailureKind.INVALID_REQUEST,
        message="The model ran out of memory. Try 8 s or 720p.",
        jitter=0.5,
    )
    return JobId(job.id)


def _cancelled(owner: Person, prompt: str) -> JobId:
    job_id = queued(owner, prompt)
    transitions.cancel(job_id, owner_id=owner.id)
    return job_id


def _late(owner: Person, prompt: str) -> JobId:
    job = _granted(owner, prompt)
    transitions.cancel(JobId(job.id), owner_id=owner.id)
    transitions.confirm_stop(JobId(job.id), attempt=job.attempt)
    late_results.keep(JobId(job.id), attempt=job.attempt, video=_video(prompt, 6))
    return JobId(job.id)


def _second_try(owner: Person, prompt: str) -> JobId:
    job = _began(owner, prompt)
    transitions.end_attempt(
        JobId(job.id),
        attempt=job.attempt,
        failure=FailureKind.WORKER_LOST,
        message="The GPU stopped answering after 31 s. It goes to another one.",
        jitter=0.5,
    )
    return JobId(job.id)


def _running(owner: Person, prompt: str, *, percent: int | None) -> JobId:
    job = _began(owner, prompt)
    _age(job, ended=timedelta(0), whole=timedelta(seconds=72))
    Lease.objects.filter(job_id=job.id).update(percent=percent)
    return JobId(job.id)


def _age(job: Job, *, ended: timedelta, whole: timedelta) -> None:
    began = ended + whole
    Job.objects.filter(id=job.id).update(
        created_at=F("created_at") - began - timedelta(seconds=12),
        dispatched_at=F("dispatched_at") - began - timedelta(seconds=3),
        started_at=F("created_at") - began,
    )
    ages = {"queued": began + timedelta(seconds=12), "dispatched": began + timedelta(seconds=3)}
    with transaction.atomic(), connection.cursor() as cursor:
        # History is append-only; only a made-up past needs this.
        cursor.execute("set local session_replication_role = replica")
        for move in JobTransition.objects.filter(job=job):
            age = ages.get(move.to_state, began if move.to_state == "running" else ended)
            JobTransition.objects.filter(pk=move.pk).update(at=move.at - age)
    if ended:
        Job.objects.filter(id=job.id).update(finished_at=F("finished_at") - ended)


def _video(prompt: str, at: int) -> Video:
    """Write a real clip and a real picture where the pages may show them from."""
    folder = settings.PREVIEW_ROOT
    folder.mkdir(parents=True, exist_ok=True)
    name = f"shownonpages{at:08}"
    picture = Scene(prompt, seed=7 + at, size=(640, 360), seconds=4).frame(0.5)
    Image.fromarray(picture).save(folder / f"{name}.webp")
    (folder / f"{name}.mp4").write_bytes(clip.of(name))
    return Video(url=f"/previews/{name}.mp4", thumbnail_url=f"/previews/{name}.webp")
