"""Mail on a developer's machine: a file for each message, which mail programs open."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import unquote
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage as Mail


class EmailBackend(BaseEmailBackend):
    """Writes `Message-ID.eml`, so that the same mail sent twice is one file."""

    def send_messages(self, email_messages: Sequence[Mail]) -> int:
        """Write every message, whole or not at all."""
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(parents=True, exist_ok=True)
        for mail in email_messages:
            message: Any | EmailMessage = mail.message()
            path = folder / f"{quote(unquote(message['Message-ID']), safe='@')}.eml"
            draft = path.with_suffix(".part")
            draft.write_bytes(message.as_bytes())
            draft.replace(path)
        return len(email_messages)
