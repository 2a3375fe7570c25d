"""The gate in the middle of a move, and moves without the guards that make them safe."""

import pytest

from jobs import locks, moves, transitions
from jobs.models import Job
from tests.races.at_once import Gate

_VERSION = " and job.version = given.version"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Give a gate between the checks of a move and its write."""
    gate = Gate()
    for write in ("_apply", "_request_cancel"):
        monkeypatch.setattr(transitions, write, gate.before(getattr(transitions, write)))
    return gate


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moves read the account, the lanes and the job without locking them."""
    unlocked = locks._LOCK_OWNER.replace("for no key update", "")
    monkeypatch.setattr(locks, "_LOCK_OWNER", unlocked)
    monkeypatch.setattr(locks, "job", lambda job_id: Job.objects.get(id=job_id))


@pytest.fixture
def without_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moves write over a version that they have not read."""
    assert _VERSION in moves.APPLY
    monkeypatch.setattr(moves, "APPLY", moves.APPLY.replace(_VERSION, ""))
