"""Redis and PostgreSQL are stopped while people and programs ask: nobody hangs, and nobody is told of a fault."""

import pytest

from proofs import paused
from tests.stack import RunningStack

# No request takes longer than 2 s with Redis stopped and 3 s with PostgreSQL stopped, which `bin/proof paused` shows
# on a machine that does nothing else. Here it is told from hanging.
_HANGS = 30.0


@pytest.mark.parametrize("program", ["valkey", "postgres"])
def test_a_stopped_server_hangs_nothing_and_is_no_fault(
    running_stack: RunningStack, program: str
) -> None:
    caller = paused.Caller(running_stack)
    try:
        caller.prepare()
        paused.until_ready(running_stack)
        with paused.paused(running_stack, program):
            found = paused.walk(caller)
        paused.until_ready(running_stack)
        after = [caller.ask_until_answered(name) for name in ("API job", "API submit")]
    finally:
        caller.close()

    assert [fault for one in found for fault in paused.faults(one, program=program)] == []
    assert [one for one in found if one.seconds > _HANGS] == []
    if program == "postgres":
        assert {one.status for one in found if one.name in {"API list", "studio"}} == {503}
    assert [one.status for one in after] == [200, 202]
