"""Lengths and sizes: what a model can paint, and which part of it is the clip that was ordered."""

import math
from dataclasses import dataclass

from jobs.backends.backend import BackendError
from jobs.failures import FailureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What a pipeline takes: one frame more than a multiple of `frame_step`, sides in multiples."""

    frame_rate: int
    frame_step: int
    side_step: int
    # None where the model has no bound of its own.
    most_frames: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """What the model is asked to paint: at least what was ordered, in frames and pixels."""

    frames: int
    width: int
    height: int


def check(*, width: int, height: int) -> None:
    """Refuse what no video can have: H.264 keeps colour for pairs of pixels. Raises BackendError."""
    if width <= 0 or height <= 0 or width % 2 or height % 2:
        raise BackendError(
            FailureKind.INVALID_REQUEST, "The sides of a video must be even numbers of pixels."
        )


def canvas(grid: Grid, *, seconds: int, width: int, height: int) -> Canvas:
    """Find the smallest canvas that holds the clip. Raises BackendError."""
    check(width=width, height=height)
    frames = math.ceil((seconds * grid.frame_rate - 1) / grid.frame_step) * grid.frame_step + 1
    if grid.most_frames is not None and frames > grid.most_frames:
        longest = grid.most_frames // grid.frame_rate
        raise BackendError(
            FailureKind.INVALID_REQUEST, f"This model makes videos of up to {longest} seconds."
        )
    return Canvas(
        frames=frames, width=_up(width, grid.side_step), height=_up(height, grid.side_step)
    )


def _up(side: int, step: int) -> int:
    return math.ceil(side / step) * step
