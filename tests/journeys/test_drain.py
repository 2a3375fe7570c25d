"""A process is told to stop while it has work: what it has taken is finished, and nobody is told of a fault."""

from proofs import callers, drain
from tests.stack import RunningStack

# `bin/proof drain` does it to every process, under more load.
_PROGRAMS = ("gpu-worker", "push", "web")


def test_a_process_that_is_told_to_stop_loses_no_answer_no_job_and_no_try(
    running_stack: RunningStack,
) -> None:
    load = callers.Load(running_stack)
    with callers.loaded(load, readers=1, submitters=1):
        for program in _PROGRAMS:
            drain.terminate(running_stack, program)
    found = drain.outcomes(running_stack, load)

    assert load.faults == []
    assert drain.wrong(found, jobs=len(load.job_ids)) == []
    assert load.seen["read: 200"]
