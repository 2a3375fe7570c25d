"""The built-in preview backend: a renderer process per attempt, at the lowest priority."""

import base64
import json
import queue
import subprocess
import sys
import threading
from typing import Any, Final, Self

from django.conf import settings

from jobs.backends import local_files
from jobs.backends.backend import (
    BackendError,
    Control,
    Health,
    Order,
    Sighting,
    Site,
    Stopped,
    Video,
)
from jobs.backends.capabilities import Capabilities
from jobs.failures import FailureKind

# How often a silent renderer is checked for a wish to stop, seconds.
_ATTENTION: Final = 0.25
# A renderer that was asked to stop is killed after so many seconds.
_PATIENCE: Final = 3.0

_FAILURES: Final = {
    "invalid_size": FailureKind.INVALID_REQUEST,
    "invalid_seconds": FailureKind.INVALID_REQUEST,
    "invalid_request": FailureKind.INVALID_REQUEST,
}


class PreviewBackend:
    """Renders a labelled procedural clip into a local folder. It is not a model."""

    capabilities = Capabilities(runs_in_worker=True, image_input="image", can_remix=True)

    def generate(self, order: Order, control: Control) -> Video:
        """Run the renderer and follow its words. Raises BackendError or Stopped."""
        place = local_files.place(order)
        local_files.make_room()
        request: dict[str, Any] = {
            "prompt": order.prompt,
            "seed": order.seed,
            "seconds": order.seconds,
            "width": order.width,
            "height": order.height,
            "output": str(place.clip),
            "thumbnail": str(place.still),
        }
        if order.image is not None:
            request["image"] = base64.b64encode(order.image.content).decode()
        if order.source is not None:
            request["scene"] = {"prompt": order.source.prompt, "seed": order.source.seed}
        with _Renderer(request) as renderer:
            self._follow(renderer, control)
        return local_files.video(order)

    def look(self, order: Order) -> Sighting:
        """Find the finished clip. A renderer never outlives its worker, so there is no other trace."""
        return local_files.look(order)

    def health(self, site: Site) -> Health:
        """Say that it can work: it is here."""
        return Health(models=("preview",))

    def _follow(self, renderer: "_Renderer", control: Control) -> None:
        while True:
            if reason := control.stop_reason():
                renderer.stop()
                raise Stopped(reason)
            message = renderer.next_message()
            match message.get("event"):
                case "started":
                    control.began()
                case "progress":
                    control.progressed(int(message["percent"]))
                case "done":
                    return
                case "failed":
                    raise BackendError(
                        _FAILURES.get(message.get("code", ""), FailureKind.BACKEND_ERROR),
                        str(message.get("message", "The preview renderer failed.")),
                    )
                case "ended":
                    raise BackendError(
                        FailureKind.BACKEND_ERROR, "The preview renderer ended without a video."
                    )
                case _:
                    continue


class _Renderer:
    """The renderer's process; leaving the block ends it, however the block is left."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jobs.backends.preview.renderer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=settings.BASE_DIR,
        )
        if self._process.stdin:
            self._process.stdin.write(json.dumps(self._request) + "\n")
            self._process.stdin.flush()
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def next_message(self) -> dict[str, Any]:
        """Give the renderer's next word, or an empty one when it was silent for a moment."""
        try:
            return self._messages.get(timeout=_ATTENTION)
        except queue.Empty:
            return {}

    def stop(self) -> None:
        """End the process, gently first. Confirmed when this returns."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            try:
                self._messages.put(json.loads(line))
            except ValueError:
                continue
        self._messages.put({"event": "ended"})
