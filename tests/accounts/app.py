"""A phone that signs up and in through the addresses for apps, and its owner's mailbox."""

import json
import re
from typing import Any

from django.core import mail
from django.test import Client

PASSWORD = "seventeen wet otters"


class Phone:
    """Sends JSON and keeps its session token, as an app does."""

    def __init__(self) -> None:
        self.client = Client()
        self.token = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Call an address below /api/v1/auth/app/v1/ and take over the token that it gives."""
        if self.token:
            headers["X-Session-Token"] = self.token
        answer = self.client.generic(
            method,
            f"/api/v1/auth/app/v1/{path}",
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers,
        )
        meta = answer.json().get("meta", {}) if answer.content else {}
        self.token = meta.get("session_token", self.token)
        return answer

    def sign_up(self, email: str) -> Any:
        return self.call("POST", "auth/signup", {"email": email, "password": PASSWORD})

    def sign_in(self, email: str, password: str = PASSWORD) -> Any:
        return self.call("POST", "auth/login", {"email": email, "password": password})

    def verify(self) -> Any:
        return self.call("POST", "auth/email/verify", {"key": code_of_mail()})


def code_of_mail() -> str:
    """Give the code of the latest mail, as its reader would copy it."""
    found = re.search(
        r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})*)\s*$", str(mail.outbox[-1].body), re.MULTILINE
    )
    assert found, mail.outbox[-1].body
    return found[1]
