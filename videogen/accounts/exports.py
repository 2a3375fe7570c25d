"""A person's copy of their data: lines of JSON, compressed, made in bounded steps by the upkeep worker.

Every step adds one gzip member, and members in a row are one gzip file: so nothing large is ever in memory, and a
step that was interrupted is made again.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from videogen.accounts.models import Export, ExportPart

# Rows in a step, and steps in a tick.
BATCH: Final = 500
_STEPS: Final = 20
# Asked for again within this time, it is the same one.
_FRESH: Final = timedelta(hours=1)
_START: Final = ("-infinity", "00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A kind of line: its rows of one owner after a key, by an index."""

    name: str
    columns: str
    table: str
    owner: str = "owner_id"
    # Columns of the key that rows are walked by, and what comes before every key.
    key: tuple[str, ...] = ("id",)
    start: tuple[str, ...] = ("0",)
    batch: int = BATCH

    @property
    def statement(self) -> str:
        """Give rows as their key and one JSON object each."""
        key = ", ".join(self.key)
        holes = ", ".join(["%s"] * len(self.key))
        return (
            f"select array[{', '.join(f'{one}::text' for one in self.key)}],"
            f" (select to_jsonb(line) from (select {self.columns}) line)::text"
            f" from {self.table} where {self.owner} = %s and ({key}) > ({holes}) order by {key} limit %s"
        )


_FIRST_ID: Final = (_START[1],)
SECTIONS: Final = (
    Section(
        name="person", table="account_user", owner="id", start=_FIRST_ID,
        columns="id, email, time_zone, joined_at, last_login",
    ),
    Section(
        name="address", table="account_emailaddress", owner="user_id",
        columns='email, verified, "primary"',
    ),
    Section(
        name="account", table="account", key=("owner_id",), start=_FIRST_ID,
        columns="tier_id as tier, balance, held",
    ),
    Section(
        name="job", table="job", key=("created_at", "id"), start=_START,
        columns="id, state, prompt, model, seconds, size, seed, credits_reserved, credits_charged,"
        " created_at, started_at, finished_at, video_url, thumbnail_url, error_code, error_message,"
        " idempotency_key, retry_of, variation_of, remixed_from, batch_id, sent_by, edited_at",
    ),
    Section(
        name="ledger_entry", table="ledger_entry", owner="account_id",
        columns="id, job_id, kind, balance_delta, held_delta, reason, recorded_at",
    ),
    Section(
        name="image", table="input_image", key=("digest",), start=("\\x",), batch=5,
        columns="mime, used_at, encode(content, 'base64') as content",
    ),
    Section(
        name="notification", table="notification",
        columns="id, name, subject_id, payload, created_at, read_at",
    ),
    Section(
        name="delivery", table="delivery", start=_FIRST_ID,
        columns="id, name, subject_id, channel, state, reason, created_at, ended_at",
    ),
    Section(
        name="preference", table="notification_preference", columns="name, channel, is_on",
    ),
    Section(
        name="webhook_endpoint", table="webhook_endpoint", start=_FIRST_ID,
        columns="id, name, url, event_types, created_at, disabled_at",
    ),
    Section(
        name="notification_wishes", table="notification_wishes", key=("owner_id",), start=_FIRST_ID,
        columns="longer_than_seconds, quiet_from, quiet_until, daily_mail_at",
    ),
    Section(
        name="push_browser", table="push_subscription", start=_FIRST_ID,
        columns="id, name, user_agent, created_at, confirmed_at",
    ),
    Section(
        name="push_device", table="push_device", start=_FIRST_ID,
        columns="id, platform, name, created_at, confirmed_at",
    ),
    Section(
        name="api_key", table="account_api_key", owner="user_id", start=_FIRST_ID,
        columns="id, name, prefix, scopes, created_at, expires_at, revoked_at, last_used_at",
    ),
    Section(
        name="device", table="usersessions_usersession", owner="user_id",
        columns="ip, user_agent, created_at, last_seen_at",
    ),
    Section(
        name="second_factor", table="mfa_authenticator", owner="user_id",
        columns="type, created_at, last_used_at",
    ),
    Section(
        name="other_sign_in", table="socialaccount_socialaccount", owner="user_id",
        columns="provider, uid, extra_data, date_joined, last_login",
    ),
    Section(
        name="suspension", table="account_suspension", owner="user_id", start=_FIRST_ID,
        columns="reason, began_at, lifted_at, lift_reason",
    ),
)  # fmt: skip


def request(user_id: UUID) -> Export:
    """Ask for a copy, in a transaction; one that is being made, or is an hour old at most, is given again."""
    with transaction.atomic():
        found = Export.objects.select_for_update(no_key=True).filter(user_id=user_id).first()
        if found is not None:
            if found.finished_at is None or found.finished_at > timezone.now() - _FRESH:
                return found
            _remove([user_id])
        Export.objects.bulk_create([Export(user_id=user_id)], ignore_conflicts=True)
        return Export.objects.get(user_id=user_id)


def of(user_id: UUID) -> Export | None:
    """Give the person's copy, made or being made."""
    return Export.objects.filter(user_id=user_id).first()


def content(user_id: UUID) -> Iterator[bytes]:
    """Read a finished copy part by part."""
    parts = ExportPart.objects.filter(export_id=user_id).order_by("number")
    for number in list(parts.values_list("number", flat=True)):
        yield bytes(parts.values_list("content", flat=True).get(number=number))


def make(*, steps: int = _STEPS) -> int:
    """Make up to `steps` steps of what was asked for, the oldest wish first; say how many."""
    for done in range(steps):
        if not _step():
            return done
    return steps


def forget(*, limit: int = 100) -> int:
    """Drop copies that are older than EXPORTS_KEPT_DAYS; say how many."""
    old = timezone.now() - timedelta(days=settings.EXPORTS_KEPT_DAYS)
    with transaction.atomic():
        found = Export.objects.filter(finished_at__lt=old).order_by("finished_at")
        names = list(found.values_list("user_id", flat=True)[:limit])
        _remove(names)
    return len(names)


def _remove(names: list[UUID]) -> None:
    ExportPart.objects.filter(export_id__in=names).delete()
    Export.objects.filter(user_id__in=names).delete()


def _step() -> bool:
    with transaction.atomic():
        waiting = Export.objects.select_for_update(skip_locked=True, no_key=True)
        export = waiting.filter(finished_at=None).order_by("requested_at").first()
        if export is None:
            return False
        section = SECTIONS[export.section]
        rows = _rows(section, export)
        if rows:
            lines = [
                f'{{"kind": {json.dumps(section.name)}, "data": {line}}}\n' for _, line in rows
            ]
            packed = gzip.compress("".join(lines).encode(), mtime=0)
            number = ExportPart.objects.filter(export=export).count()
            ExportPart.objects.create(export=export, number=number, content=packed)
            export.after, export.line_count = rows[-1][0], export.line_count + len(rows)
        if len(rows) < section.batch:
            export.section, export.after = export.section + 1, None
        fields = ["section", "after", "line_count"]
        if export.section == len(SECTIONS):
            export.finished_at = Now()
            fields.append("finished_at")
        export.save(update_fields=fields)
    return True


def _rows(section: Section, export: Export) -> list[Any]:
    after = export.after or section.start
    with connection.cursor() as cursor:
        cursor.execute(section.statement, [export.user_id, *after, section.batch])
        return list(cursor.fetchall())
