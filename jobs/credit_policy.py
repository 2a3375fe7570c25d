"""Pure: what a job costs, and what is charged when it ends."""

from typing import Final

from jobs.states import JobState

# What a second of 854x480 (or smaller) video is multiplied with, by pixels of a frame.
_SIZE_STEPS: Final = ((854 * 480, 1), (1280 * 720, 2), (1920 * 1080, 4))
_LARGEST_STEP: Final = 8


def price(*, seconds: int, width: int, height: int, credits_per_second: int) -> int:
    """Quote a job in whole credits."""
    pixels = width * height
    step = next((factor for limit, factor in _SIZE_STEPS if pixels <= limit), _LARGEST_STEP)
    return seconds * credits_per_second * step


def charge(ended: JobState, *, reserved: int) -> int:
    """Say how many of the reserved credits an ended job costs; the rest is given back."""
    return reserved if ended is JobState.SUCCEEDED else 0
