"""When an asynchronous attempt is asked after next. Pure; seconds everywhere."""

from typing import Final

# Questions come at most so often, and at least so often, about one attempt.
SHORTEST: Final = 1.0
LONGEST: Final = 15.0
# Before this share of the expected time little happens; a failure is then learned a little later.
_QUIET_SHARE: Final = 0.5
# How much of what is left may pass before the next question, and of the time over the expected one.
_SHARE_OF_REST: Final = 0.25
_SHARE_OF_EXCESS: Final = 0.1


def next_question(*, ran_for: float, expected: float) -> float:
    """Say in how many seconds to ask again, by how long it ran and how long such videos take.

    Seldom in the first half, closer and closer towards the expected end, then seldomer again.
    """
    rest = expected - ran_for
    if rest <= 0:
        wait = _SHARE_OF_EXCESS * -rest
    elif ran_for < _QUIET_SHARE * expected:
        wait = min(_QUIET_SHARE * expected - ran_for, LONGEST)
    else:
        wait = _SHARE_OF_REST * rest
    return min(max(wait, SHORTEST), LONGEST)
