"""What every demonstration needs: the running stack's addresses and keys, HTTP, plain words, checks."""

import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BEGAN = time.monotonic()
_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Checks:
    """What the demonstration promised, and whether it held."""

    failed: list[str] = field(default_factory=list)

    def that(self, sentence: str, *, found: object, expected: object) -> None:
        """Print a figure beside what it must be."""
        held = found == expected
        mark = "ok " if held else "NOT"
        print(f"  {mark} {sentence}: {found}" + ("" if held else f" (must be {expected})"))
        if not held:
            self.failed.append(sentence)

    def end(self) -> int:
        """Say how it went; gives the exit status."""
        print(
            f"\nNot as promised: {'; '.join(self.failed)}." if self.failed else "\nEverything held."
        )
        return bool(self.failed)


def demo() -> dict[str, Any]:
    """Read the running stack's addresses and demo accounts. Exits with a sentence when there is none."""
    root = Path(__file__).resolve().parent.parent
    path = Path(os.environ.get("DATA_DIR") or root / ".data") / "demo.json"
    if not path.exists():
        raise SystemExit(
            "The demonstrations use the demo accounts of bin/dev. Start it in another terminal first."
        )
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def account(tier: str) -> dict[str, str]:
    """Give the demo account of a tier: email, password, api_key."""
    found: dict[str, str] = next(a for a in demo()["accounts"] if a["tier"] == tier)
    return found


def call(
    url: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    method: str | None = None,
) -> Answer:
    """Send one request, with its own connection."""
    request = urllib.request.Request(  # noqa: S310 - the stack's own address
        url, data=body, headers=headers or {}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - as above
            return Answer(
                status=answer.status, body=answer.read(), headers=dict(answer.headers.items())
            )
    except urllib.error.HTTPError as error:
        with error:
            return Answer(status=error.code, body=error.read(), headers=dict(error.headers.items()))


def api(tier: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
    """Call the native API as the demo account of a tier."""
    return api_as(account(tier)["api_key"], path, body, headers)


def api_as(
    api_key: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> Answer:
    """Call the native API with a key."""
    found = {"Authorization": f"Bearer {api_key}", **(headers or {})}
    if body is not None:
        found["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    return call(f"{demo()['url']}/api/v1/{path}", body=data, headers=found)


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"  {time.monotonic() - _BEGAN:6.1f} s  {text}", flush=True)
