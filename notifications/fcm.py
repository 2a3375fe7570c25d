"""Firebase Cloud Messaging, HTTP v1: the account that may send, its token for an hour, and one message at a time.

The addresses are the operator's own (a file of Google's, and a setting), so connections to them are kept open; each
call has a deadline all the same.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpcore
import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from notifications.deadline import Network, within
from notifications.safe_http import NoAnswer

CALL_SECONDS: Final = 10.0
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Google gives tokens for an hour; ours ask for as much, and are changed so long before their end, seconds.
_HOUR: Final = 3600
_EARLY: Final = 300
_LARGEST_ANSWER: Final = 64 * 1024


class Unusable(Exception):
    """A service account that cannot be one; says why."""


class TokenRefused(Exception):
    """Google gives this account no token; says what it answered."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who may send, as Google's JSON file says."""

    project: str
    email: str
    private_key: str
    token_uri: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What FCM answered: a status, the code of its error if it has one, and the headers in lower case."""

    status: int
    error: str
    headers: Mapping[str, str]
    body: str


@cache
def account(text: str) -> ServiceAccount:
    """Read the JSON of a service account. Raises Unusable."""
    try:
        values = json.loads(text)
        found = ServiceAccount(
            project=values["project_id"],
            email=values["client_email"],
            private_key=values["private_key"],
            token_uri=values["token_uri"],
        )
        load_pem_private_key(found.private_key.encode(), password=None)
    except (KeyError, TypeError) as error:
        raise Unusable(f"It is no key file of a service account: {error} is missing.") from error
    except ValueError as error:
        raise Unusable("It is no JSON with a private key in PEM.") from error
    return found


def send(who: ServiceAccount, message: Mapping[str, Any]) -> Answer:
    """Send one message. Raises NoAnswer and TokenRefused."""
    path = f"/v1/projects/{quote(who.project, safe='')}/messages:send"
    with within(CALL_SECONDS):
        answer = _post(
            settings.FCM_URL + path,
            json.dumps({"message": message}).encode(),
            {"authorization": f"Bearer {_tokens.get(who)}", "content-type": "application/json"},
        )
    if answer.status == 401:  # noqa: PLR2004 - RFC 9110
        _tokens.forget()
    return answer


class _Tokens:
    """The token of this process, asked for by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[ServiceAccount, str, float] | None = None

    def get(self, who: ServiceAccount) -> str:
        """Give a token that is good for a while. Raises NoAnswer and TokenRefused."""
        with self._lock:
            if self._held and self._held[0] == who and time.monotonic() < self._held[2]:
                return self._held[1]
            token, seconds = _ask_for_token(who)
            self._held = (who, token, time.monotonic() + max(0.0, seconds - _EARLY))
            return token

    def forget(self) -> None:
        """Ask anew next time."""
        with self._lock:
            self._held = None


_tokens: Final = _Tokens()


def _ask_for_token(who: ServiceAccount) -> tuple[str, float]:
    now = int(time.time())
    claims = {
        "iss": who.email,
        "scope": _SCOPE,
        "aud": who.token_uri,
        "iat": now,
        "exp": now + _HOUR,
    }
    assertion = jwt.encode(claims, who.private_key, algorithm="RS256")
    answer = _post(
        who.token_uri,
        urlencode({"grant_type": _GRANT, "assertion": assertion}).encode(),
        {"content-type": "application/x-www-form-urlencoded"},
    )
    try:
        values = json.loads(answer.body)
        return str(values["access_token"]), float(values["expires_in"])
    except (ValueError, KeyError, TypeError):
        raise TokenRefused(f"The token endpoint answered {answer.status}.") from None


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        with _pool().stream("POST", url, headers=list(headers.items()), content=body) as answer:
            read = bytearray()
            for piece in answer.iter_stream():
                read += piece
                if len(read) > _LARGEST_ANSWER:
                    raise NoAnswer("Its answer is too long.")
    except httpcore.TimeoutException:
        raise NoAnswer(f"It did not answer within {CALL_SECONDS:g} seconds.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise NoAnswer(f"It could not be reached: {type(error).__name__}.") from error
    text = read.decode("utf-8", "replace")
    plain = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
    }
    return Answer(status=answer.status, error=_error_of(text), headers=plain, body=text)


def _error_of(text: str) -> str:
    """Give the code of FCM's own error, such as UNREGISTERED; else the general one; else nothing."""
    try:
        error = json.loads(text)["error"]
        codes = [one["errorCode"] for one in error.get("details", []) if "errorCode" in one]
        return str((codes or [error["status"]])[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


@cache
def _pool() -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        max_connections=16, max_keepalive_connections=8, network_backend=Network()
    )
