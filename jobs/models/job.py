"""One requested video, from submission to its one terminal state."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.ids import new_job_id
from jobs.models.breaks import Breaks, GuardedIntegerField, GuardedSmallIntegerField
from jobs.models.pool import Pool
from jobs.models.tier import Tier
from jobs.querysets import JobQuerySet
from jobs.states import TERMINAL, JobState

# What of a job must fit together is in the function (migration 0024), which names the first rule that is broken.
_BREAKS_NOTHING = Breaks(
    "state",
    "attempt",
    "dispatched_at",
    "started_at",
    "finished_at",
    "hidden_at",
    "pool_id",
    "video_url",
    "credits_reserved",
    "credits_charged",
    "failed_count",
    "version",
    "seconds",
    "cancel_fee",
    "progress",
    function="job_breaks",
)


class Job(models.Model):
    id = models.UUIDField(primary_key=True, default=new_job_id, editable=False)
    # No constraint: its reservation has one, and is kept for ever.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="jobs",
    )
    # The tier in whose line it waits, or from which it was granted. No constraint: all submissions would lock the
    # same row. The line keeps its tier, and the owner's lane its line.
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, db_index=False, db_constraint=False)
    state = models.CharField(max_length=10, choices=JobState, default=JobState.QUEUED)
    # Number of the current attempt and fencing token; 0 until the first grant, never decreases.
    attempt = GuardedSmallIntegerField(default=0)
    # Attempts that used up a try.
    failed_count = GuardedSmallIntegerField(default=0)
    # Grows with every move and every visible change, so that a reader drops what is older.
    version = GuardedIntegerField(default=1)

    prompt = models.TextField()
    model = models.CharField(max_length=64)
    seconds = GuardedSmallIntegerField()
    size = models.CharField(max_length=16)
    seed = models.BigIntegerField(null=True)
    # Estimated GPU-seconds; what fairness charges at the grant and corrects at the finish.
    estimate = models.FloatField()

    # SHA-256 of the image that it begins from, which is in `input_image`.
    image_digest = models.BinaryField(null=True, max_length=32)
    # The job whose video this one changes.
    remixed_from = models.UUIDField(null=True)

    # Kept for ever: a key never charges twice, even after its stored answer is gone.
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - empty is a key too
    retry_of = models.UUIDField(null=True)
    # The job whose request this one has, with another seed.
    variation_of = models.UUIDField(null=True)
    # The call that it was submitted with, if that had several.
    batch_id = models.UUIDField(null=True)
    # Who or what sent it, in words: the studio, a key by the name that it had, an app.
    sent_by = models.CharField(max_length=120, blank=True, default="", db_default="")

    credits_reserved = GuardedIntegerField()
    credits_charged = GuardedIntegerField(default=0)

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # When a queued job may get its next attempt; empty while it stands in its line.
    due_at = models.DateTimeField(null=True)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # When its owner last gave it other words, while it waited.
    edited_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    # Since when its owner does not want to see it any more; only what ended is hidden.
    hidden_at = models.DateTimeField(null=True)
    # What the owner was told that the cancel costs, when it was asked for.
    cancel_fee = GuardedIntegerField(null=True)
    # The job expires when it has not started, or not finished, by then.
    start_by = models.DateTimeField(null=True)
    finish_by = models.DateTimeField(null=True)

    # Where the last attempt ran. The name stays when the pool is removed; while one runs, its lease keeps
    # the pool.
    pool = models.ForeignKey(
        Pool, null=True, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False
    )
    # Percent at the end of the last attempt; while one runs, the lease knows better.
    progress = GuardedSmallIntegerField(default=0)
    video_url = models.TextField(blank=True, default="")
    thumbnail_url = models.TextField(blank=True, default="")
    # When the backend's address stops working, where it says so.
    video_expires_at = models.DateTimeField(null=True)
    # Why the job, or the attempt before this one, ended without a video.
    error_code = models.CharField(max_length=32, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    # How often it changed after its end; counted by the database, whoever writes the version.
    revision = models.SmallIntegerField(default=0, db_default=0, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        db_table = "job"
        indexes = [
            models.Index(name="job_by_owner", fields=["owner", "-created_at", "-id"]),
            # Lists of what ended are read from here, and not from the rows: so it must not name what moves change.
            models.Index(
                name="job_ended_by_owner",
                fields=["owner", "-created_at", "-id"],
                include=["revision"],
                condition=Q(finished_at__isnull=False, hidden_at__isnull=True),
            ),
            # What lives is read apart from its day, and is never more than a plan allows.
            models.Index(
                name="job_live_by_owner",
                fields=["owner", "-created_at", "-id"],
                condition=Q(finished_at__isnull=True),
            ),
            models.Index(
                name="job_by_batch", fields=["batch_id"], condition=Q(batch_id__isnull=False)
            ),
            # No index names the state: a start or a grant would then write a new entry into every index.
            models.Index(
                name="job_due",
                fields=["due_at"],
                condition=Q(finished_at__isnull=True, due_at__isnull=False),
            ),
            models.Index(
                name="job_of_image",
                fields=["owner", "image_digest"],
                condition=Q(image_digest__isnull=False),
            ),
            models.Index(
                name="job_start_by",
                fields=["start_by"],
                condition=Q(finished_at__isnull=True, start_by__isnull=False),
            ),
            models.Index(
                name="job_finish_by",
                fields=["finish_by"],
                condition=Q(finished_at__isnull=True, finish_by__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="job_one_per_key",
                fields=["owner", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
            ),
            models.UniqueConstraint(
                name="job_one_retry", fields=["retry_of"], condition=Q(retry_of__isnull=False)
            ),
            models.CheckConstraint(name="job_breaks_nothing", condition=_BREAKS_NOTHING),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_ended(self) -> bool:
        """Say whether the job has reached its one terminal state."""
        return JobState(self.state) in TERMINAL

    @property
    def is_cancel_requested(self) -> bool:
        """Say whether the owner asked to stop it."""
        return self.cancel_requested_at is not None
