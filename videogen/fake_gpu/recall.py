"""Reads in the journal what the process before this one knew, and what of it is still known."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from videogen.fake_gpu.generations import ENDED, Failure, Generation, Phase, Wanted
from videogen.fake_gpu.server import Server, planned_failure

_PHASES: Final = {
    "finished": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
    "canceled": Phase.CANCELED,
}


def secret(facts: Iterable[Mapping[str, Any]]) -> str:
    """Give the secret that webhooks were signed with last, or an empty text."""
    found = [str(fact.get("webhook_secret", "")) for fact in facts if fact["fact"] == "listening"]
    return found[-1] if found else ""


def everything(server: Server, facts: Iterable[Mapping[str, Any]]) -> None:
    """Restore what had ended; start or queue the rest again, in its old order."""
    for generation in _known(facts):
        server.journal.write("recalled", generation.id, phase=generation.phase)
        if generation.phase in ENDED:
            server.gpu.restore(generation)
        else:
            generation.phase, generation.started_at = Phase.QUEUED, None
            server.gpu.submit(generation)


def nothing(server: Server, facts: Iterable[Mapping[str, Any]]) -> None:
    """Write down what the process before this one took with it."""
    for generation in _known(facts):
        server.journal.write("forgotten", generation.id, phase=generation.phase)


def _known(facts: Iterable[Mapping[str, Any]]) -> list[Generation]:
    found: dict[str, Generation] = {}
    for fact in facts:
        subject, kind = str(fact.get("id", "")), fact["fact"]
        if kind == "submitted":
            found[subject] = _generation(fact)
        elif kind == "forgotten":
            found.pop(subject, None)
        elif subject in found:
            _continue(found[subject], fact)
    return list(found.values())


def _generation(fact: Mapping[str, Any]) -> Generation:
    faults = frozenset(fact["faults"])
    wanted = Wanted(
        prompt=fact["prompt"],
        model=fact["model"],
        seconds=fact["seconds"],
        frames=fact["frames"],
        fps=fact["fps"],
        size=fact["size"],
        webhook_url=fact["webhook_url"],
        webhook_events=frozenset(fact["webhook_events"]),
        # What the hosted dialects show again of a create.
        echo={"input": {}, "version": "", "seed": 0, **fact["fields"]},
    )
    return Generation(
        id=fact["id"],
        wanted=wanted,
        duration=fact["expected_seconds"],
        planned_failure=planned_failure(faults),
        faults=faults,
        created_at=fact["at"],
        bad_url=fact["bad_url"],
    )


def _continue(generation: Generation, fact: Mapping[str, Any]) -> None:
    kind = fact["fact"]
    if kind == "started" and generation.ended_at is None:
        generation.started_at, generation.phase = fact["at"], Phase.RUNNING
    if kind not in _PHASES or fact.get("unseen"):
        return
    generation.phase = _PHASES[kind]
    generation.ended_at = fact["at"]
    if kind == "failed":
        generation.failure = Failure(
            status=fact["status"], code=fact["code"], message=fact["message"]
        )
    generation.output_number = fact.get("output", generation.output_number)
