"""`python -m proofs.sinks.push JOURNAL`: the vendors' edge of pushes, in a process of its own.

A push service with the browsers behind it (RFC 8030): `GET /subscribe` makes a browser with keys of its own and gives
its subscription; what is posted to its endpoint must be signed (RFC 8292) and is opened with its keys (RFC 8291). And
FCM: `GET /service-account` gives a key file, `/token` takes its assertions, `messages:send` takes messages with its
tokens. Prints its port. `?status=410` at a subscription, or a token such as `gone-1` or `busy-1`, says how it answers.
"""

import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from notifications import vapid
from proofs.sinks.http import Journal

_PROJECT: Final = "proof-project"
_SEND: Final = f"/v1/projects/{_PROJECT}/messages:send"
_LARGEST: Final = 4096
_RETRY_AFTER: Final = "120"


class Refused(Exception):
    """What was sent is not what the protocols ask for."""


class Browser:
    """A browser: its endpoint's secret name, its keys, and how its push service answers."""

    def __init__(self, status: int) -> None:
        self.name = secrets.token_urlsafe(16)
        self.status = status
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.secret = secrets.token_bytes(16)

    def subscription(self, origin: str) -> dict[str, Any]:
        """Give what `PushSubscription.toJSON()` gives."""
        point = vapid.point_of(self.private.public_key())
        return {
            "endpoint": f"{origin}/push/{self.name}",
            "expirationTime": None,
            "keys": {"p256dh": vapid.encoded(point), "auth": vapid.encoded(self.secret)},
        }

    def opened(self, body: bytes) -> dict[str, Any]:
        """Open a message. Raises what the library raises where it was not meant for this browser."""
        text = http_ece.decrypt(
            body, private_key=self.private, auth_secret=self.secret, version="aes128gcm"
        )
        found: dict[str, Any] = json.loads(text)
        return found


class Edge(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    journal: ClassVar[Journal]
    browsers: ClassVar[dict[str, Browser]] = {}
    tokens: ClassVar[set[str]] = set()
    account: ClassVar[rsa.RSAPrivateKey]

    def do_GET(self) -> None:
        """Make a browser, or give the key file."""
        parts = urlsplit(self.path)
        if parts.path == "/service-account":
            self._answer(200, self._key_file())
            return
        status = int(parse_qs(parts.query).get("status", ["201"])[0])
        browser = Browser(status)
        self.browsers[browser.name] = browser
        self._answer(200, browser.subscription(self._origin))

    def do_POST(self) -> None:
        """Take a push, an assertion or a message."""
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            # Its sender was killed before it had said everything: that is no request.
            self.close_connection = True
            return
        try:
            if self.path.startswith("/push/"):
                self._take_push(body)
            elif self.path == "/token":
                self._give_token(body.decode())
            elif self.path == _SEND:
                self._take_message(json.loads(body)["message"])
            else:
                self._fcm_error(404, "NOT_FOUND")
        except (Refused, http_ece.ECEException, jwt.PyJWTError, KeyError, ValueError) as error:
            self.journal.note({"kind": "refused", "id": "", "body": repr(error)})
            self._answer(400, {"error": repr(error)})

    def _take_push(self, body: bytes) -> None:
        browser = self.browsers[self.path.removeprefix("/push/")]
        self._check_sender()
        if "TTL" not in self.headers or self.headers["Content-Encoding"] != "aes128gcm":
            raise Refused("TTL or Content-Encoding is missing.")
        if len(body) > _LARGEST:
            raise Refused("It is too large.")
        told = browser.opened(body)
        self.journal.note(
            {
                "kind": "web_push",
                "id": told["id"],
                "to": browser.name,
                "tag": told["tag"],
                "topic": self.headers["Topic"],
                "body": json.dumps(told, sort_keys=True),
                "size": len(body),
                "at": time.time(),
            }
        )
        self._answer(browser.status, None)

    def _check_sender(self) -> None:
        scheme, _, text = self.headers["Authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in text.split(","))
        point = vapid.decoded(parts["k"])
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        claims = jwt.decode(parts["t"], key, algorithms=["ES256"], audience=self._origin)
        if scheme != "vapid" or not claims["sub"].startswith(("mailto:", "https:")):
            raise Refused("It does not say who sends.")

    def _give_token(self, form: str) -> None:
        assertion = parse_qs(form)["assertion"][0]
        jwt.decode(
            assertion,
            self.account.public_key(),
            algorithms=["RS256"],
            audience=f"{self._origin}/token",
            options={"require": ["iss", "exp", "iat", "scope"]},
        )
        token = secrets.token_urlsafe(16)
        self.tokens.add(token)
        self.journal.note({"kind": "token", "id": "", "body": ""})
        self._answer(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _take_message(self, message: dict[str, Any]) -> None:
        if self.headers["Authorization"].removeprefix("Bearer ") not in self.tokens:
            self._fcm_error(401, "UNAUTHENTICATED")
            return
        kind, _, name = message["token"].partition("-")
        self.journal.note(
            {
                "kind": "mobile_push",
                "id": message["data"]["id"],
                "to": message["token"],
                "tag": message["android"]["collapse_key"],
                "body": json.dumps(message, sort_keys=True),
                "at": time.time(),
            }
        )
        match kind:
            case "gone":
                self._fcm_error(404, "NOT_FOUND", "UNREGISTERED")
            case "busy":
                self._fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
            case "elsewhere":
                self._fcm_error(404, "NOT_FOUND")
            case _:
                self._answer(200, {"name": f"projects/{_PROJECT}/messages/{name}"})

    def _fcm_error(self, code: int, status: str, detail: str = "") -> None:
        details = [
            {
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": detail,
            }
        ]
        error = {"code": code, "status": status, "message": status}
        self._answer(code, {"error": {**error, **({"details": details} if detail else {})}})

    def _key_file(self) -> dict[str, Any]:
        pem = self.account.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": _PROJECT,
            "client_email": "sender@proof-project.iam.example",
            "private_key": pem.decode(),
            "token_uri": f"{self._origin}/token",
        }

    @property
    def _origin(self) -> str:
        return f"http://{self.headers['Host']}"

    def _answer(self, status: int, values: dict[str, Any] | None) -> None:
        body = json.dumps(values).encode() if values is not None else b""
        self.send_response(status)
        if status == 429:  # noqa: PLR2004 - RFC 6585
            self.send_header("Retry-After", _RETRY_AFTER)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the journal is the record."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed are what is being tried."""


def main() -> None:
    """Serve until killed."""
    Edge.journal = Journal(Path(sys.argv[1]))
    Edge.account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    server = _Server(("127.0.0.1", 0), Edge)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
