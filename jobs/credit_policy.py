"""Pure: what a job costs, what a cancel costs at each stage, and what is charged at the end."""

from typing import Final

from jobs.states import JobState

# What a second of 854x480 (or smaller) video is multiplied with, by pixels of a frame.
_SIZE_STEPS: Final = ((854 * 480, 1), (1280 * 720, 2), (1920 * 1080, 4))
_LARGEST_STEP: Final = 8
# Share of the price that a cancel costs once the backend generates, percent. One figure, so that what
# was quoted before the press is what is charged after it.
_RUNNING_CANCEL_PERCENT: Final = 40


def rate(*, width: int, height: int, credits_per_second: int) -> int:
    """Give the credits for one second of video of this frame size (pixels)."""
    pixels = width * height
    step = next((factor for limit, factor in _SIZE_STEPS if pixels <= limit), _LARGEST_STEP)
    return credits_per_second * step


def price(*, seconds: int, width: int, height: int, credits_per_second: int) -> int:
    """Quote a job in whole credits."""
    return seconds * rate(width=width, height=height, credits_per_second=credits_per_second)


def cancel_fee(state: JobState, *, reserved: int) -> int:
    """Say what a cancel costs that is asked for in this state, in credits, rounded half up.

    Nothing while the job waits or starts; a share of the price once a GPU works on it.
    """
    if state is not JobState.RUNNING:
        return 0
    return (reserved * _RUNNING_CANCEL_PERCENT + 50) // 100


def charge(ended: JobState, *, reserved: int, cancel_fee: int) -> int:
    """Say how many of the reserved credits an ended job costs; the rest is given back."""
    if ended is JobState.SUCCEEDED:
        return reserved
    return min(cancel_fee, reserved) if ended is JobState.CANCELED else 0
