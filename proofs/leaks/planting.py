"""Somebody who puts a word that can be found again into everything that takes one, and keeps what they were told."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.stack import RunningStack

# What each is the word of.
_KINDS: Final = (
    *("prompt", "mail", "password", "key", "token", "secret", "idempotency", "signature"),
    *("endpoint", "device", "code", "query", "body", "cookie"),
)
# What somebody calls a key or an address goes to their own pages, through Redis too.
_NAME: Final = "at home"
_TIMEOUT: Final = 30.0
_SHORTEST_CODE: Final = 6


@dataclass(slots=True)
class Words:
    """Words by what they stand for: those that were put in, and the secrets that came back."""

    put: dict[str, str] = field(
        default_factory=lambda: {kind: f"xq{secrets.token_hex(5)}{kind}" for kind in _KINDS}
    )
    told: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, kind: str) -> str:
        return self.put[kind]

    def every(self) -> dict[str, str]:
        """Give all that must be found nowhere."""
        return self.put | self.told


@dataclass(slots=True)
class Planter:
    """A person with a browser, a program and a phone."""

    stack: RunningStack
    words: Words
    hook: str
    model: str
    answers: list[httpx.Response] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)

    def sign_up(self) -> None:
        """Make an account by the page, with its code; keep what its cookies open."""
        words = self.words
        with self._browser() as browser:
            entered = {"email": self.email, "password1": self._password, "time_zone": "UTC"}
            self._post(browser, "/sign-up", entered)
            self._post(browser, "/sign-up/code", {"code": words["code"]})
            self._post(browser, "/sign-up/code", {"code": self._mailed_code()})
            words.told |= {f"cookie {name}": value for name, value in browser.cookies.items()}
            self._post(browser, "/account/keys", {"name": _NAME, "scopes": "read"})

    @property
    def email(self) -> str:
        """Name the address that they sign up with."""
        return f"{self.words['mail']}@example.com"

    @property
    def _password(self) -> str:
        return f"{self.words['password']} is long enough"

    def _mailed_code(self) -> str:
        """Give the code of the newest mail to them."""
        mails = sorted(
            (self.stack.data_dir / "mail").rglob("*"), key=lambda one: one.stat().st_mtime
        )
        texts = (one.read_text(errors="replace") for one in reversed(mails) if one.is_file())
        found = next(text for text in texts if self.email in text)
        lines = (line.strip() for line in found.splitlines())
        code = next(one for one in lines if _is_code(one))
        self.words.told["code of a mail"] = code
        return code

    def everywhere(self) -> None:
        """Send words to all that takes one, well and badly."""
        self._as_program()
        self._as_stranger()
        self._as_phone()
        self._as_page()
        self._by_socket()

    def _as_program(self) -> None:
        words, account = self.words, self.stack.account("enterprise")
        headers = {"Authorization": f"Bearer {account['api_key']}"}
        words.told["a demo account's key"] = account["api_key"]
        url = f"https://hooks.example/?token={words['token']}"
        both = {"event_types": ["video.completed", "video.failed"], "name": _NAME}
        push = {"endpoint": f"https://push.example/{words['endpoint']}"}
        keys = {"p256dh": words["key"], "auth": words["secret"]}
        with httpx.Client(base_url=self.stack.url, headers=headers, timeout=_TIMEOUT) as program:
            for model in (self.model, "preview"):
                self._submit(program, model)
            for body in (
                {"prompt": words["prompt"], "seconds": words["body"]},
                {"prompt": words["prompt"], "input_reference": words["body"]},
                {"prompt": words["prompt"], "model": "missing"},
            ):
                self._send(program, "/api/v1/jobs", body)
                self._send(program, "/v1/videos", body)
            self._send(program, "/api/v1/jobs", f'{{"prompt": "{words["prompt"]}')
            self._send(program, "/api/v1/quotes", {"prompt": words["prompt"]})
            self._send(program, "/api/v1/batches", {"prompt": words["prompt"], "count": 2})
            made = self._send(program, "/api/v1/keys", {"name": _NAME})
            self._keep(made, "key", "a new key")
            for address in (self.hook, url, f"http://[{words['token']}]/"):
                made = self._send(program, "/api/v1/webhook_endpoints", {"url": address, **both})
                self._keep(made, "signing_secret", "a webhook's secret")
            self._send(program, "/api/v1/push/subscriptions", {**push, "keys": keys})
            phone = {"platform": "ios", "token": f"{words['device']}:x", "name": _NAME}
            self._send(program, "/api/v1/devices", phone)
            self._send(program, "/api/v1/account/deletion", {"email": self.email})
            for path in (
                *(f"/api/v1/jobs?text={words['query']}", f"/api/v1/jobs?after={words['query']}"),
                *(f"/v1/videos/{words['query']}", f"/v1/models/{words['query']}"),
            ):
                self._get(program, path)

    def _submit(self, program: httpx.Client, model: str) -> None:
        words = self.words
        key = {"Idempotency-Key": f"{words['idempotency']}-{model}-{len(self.job_ids)}"}
        body = {"prompt": f"{words['prompt']} swims by night", "model": model, "seconds": 2}
        answer = self._send(program, "/api/v1/jobs", body, key)
        if answer is not None and answer.status_code == HTTPStatus.ACCEPTED:
            self.job_ids.append(answer.json()["id"])

    def watch(self, job_id: str) -> None:
        """Ask for a video in every way that leads to its address."""
        key = self.stack.account("enterprise")["api_key"]
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=self.stack.url, headers=headers, timeout=_TIMEOUT) as program:
            for path in (f"/api/v1/jobs/{job_id}", f"/v1/videos/{job_id}/content"):
                self._get(program, path)

    def _as_stranger(self) -> None:
        """Ask without a key, with a wrong one, and for what opens something by its name alone."""
        words = self.words
        with httpx.Client(base_url=self.stack.url, timeout=_TIMEOUT) as stranger:
            for path in (
                *(f"/content/{words['token']}", f"/unsubscribe/{words['token']}"),
                *(f"/jobs/{words['query']}/", f"/{words['query']}?token={words['token']}"),
                f"/api/v1/jobs?signature={words['signature']}",
            ):
                for headers in (
                    {"Authorization": f"Bearer vg_{words['key']}"},
                    {"X-Session-Token": words["token"], "Cookie": f"a={words['cookie']}"},
                    {"Host": f"{words['query']}.example"},
                ):
                    self._get(stranger, path, headers)
            for path in (f"/hooks/preview/{words['token']}", "/hooks/leaking"):
                signed = {
                    "webhook-id": words["token"],
                    "webhook-signature": f"v1,{words['secret']}",
                }
                self._send(stranger, path, f'{{"id": "{words["body"]}"}}', signed)

    def _as_phone(self) -> None:
        words, begin = self.words, "/api/v1/auth/app/v1/"
        known = {"email": self.email, "password": self._password}
        with httpx.Client(base_url=self.stack.url, timeout=_TIMEOUT) as phone:
            for path, body in (
                ("auth/login", {"email": self.email, "password": words["password"]}),
                ("auth/signup", {"email": f"2{self.email}", "password": self._password}),
                ("auth/email/verify", {"key": words["code"]}),
                ("auth/password/request", {"email": self.email}),
                ("auth/password/reset", {"key": words["code"], "password": self._password}),
                ("auth/2fa/authenticate", {"code": words["code"]}),
            ):
                self._send(phone, begin + path, body)
            answer = self._send(phone, f"{begin}auth/login", known)
            if answer is None or answer.status_code != HTTPStatus.OK:
                return
            token = answer.json()["meta"]["session_token"]
            self.words.told["an app's session"] = token
            headers = {"X-Session-Token": token}
            confirmed = {"password": self._password}
            self._send(phone, f"{begin}auth/reauthenticate", confirmed, headers)
            offered = phone.get(f"{begin}account/authenticators/totp", headers=headers)
            if offered.status_code == HTTPStatus.NOT_FOUND:
                self.words.told["a second factor's secret"] = offered.json()["meta"]["secret"]

    def _as_page(self) -> None:
        words = self.words
        with self._browser() as browser:
            wrong = {"username": self.email, "password": words["password"]}
            self._post(browser, "/sign-in", wrong)
            self._post(browser, "/password/forgotten", {"email": self.email})
            right = {"username": self.email, "password": self._password}
            self._post(browser, "/sign-in", right)
            words.told |= {f"cookie {name}": one for name, one in browser.cookies.items()}
            for path, entered in (
                ("/", {"prompt": words["prompt"], "model": "preview"}),
                ("/account/keys", {"name": _NAME, "scopes": "read", "do": "make"}),
                ("/account/webhooks", {"url": f"{self.hook}&more={words['token']}"}),
                ("/account/password", {"oldpassword": words["password"], "password1": "x"}),
                ("/account/email", {"email": f"3{self.email}", "action_add": ""}),
            ):
                self._post(browser, path, entered)
            self._get(browser, f"/history?q={words['query']}")

    def _by_socket(self) -> None:
        words = self.words
        address = str(self.stack.demo["push_url"]).replace("http", "ws", 1) + "/ws/feed"
        for headers in (
            {"Authorization": f"Bearer {self.stack.account('enterprise')['api_key']}"},
            {"Authorization": f"Bearer vg_{words['key']}"},
            {"Origin": f"https://{words['query']}.example", "Cookie": f"a={words['cookie']}"},
        ):
            with (
                suppress(OSError, WebSocketException),
                connect(f"{address}?token={words['token']}", additional_headers=headers) as line,
            ):
                line.send(f'{{"type": "{words["body"]}"}}')
                line.recv(timeout=5)

    def _browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.stack.url, timeout=_TIMEOUT, follow_redirects=True)

    def _post(self, browser: httpx.Client, path: str, entered: dict[str, str]) -> None:
        """Send a form as its page does. A page says again what was entered: that is no leak."""
        token = browser.cookies.get("videogen_csrf", "")
        sent = {**entered, "csrfmiddlewaretoken": token}
        if not token:
            page = browser.get(path)
            _, _, rest = page.text.partition('name="csrfmiddlewaretoken" value="')
            sent["csrfmiddlewaretoken"] = rest.partition('"')[0]
        answer = browser.post(path, data=sent, headers={"Referer": self.stack.url + path})
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.answers.append(answer)

    def _get(
        self, caller: httpx.Client, path: str, headers: dict[str, str] | None = None
    ) -> httpx.Response | None:
        return self._keep_answer(partial(caller.get, path, headers=headers))

    def _send(
        self, caller: httpx.Client, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> httpx.Response | None:
        if isinstance(body, str):
            kind = {"Content-Type": "application/json", **(headers or {})}
            return self._keep_answer(partial(caller.post, path, content=body, headers=kind))
        return self._keep_answer(partial(caller.post, path, json=body, headers=headers))

    def _keep_answer(self, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
        try:
            answer = ask()
        except httpx.TransportError:
            return None
        if answer.is_error:
            self.answers.append(answer)
        return answer

    def _keep(self, answer: httpx.Response | None, name: str, what: str) -> None:
        if answer is not None and answer.status_code == HTTPStatus.CREATED:
            self.words.told[f"{what} {len(self.words.told)}"] = answer.json()[name]


def _is_code(line: str) -> bool:
    bare = line.replace("-", "")
    return len(bare) >= _SHORTEST_CODE and bare.isalnum() and bare == bare.upper()
