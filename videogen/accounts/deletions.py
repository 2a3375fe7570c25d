"""Deleting an account: after a time to think again, jobs end, and all that tells who somebody was is erased.

Money, moves and times stay, under an id that leads to nobody. Bounded steps of the upkeep worker; one that was
interrupted is made again.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs import erasure as of_jobs
from jobs import transitions, withdrawals
from jobs.errors import JobError, JobMissing, TransitionRefused
from jobs.ids import JobId
from jobs.models import Job
from notifications import erasure as of_notifications
from videogen.accounts import doorbell, keys, sessions, tokens
from videogen.accounts.models import ApiKey, Deletion, Export, ExportPart, User

logger = logging.getLogger(__name__)

# Rows in a step, and steps in a tick.
BATCH: Final = 500
_STEPS: Final = 20
_OPEN_JOBS: Final = 200
_START: Final = ("-infinity", "00000000-0000-0000-0000-000000000000")
_FIRST_NUMBER: Final = ("", "0")
WITHDRAWN: Final = "The account is being deleted."
# Jobs first: what follows may not come into being again.
_STATEMENTS: Final = tuple({**of_jobs.STEPS, **of_notifications.STEPS}.items())


class DeletionRefused(JobError):
    """An account that cannot be deleted by its owner, or a wish that came too late."""

    code = "deletion_refused"


def request(user: User, *, email: str) -> Deletion:
    """Ask for the deletion, due in DELETION_GRACE_DAYS; repeating it keeps the first. Raises DeletionRefused."""
    if email.strip().lower() != user.email:
        raise DeletionRefused(
            "Send the e-mail address of this account, so that nobody does it by mistake."
        )
    if user.is_staff:
        raise DeletionRefused(
            "This account operates the service. Another administrator takes its rights first."
        )
    due = timezone.now() + timedelta(days=settings.DELETION_GRACE_DAYS)
    found, _ = Deletion.objects.get_or_create(user=user, defaults={"due_at": due})
    return found


def of(user_id: UUID) -> Deletion | None:
    """Give the wish, if there is one."""
    return Deletion.objects.filter(user_id=user_id).first()


def take_back(user_id: UUID) -> None:
    """Keep the account. Raises DeletionRefused when it has begun."""
    with transaction.atomic():
        found = Deletion.objects.select_for_update(no_key=True).filter(user_id=user_id).first()
        if found is None:
            return
        if found.began_at is not None:
            raise DeletionRefused("The deletion has begun.")
        found.delete()


def delete_due(*, steps: int = _STEPS) -> int:
    """Make up to `steps` steps of what is due, the oldest first; say how many."""
    after: datetime | None = None
    for done in range(steps):
        due = Deletion.objects.filter(finished_at=None, due_at__lte=Now()).order_by("due_at")
        if after is not None:
            due = due.filter(due_at__gt=after)
        found = due.first()
        if found is None:
            return done
        if not _step(found.user_id):
            # It waits for a running job to stop: others are not kept waiting.
            after = found.due_at
    return steps


def _step(user_id: UUID) -> bool:
    """Go one step on; False when there is nothing to do before a running job has stopped."""
    if _begin(user_id):
        return True
    if not _jobs_have_ended(user_id):
        return False
    with transaction.atomic():
        deletion = Deletion.objects.select_for_update(no_key=True).get(user_id=user_id)
        if deletion.step < len(_STATEMENTS):
            _erase(deletion)
        elif deletion.finished_at is None:
            _forget_person(deletion)
    return True


def _begin(user_id: UUID) -> bool:
    """Let nobody in any more; False when that is done."""
    with transaction.atomic():
        if not Deletion.objects.filter(user_id=user_id, began_at=None).update(began_at=Now()):
            return False
        User.objects.filter(pk=user_id).update(is_active=False)
        sessions.end_others(user_id, keep=None)
        transaction.on_commit(_spread)
    return True


def _jobs_have_ended(user_id: UUID) -> bool:
    if withdrawals.withdraw_waiting(user_id, why=WITHDRAWN, limit=_OPEN_JOBS).is_empty:
        return True
    running = Job.objects.filter(owner_id=user_id, finished_at=None, cancel_requested_at=None)
    for job_id in running.values_list("id", flat=True)[:_OPEN_JOBS]:
        try:
            transitions.cancel(JobId(job_id), owner_id=user_id)
        except (TransitionRefused, JobMissing) as refusal:
            logger.info("cancel_not_needed", extra={"job": str(job_id), "why": str(refusal)})
    return False


def _erase(deletion: Deletion) -> None:
    name, statement = _STATEMENTS[deletion.step]
    at, last = deletion.after or (_FIRST_NUMBER if name == "events" else _START)
    with connection.cursor() as cursor:
        values = {"owner": deletion.user_id, "at": at, "id": last, "limit": BATCH}
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall()
    if len(rows) < BATCH:
        deletion.step, deletion.after = deletion.step + 1, None
    else:
        deletion.after = list(rows[-1])
    deletion.save(update_fields=["step", "after"])


def _forget_person(deletion: Deletion) -> None:
    user_id = deletion.user_id
    user = User.objects.select_for_update(of=("self",), no_key=True).get(pk=user_id)
    for kind in (EmailAddress, Authenticator, SocialAccount, ApiKey):
        kind.objects.filter(user_id=user_id).delete()
    ExportPart.objects.filter(export_id=user_id).delete()
    Export.objects.filter(user_id=user_id).delete()
    # What administrators did to it stays, under the id.
    written = LogEntry.objects.filter(content_type__model="user", object_id=str(user_id))
    written.update(object_repr=str(user_id))
    user.email = f"{user_id}@deleted.invalid"
    user.set_unusable_password()
    user.time_zone, user.last_login = "UTC", None
    user.save(update_fields=["email", "password", "time_zone", "last_login"])
    deletion.finished_at = Now()
    deletion.save(update_fields=["finished_at"])
    transaction.on_commit(_spread)


def _spread() -> None:
    keys.forget()
    tokens.forget()
    doorbell.ring()
