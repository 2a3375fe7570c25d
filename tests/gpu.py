"""A reference GPU server as a process of its own, for tests of whatever talks to one."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from videogen.fake_gpu import journal

_ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 15.0


class FakeGpu:
    """One server; `with FakeGpu(dialect="vllm_omni", slots=2, fault={"hang": 1}) as gpu:`.

    Every option of `python -m videogen.fake_gpu` is a keyword argument, with underscores.
    """

    def __init__(self, *, dialect: str, **options: Any) -> None:
        self.url = ""
        self._folder = Path(tempfile.mkdtemp(prefix="fake-gpu-"))
        self.journal_path = Path(options.pop("journal", self._folder / "journal.jsonl"))
        self._ready = self._folder / "ready"
        self._arguments = [f"--dialect={dialect}", f"--journal={self.journal_path}"]
        for name, probability in options.pop("fault", {}).items():
            self._arguments.append(f"--fault={name}={probability}")
        for name, value in options.items():
            option = f"--{name.replace('_', '-')}"
            self._arguments.append(option if value is True else f"{option}={value}")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process, at the address it had before, and wait until it listens."""
        self._ready.unlink(missing_ok=True)
        port = urlsplit(self.url).port or 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "videogen.fake_gpu", *self._arguments]
            + ([] if "--port" in " ".join(self._arguments) else [f"--port={port}"])
            + [f"--ready-file={self._ready}"],
            cwd=_ROOT,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _PATIENCE
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The reference GPU server did not start.")
            time.sleep(0.02)
        self.url = self._ready.read_text()

    def stop(self) -> None:
        """End the process politely."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self.kill()

    def kill(self) -> None:
        """End the process as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Let the server lose what a restart of its dialect loses; the process goes on."""
        self.control("restart")

    def fault(self, name: str, probability: float = 1.0) -> None:
        """Let a fault strike with this probability from now on."""
        self.control("faults", {name: probability})

    def release(self) -> None:
        """Let hanging generations go on."""
        self.control("release")

    def slots(self, count: int) -> None:
        """Change the number of slots."""
        self.control("slots", {"slots": count})

    def state(self) -> dict[str, Any]:
        """Give what the server knows of itself."""
        _, found = self.ask("GET", "/_control/state")
        return dict(found)

    def control(self, knob: str, data: dict[str, Any] | None = None) -> None:
        """Turn a knob. Raises RuntimeError if it is refused."""
        status, found = self.ask("POST", f"/_control/{knob}", data or {})
        if status != 200:
            raise RuntimeError(f"{knob}: {found}")

    def journal(self, fact: str = "", subject: str = "") -> list[dict[str, Any]]:
        """Give the facts so far: all, of one kind, of one generation."""
        return [
            line
            for line in journal.read(self.journal_path)
            if fact in {"", line["fact"]} and subject in {"", line.get("id")}
        ]

    def wait_for(
        self, fact: str, subject: str = "", *, count: int = 1, patience: float = 10.0
    ) -> dict[str, Any]:
        """Wait until the journal has a fact so many times, and give the last."""
        deadline = time.monotonic() + patience
        while len(found := self.journal(fact, subject)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"No {fact} of {subject or 'anything'}: {self.journal()}")
            time.sleep(0.02)
        return found[-1]

    def ask(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        form: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        patience: float = 10.0,
    ) -> tuple[int, Any]:
        """Send JSON or a form; give the status and the body, as JSON where it is JSON."""
        sent = dict(headers or {})
        body = None
        if form is not None:
            body, sent["Content-Type"] = _multipart(form)
        elif data is not None:
            body, sent["Content-Type"] = json.dumps(data).encode(), "application/json"
        url = path if path.startswith("http") else self.url + path
        request = Request(url, data=body, headers=sent, method=method)
        try:
            with urlopen(request, timeout=patience) as answer:
                return answer.status, _read(answer.read())
        except HTTPError as refusal:
            with refusal:
                return refusal.code, _read(refusal.read())


def _multipart(form: dict[str, Any]) -> tuple[bytes, str]:
    boundary = "fake-gpu-boundary"
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.items()
    )
    return f"{parts}--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
