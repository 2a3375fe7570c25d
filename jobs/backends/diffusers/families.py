"""What each family of pipelines wants, beyond what a pipeline says of itself.

Frame rates are those that the models were trained at, from the model cards and the pipelines' pages at
https://huggingface.co/docs/diffusers/api/pipelines/overview; steps are read off the loaded parts.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

from jobs.backends.diffusers.shapes import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Pipelines of one class."""

    frame_rate: int
    # The class refuses sides that are not multiples of this.
    side_step: int
    # The decoder shows banding or black in half precision.
    has_precise_vae: bool = False


FAMILIES: Final = {
    "WanPipeline": Family(frame_rate=16, side_step=16, has_precise_vae=True),
    "LTXPipeline": Family(frame_rate=25, side_step=32),
    "HunyuanVideoPipeline": Family(frame_rate=24, side_step=16),
    "CogVideoXPipeline": Family(frame_rate=8, side_step=8),
    "MochiPipeline": Family(frame_rate=30, side_step=8),
    "AnimateDiffPipeline": Family(frame_rate=8, side_step=8),
}

# One fact, three spellings among the classes.
_SPATIAL: Final = (
    "vae_scale_factor_spatial",
    "vae_spatial_compression_ratio",
    "vae_spatial_scale_factor",
    "vae_scale_factor",
)
_TEMPORAL: Final = (
    "vae_scale_factor_temporal",
    "vae_temporal_compression_ratio",
    "vae_temporal_scale_factor",
)


def grid_of(pipe: Any, family: Family, *, frame_rate: int | None) -> Grid:
    """Read what a loaded pipeline takes; `frame_rate` is the operator's, where he gave one."""
    denoiser = getattr(pipe, "transformer", None)
    config = getattr(denoiser, "config", None)
    patch = getattr(config, "patch_size", None) or 1
    across = patch if isinstance(patch, int) else patch[-1]
    adapter = getattr(pipe, "motion_adapter", None)
    return Grid(
        frame_rate=frame_rate or _frame_rate(pipe, family),
        frame_step=_first(pipe, _TEMPORAL, 1),
        side_step=math.lcm(family.side_step, _first(pipe, _SPATIAL, 8) * across),
        most_frames=adapter.config.motion_max_seq_length if adapter is not None else None,
    )


def _frame_rate(pipe: Any, family: Family) -> int:
    # Wan 2.2's small model and CogVideoX 1.5 share their classes with slower ones.
    if getattr(pipe.config, "expand_timesteps", False):
        return 24
    if type(pipe).__name__ == "CogVideoXPipeline" and pipe.transformer.config.patch_size_t:
        return 16
    return family.frame_rate


def _first(pipe: Any, names: tuple[str, ...], default: int) -> int:
    return next((int(getattr(pipe, name)) for name in names if hasattr(pipe, name)), default)
