"""Renders docs/state-machine.md from the table of moves; `--check` fails when the file has drifted."""

from argparse import ArgumentParser
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.states import HOLDING, MOVES, TERMINAL, JobState

_MEANING: Final = {
    JobState.QUEUED: "Waits in its line for a slot, or for the due time of its next attempt.",
    JobState.DISPATCHED: "Holds a slot; the backend has not yet said that generation began.",
    JobState.RUNNING: "The backend confirmed that generation began.",
    JobState.SUCCEEDED: "A video exists; it was charged once.",
    JobState.FAILED: "Ended without a video; the owner is told why. Not charged.",
    JobState.CANCELED: "Ended because its owner asked.",
    JobState.EXPIRED: "Ended because its time to start or to finish passed.",
}


class Command(BaseCommand):
    help = "Write docs/state-machine.md from jobs/states.py."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether it is current")

    def handle(self, *_: Any, check: bool, **__: Any) -> None:
        path = settings.BASE_DIR / "docs" / "state-machine.md"
        text = _document()
        if not check:
            path.write_text(text, encoding="utf-8")
            self.stdout.write(f"Wrote {path.relative_to(settings.BASE_DIR)}.")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise CommandError(
                "docs/state-machine.md is not what jobs/states.py says. "
                "Run: bin/manage render_state_machine"
            )


def _document() -> str:
    lines = [
        "# The life of a job",
        "",
        "Rendered from `jobs/states.py`; change it there. `jobs/transitions.py` makes the moves.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {JobState.QUEUED}",
    ]
    for start in JobState:
        lines += [f"    {start} --> {end}" for end in JobState if end in MOVES[start]]
    lines += [f"    {end} --> [*]" for end in JobState if end in TERMINAL]
    lines += ["```", "", "| state | meaning | holds a slot | may become |", "|---|---|---|---|"]
    for state in JobState:
        ends = ", ".join(end for end in JobState if end in MOVES[state]) or "nothing: it is final"
        holds = "yes" if state in HOLDING else "no"
        lines.append(f"| {state} | {_MEANING[state]} | {holds} | {ends} |")
    return "\n".join(lines) + "\n"
