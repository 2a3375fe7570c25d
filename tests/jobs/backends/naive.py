"""The driver that one writes in an afternoon: it believes every word, and sends again what was not answered."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from jobs.ids import new_id
from tests.gpu import FakeGpu
from tests.jobs.backends.video_servers import KEY, SECRET

LARGEST_SANE = 8 * 2**20
SMALLEST_CLIP = 1000
_WORDS = {word: word for word in ("queued", "in_progress", "completed", "failed")}


class Naive:
    """Speaks to one server, about one prompt of its own."""

    def __init__(self, gpu: FakeGpu, *, seconds: int = 4, patience: float = 2) -> None:
        self.prompt = f"A naive wish, {new_id()}"
        self._seconds = seconds
        self._http = httpx.Client(
            base_url=gpu.url,
            headers={"Authorization": f"Bearer {KEY}"},
            trust_env=False,
            timeout=patience,
        )

    def submit(self) -> str:
        """Send the wish, and once more what was not answered; "" when nothing came of it."""
        form = {"prompt": (None, self.prompt), "seconds": (None, str(self._seconds))}
        for _ in range(2):
            try:
                return str(self._http.post("/v1/videos", files=form).json()["id"])
            except (httpx.TransportError, KeyError):
                continue
        return ""

    def predict(self, webhook: str) -> str:
        """Send the wish to a hosted service."""
        body = {"input": {"prompt": self.prompt}, "webhook": webhook}
        answer = self._http.post("/v1/models/owner/name/predictions", json=body)
        return str(answer.json()["id"])

    def output(self, job: str) -> str:
        """Give the address that a hosted service's prediction names."""
        return str(self._http.get(f"/v1/predictions/{job}").json()["output"][0])

    def job(self, job: str) -> Mapping[str, Any]:
        """Ask, and believe what comes if it says that it is JSON."""
        answer = self._http.get(f"/v1/videos/{job}")
        answer.raise_for_status()
        if "json" not in answer.headers["content-type"]:
            raise TypeError(answer.headers["content-type"])
        found: dict[str, Any] = answer.json()
        return found

    def look(self, job: str) -> tuple[str, int]:
        """Give the state and the percentage."""
        found = self.job(job)
        return _WORDS[found["status"]], int(found["progress"])

    def seconds_left(self, job: str, ran_for: float) -> float:
        """Reckon from the percentage."""
        _, percent = self.look(job)
        return ran_for * (100 - percent) / percent

    def insists(self, job: str) -> str:
        """Send the wish again when a question about the job breaks."""
        try:
            self.look(job)
        except (httpx.HTTPError, KeyError):
            return self.submit()
        return job

    def waits(self, job: str, seconds: float) -> None:
        """Look until there is an end. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.look(job)[0] in {"queued", "in_progress"}:
            if time.monotonic() > deadline:
                raise TimeoutError(job)
            time.sleep(0.01)

    def cancel(self, job: str) -> bool:
        """Ask to stop, and take a confirmation for the end."""
        return self._http.delete(f"/v1/videos/{job}").is_success

    def size_of(self, path: str, *, most: int = LARGEST_SANE) -> int:
        """Read as long as something comes."""
        read = 0
        with self._http.stream("GET", path) as answer:
            for piece in answer.iter_raw():
                read += len(piece)
                if read > most:
                    break
        return read

    def status_of(self, path: str) -> int:
        """Open an address."""
        return self._http.get(path).status_code

    def is_there(self) -> bool:
        """Take any answer for health."""
        return bool(self._http.get("/health").status_code)


def host(url: str) -> str:
    """Give the place of an address."""
    return urlsplit(url).netloc


def is_signed(headers: Mapping[str, str], body: bytes) -> bool:
    """Verify a webhook without looking at its time."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}" == headers["webhook-signature"]
