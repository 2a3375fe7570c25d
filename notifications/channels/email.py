"""Mail: text and HTML, with a link to what it is about and a way out that takes one click."""

import smtplib
from collections.abc import Callable, Mapping, Sequence
from email.utils import formataddr
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string

from notifications import announcements, crash_points, preferences, unsubscribing
from notifications.announcements import Announcement
from notifications.channel import DeliveryFailed, Parcel, Planned, Receipt, Skipped
from notifications.event import Event
from notifications.message_ids import mail_id
from notifications.plain_text import one_line

# SMTP answers of which another try gives the same: no such mailbox, not allowed.
_PERMANENT: Final = frozenset({550, 551, 553, 554, 556})


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

    def plan(self, event: Event, announcement: Announcement) -> list[Planned]:
        """Make one mail for the owner."""
        message_id = mail_id(event.subject_id, f"{event.name}:{event.id}")
        return [Planned(target=event.owner_id.hex, message_id=message_id)]

    def prepare(self, parcel: Parcel) -> Callable[[], Receipt]:
        """Read the person and the subject, and write the mail."""
        announcement = announcements.of(parcel.name)
        if announcement is None:
            raise Skipped("This is not announced any more.")
        person = get_user_model().objects.filter(pk=parcel.owner_id).first()
        if person is None or not person.is_active or not person.email:
            raise Skipped("The account is closed.")
        if not preferences.is_on(
            parcel.owner_id, parcel.name, self.name, default=self.name in announcement.on_by_default
        ):
            raise Skipped("You turned it off.")
        found = announcement.context(parcel.subject_id, parcel.payload)
        if found is None:
            raise Skipped("What it was about is gone.")
        message = _message(parcel, str(person.email), found)
        crash_points.reach("email.rendered")
        return lambda: _send(message)

    def given_up(self, parcel: Parcel, reason: str, *, is_gone: bool) -> None:
        """Leave it: the notification centre has the same notice."""


def _message(parcel: Parcel, address: str, found: Mapping[str, Any]) -> EmailMultiAlternatives:
    way_out = unsubscribing.address(parcel.owner_id, parcel.name, "email")
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
            "List-Unsubscribe": f"<{way_out}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": f"{quote(parcel.name)} <{parcel.name.replace('_', '-')}.videogen>",
        },
    )
    message.attach_alternative(render_to_string(f"{folder}/body.html", context), "text/html")
    return message


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
