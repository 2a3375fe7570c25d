"""Mail: text and HTML, with a link to what it is about and a way out that takes one click."""

import smtplib
from collections.abc import Callable, Mapping, Sequence
from email.utils import formataddr
from functools import cache
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from anymail.exceptions import AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection
from django.template.loader import render_to_string

from notifications import announcements, crash_points, prepared, unsubscribing
from notifications.announcements import Announcement
from notifications.channel import DeliveryFailed, Parcel, Planned, Receipt, Skipped
from notifications.event import Event
from notifications.message_ids import mail_id
from notifications.plain_text import one_line

# SMTP answers of which another try gives the same: no such mailbox, not allowed.
_PERMANENT: Final = frozenset({550, 551, 553, 554, 556})
_ADDRESS: Final = "select email from {person} where id = %s and is_active"


class EmailChannel:
    name = "email"
    # Mail servers are away for hours, seldom for days.
    delays: Sequence[float] = (30, 300, 1800, 7200, 21_600, 43_200)
    threads = 4
    per_target = 1
    isolates = False
    asks_preferences = True

    @property
    def claim_seconds(self) -> float:
        """Give how long a try may stay unwritten: a mail server answers several times."""
        return 2 * settings.COURIER_CLAIM_SECONDS

    def problem(self) -> str:
        """Say that no way to send mail is set."""
        if not settings.EMAIL_BACKEND:
            return "EMAIL_URL is not set, so nobody gets mail."
        return ""

    def plan(self, told: Sequence[tuple[Event, Announcement]]) -> list[tuple[Event, Planned]]:
        """Make one mail for the owner of each."""
        return [
            (
                event,
                Planned(
                    target=event.owner_id.hex,
                    message_id=mail_id(event.subject_id, f"{event.name}:{event.id}"),
                ),
            )
            for event, _ in told
        ]

    def prepare(self, parcel: Parcel) -> Callable[[], Receipt]:
        """Read the person and the subject, and write the mail."""
        announcement = announcements.of(parcel.name)
        if announcement is None:
            raise Skipped("This is not announced any more.")
        address = _address_of(parcel.owner_id)
        if not address:
            raise Skipped("The account is closed.")
        found = announcement.context(parcel.subject_id, parcel.payload)
        if found is None:
            raise Skipped("What it was about is gone.")
        message = _message(parcel, address, found, is_forced=announcement.is_forced)
        crash_points.reach("email.rendered")
        return lambda: _send(message)

    def given_up(self, parcel: Parcel, reason: str, *, is_gone: bool) -> None:
        """Leave it: the notification centre has the same notice."""


def _address_of(owner_id: UUID) -> str:
    rows = prepared.run(_statement(), [owner_id])
    return str(rows[0][0]) if rows else ""


@cache
def _statement() -> str:
    return _ADDRESS.format(person=connection.ops.quote_name(get_user_model()._meta.db_table))


def _message(
    parcel: Parcel, address: str, found: Mapping[str, Any], *, is_forced: bool
) -> EmailMultiAlternatives:
    way_out = "" if is_forced else unsubscribing.address(parcel.owner_id, parcel.name, "email")
    context = {**found, "unsubscribe_url": way_out, "home_url": settings.PUBLIC_URL}
    folder = f"notifications/{parcel.name}"
    message = EmailMultiAlternatives(
        subject=one_line(render_to_string(f"{folder}/subject.txt", context)),
        body=render_to_string(f"{folder}/body.txt", context),
        from_email=formataddr(("videogen", settings.DEFAULT_FROM_EMAIL)),
        to=[address],
        headers={
            "Message-ID": parcel.message_id,
            # Answers of out-of-office robots are of no use to anybody.
            "Auto-Submitted": "auto-generated",
            **(_list_headers(parcel.name, way_out) if way_out else {}),
        },
    )
    message.attach_alternative(render_to_string(f"{folder}/body.html", context), "text/html")
    return message


def _list_headers(name: str, way_out: str) -> dict[str, str]:
    """Name the kind of mail, and the way out of it (RFC 2919, 2369, 8058)."""
    return {
        "List-Unsubscribe": f"<{way_out}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": f"{quote(name)} <{name.replace('_', '-')}.videogen>",
    }


def _send(message: EmailMultiAlternatives) -> Receipt:
    receipt = Receipt(request={"to": message.to, "subject": message.subject})
    message.connection = get_connection(fail_silently=False)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise _refused(code, text, receipt) from error
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error, receipt) from error
    except AnymailRecipientsRefused as error:
        reason = "The mail service takes nothing for this address."
        raise DeliveryFailed(reason, permanent=True, receipt=receipt) from error
    except AnymailError as error:
        # What it says may have the address or parts of the key.
        said = f"answered {error.status_code}" if error.status_code else "could not be used"
        raise DeliveryFailed(f"The mail service {said}.", receipt=receipt) from error
    except (smtplib.SMTPException, OSError) as error:
        reason = f"The mail server could not be used: {type(error).__name__}."
        raise DeliveryFailed(reason, receipt=receipt) from error
    crash_points.reach("email.accepted")
    return receipt


def _refused(code: int, text: bytes | str, receipt: Receipt) -> DeliveryFailed:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return DeliveryFailed(
        f"The mail server answered {code}: {one_line(said)}",
        permanent=code in _PERMANENT,
        receipt=receipt,
    )
