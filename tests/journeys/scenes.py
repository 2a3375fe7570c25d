"""What pages show: jobs in every state, each brought there by the moves of the domain."""

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from PIL import Image

from jobs import batch_ends, batches, late_results, transitions
from jobs.backends.backend import Video
from jobs.backends.preview.scene import Scene
from jobs.failures import FailureKind
from jobs.ids import JobId, new_id
from jobs.models import Job, JobTransition, Lease, Pool
from notifications import announcements, respect, webhook_endpoints, webhook_log
from notifications.courier import Courier
from notifications.models import Delivery
from notifications.relay import Relay
from scheduler import dispatch
from tests.factories import Person, a_request, learned, person, published, queued
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
    Pool.objects.update(slots=4)
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


def a_month(owner: Person) -> None:
    """Give the owner some videos of each of the last days, by two models, that waited longer or shorter."""
    now = timezone.now()
    made = []
    for day, number in product(range(1, 30), range(4)):
        at = now - timedelta(days=day, minutes=11 * number)
        waited = timedelta(seconds=20 + 13 * (day * 7 % 11) + 60 * (number == 3))
        began = at + waited
        made.append(
            Job(
                owner_id=owner.id, tier_id="pro", state="succeeded", attempt=1, prompt=READY[number], seconds=4,
                model="preview" if number % 2 else "wan-2.2", size="854x480", estimate=10, credits_reserved=4,
                credits_charged=4, created_at=at, dispatched_at=began, started_at=began,
                finished_at=began + timedelta(seconds=30), video_url="https://videos.example/1.mp4",
            )
        )  # fmt: skip
    Job.objects.bulk_create(made)


def others_wait() -> None:
    """Let neighbours stand in line, and say what the lines are like now."""
    for number in range(3):
        neighbour = person(f"neighbour{number}", tier="pro")
        for _ in range(2):
            queued(neighbour, "A paper boat in the gutter")
    published()


def a_batch(owner: Person) -> UUID:
    """Submit six requests in one call: four are ready, one failed, one runs."""
    Pool.objects.update(slots=3)
    wanted = [a_request(prompt) for prompt in (HOSTILE, *READY)]
    made = batches.submit(wanted, owner_id=owner.id, key=None)
    batch_ends.close(made.batch_id)
    ids = [one.accepted.job_id for one in made.results if one.accepted]
    while dispatch.grant_free_slots():
        for at, job in enumerate(Job.objects.filter(id__in=ids, state="dispatched")):
            number = ids.index(JobId(job.id))
            transitions.start(JobId(job.id), attempt=job.attempt)
            if number == 1:
                _end_badly(job)
            elif number != len(ids) - 1:
                video = a_video(job.prompt, 20 + number + at)
                transitions.succeed(JobId(job.id), attempt=job.attempt, video=video)
    Lease.objects.filter(job_id=ids[-1]).update(percent=40)
    relay_everything()
    return made.batch_id


@dataclass(frozen=True)
class Programs:
    """Webhook endpoints by how they do, and a delivery that failed."""

    endpoints: dict[str, UUID]
    failed: UUID


def addresses_of_programs(owner: Person, receiver: str) -> Programs:
    """Give the owner endpoints that work, fail and are disabled, each told of real videos."""
    long = f"/a/{'very-long-token-' * 9}"
    paths = {"working": "/ok", "failing": "/status/500", "disabled": long}
    found = {
        name: webhook_endpoints.create(
            owner.id,
            url=receiver + path,
            event_types=announcements.webhook_types(),
            name="<b>north</b> ידע 🎬" if name == "failing" else "",
        )[0].id
        for name, path in paths.items()
    }
    Pool.objects.update(slots=3)
    for at, prompt in enumerate(READY[:3]):
        _ready(owner, prompt, at)
    _failed(owner, "Two dancers in a mirrored hall, camera orbiting twice")
    relay_everything()
    with closing(Courier(jitter=lambda: 0.5)) as courier:
        while courier.step(timeout=15):
            pass
    webhook_endpoints.update(owner.id, found["disabled"], {"is_enabled": False})
    failed = webhook_log.of_endpoint(owner.id, found["failing"]).filter(attempts__number=1)
    return Programs(endpoints=found, failed=failed[0].id)


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
    transitions.succeed(JobId(job.id), attempt=job.attempt, video=a_video(prompt, at))
    # As if it had been submitted, granted and finished over some time.
    _age(job, ended=timedelta(minutes=5 * at + 1), whole=timedelta(seconds=71 + 9 * at))
    return JobId(job.id)


def _failed(owner: Person, prompt: str) -> JobId:
    job = _began(owner, prompt)
    _end_badly(job)
    return JobId(job.id)


def _end_badly(job: Job) -> None:
    transitions.end_attempt(
        JobId(job.id),
        attempt=job.attempt,
        failure=FailureKind.INVALID_REQUEST,
        message="The model ran out of memory. Try 8 s or 720p.",
        jitter=0.5,
    )


def _cancelled(owner: Person, prompt: str) -> JobId:
    job_id = queued(owner, prompt)
    transitions.cancel(job_id, owner_id=owner.id)
    return job_id


def _late(owner: Person, prompt: str) -> JobId:
    job = _granted(owner, prompt)
    transitions.cancel(JobId(job.id), owner_id=owner.id)
    transitions.confirm_stop(JobId(job.id), attempt=job.attempt)
    late_results.keep(JobId(job.id), attempt=job.attempt, video=a_video(prompt, 6))
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


def a_video(prompt: str, at: int) -> Video:
    """Write a real clip and a real picture where the pages may show them from."""
    folder = settings.PREVIEW_ROOT
    folder.mkdir(parents=True, exist_ok=True)
    name = f"shownonpages{at:08}"
    picture = Scene(prompt, seed=7 + at, size=(640, 360), seconds=4).frame(0.5)
    Image.fromarray(picture).save(folder / f"{name}.webp")
    (folder / f"{name}.mp4").write_bytes(clip.of(name))
    return Video(url=f"/previews/{name}.mp4", thumbnail_url=f"/previews/{name}.webp")


def sent_and_withheld(owner: Person) -> None:
    """What the courier wrote down of mails: sent, held, part of a summary, failed and withheld."""
    summary = uuid4()
    for name, reason, values in (
        ("key.created", "", {"state": "delivered"}),
        ("job.canceled", respect.OWN_DOING, {"state": "skipped"}),
        ("job.succeeded", respect.LOOKING, {"state": "skipped"}),
        ("job.succeeded", "It is in a summary.", {"state": "merged", "summary_id": summary}),
        ("job.failed", "The mail server answered 550: no such user", {"state": "abandoned"}),
        ("notices.summed", "", {"state": "delivered", "id": summary}),
        ("batch.ended", "It waits for your quiet hours to end.", {"state": "held"}),
    ):
        ends = {"due_at" if values["state"] == "held" else "ended_at": timezone.now()}
        row = {"id": new_id(), "due_at": None, **values, **ends}
        Delivery.objects.create(
            owner_id=owner.id, name=name, subject_id=owner.id, channel="email", reason=reason, **row
        )
