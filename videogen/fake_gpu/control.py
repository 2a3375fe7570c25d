"""The face for tests and demos under /_control/: faults, slots, restart, release, late, state."""

from collections import Counter
from typing import Any

from videogen.fake_gpu.faults import UnknownFault
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Server


class Control:
    """Turns the knobs of one server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def answer(self, request: Request) -> Answer:
        """Answer one request of the control face; 400 says what is wrong with it."""
        name = request.path.removeprefix("/_control/")
        if request.method == "GET" and name == "state":
            return json_answer(self._state())
        turn = {
            "faults": self._set_faults,
            "slots": self._set_slots,
            "late": self._set_late,
            "restart": self._restart,
            "release": self._release,
        }.get(name)
        if turn is None or request.method != "POST":
            return json_answer({"error": "There is no such knob."}, 404)
        try:
            turn(request.json() if request.body else {})
        except (UnknownFault, ValueError, TypeError, KeyError, AttributeError) as error:
            return json_answer({"error": str(error)}, 400)
        return json_answer(self._state())

    def _set_faults(self, wanted: dict[str, Any]) -> None:
        probabilities = {name: float(value) for name, value in wanted.items()}
        self._server.faults.set(probabilities)
        self._server.journal.write("faults", probabilities=probabilities)

    def _set_slots(self, wanted: dict[str, Any]) -> None:
        slots = int(wanted["slots"])
        self._server.journal.write("slots", slots=slots)
        self._server.gpu.resize(slots)

    def _set_late(self, wanted: dict[str, Any]) -> None:
        self._server.webhooks.late_seconds = float(wanted["seconds"])

    def _restart(self, _wanted: dict[str, Any]) -> None:
        self._server.restart()

    def _release(self, _wanted: dict[str, Any]) -> None:
        self._server.journal.write("released", count=self._server.gpu.release())

    def _state(self) -> dict[str, Any]:
        gpu = self._server.gpu
        return {
            "dialect": self._server.options.dialect,
            "node": self._server.options.node,
            "slots": gpu.slots,
            "running": sorted(one.id for one in gpu.running),
            "waiting": [one.id for one in gpu.waiting],
            "known": dict(Counter(one.phase for one in gpu.known.values())),
            "requests": self._server.tally.told(),
            "faults": self._server.faults.probabilities,
            "webhook_secret": self._server.webhook_secret,
            "late_seconds": self._server.webhooks.late_seconds,
        }
