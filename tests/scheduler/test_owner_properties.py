"""What owners of one line keep of each other, whatever one of them does."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scheduler.toys import NO_LIMITS, pool, toy

PLENTY = settings(max_examples=60, deadline=None)


@PLENTY
@given(
    idle=st.floats(60.0, 600.0),
    runs=st.lists(st.floats(5.0, 60.0), min_size=8, max_size=8),
    limit=st.sampled_from([None, 1, 2]),
)
def test_an_owner_who_was_idle_or_held_back_saved_up_nothing(
    idle: float, runs: list[float], limit: int | None
) -> None:
    # One longest run.
    assert _longest_gap(idle, runs, limit) <= _longest_gap(0.0, runs, limit) + 60.0


def _longest_gap(idle: float, runs: list[float], limit: int | None) -> float:
    """Give the longest time without a start of one owner, from when another floods."""
    play = toy(pool(slots=3), tiers={"pro": replace(NO_LIMITS["pro"], running_limit=limit)})
    for run in runs * 12:
        play.submit(1, run=run)
    play.submit(2, run=runs[0])
    last, longest, is_flooded = 0.0, 0.0, False
    while any(job.call.owner == 1 for job in play.waiting):
        if play.now >= idle and not is_flooded:
            is_flooded, last = True, play.now
            for run in runs * 4:
                play.submit(2, run=run)
        for job in play.grant():
            if job.call.owner == 1:
                longest = max(longest, play.now - last) if is_flooded else 0.0
                last = play.now
        play.finish_next()
    return longest


@PLENTY
@given(depth=st.integers(1, 90), newcomers=st.integers(1, 6))
def test_a_whale_whose_jobs_are_all_overdue_takes_at_most_every_second_grant(
    depth: int, newcomers: int
) -> None:
    play = toy(pool(slots=1))
    for _ in range(depth):
        play.submit(1, run=10.0)
    play.now = 10_000.0
    for owner in range(2, 2 + newcomers):
        play.submit(owner, run=10.0)
    order = []
    while play.waiting:
        order += [job.call.owner for job in play.grant()]
        play.finish_next()

    last = max(place for place, owner in enumerate(order) if owner != 1)
    assert last <= 2 * newcomers
