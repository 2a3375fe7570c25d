"""What an order asks of a diffusers pipeline: its canvas, its grid, its weights. Nothing is loaded."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.backends.backend import BackendError, Site
from jobs.backends.diffusers import families, shapes, weights

WAN = shapes.Grid(frame_rate=16, frame_step=4, side_step=16)
LTX = shapes.Grid(frame_rate=25, frame_step=8, side_step=32)
MOCHI = shapes.Grid(frame_rate=30, frame_step=6, side_step=16)

# What the published weights' pipelines say of themselves.
_WAN_22 = {
    "vae_scale_factor_temporal": 4,
    "vae_scale_factor_spatial": 16,
    "expand_timesteps": True,
}
_LTX = {"vae_temporal_compression_ratio": 8, "vae_spatial_compression_ratio": 32}
_HUNYUAN = {"vae_scale_factor_temporal": 4, "vae_scale_factor_spatial": 8}
_MOCHI = {"vae_temporal_scale_factor": 6, "vae_spatial_scale_factor": 8}


@pytest.mark.parametrize(
    ("grid", "seconds", "size", "frames", "canvas"),
    [
        (WAN, 5, (832, 480), 81, (832, 480)),
        (WAN, 4, (854, 480), 65, (864, 480)),
        (LTX, 5, (854, 480), 129, (864, 480)),
        (LTX, 1, (1280, 720), 25, (1280, 736)),
        (MOCHI, 1, (848, 480), 31, (848, 480)),
    ],
)
def test_a_canvas_is_the_smallest_that_holds_the_clip(
    grid: shapes.Grid,
    seconds: int,
    size: tuple[int, int],
    frames: int,
    canvas: tuple[int, int],
) -> None:
    found = shapes.canvas(grid, seconds=seconds, width=size[0], height=size[1])

    assert (found.frames, found.width, found.height) == (frames, *canvas)
    assert (found.frames - 1) % grid.frame_step == 0
    assert found.frames >= seconds * grid.frame_rate


@pytest.mark.parametrize(
    ("name", "said", "patch", "grid"),
    [
        ("WanPipeline", {"vae_scale_factor_temporal": 4}, (1, 2, 2), (16, 4, 16)),
        ("WanPipeline", _WAN_22, (1, 2, 2), (24, 4, 32)),
        ("LTXPipeline", _LTX, 1, (25, 8, 32)),
        ("HunyuanVideoPipeline", _HUNYUAN, 2, (24, 4, 16)),
        ("CogVideoXPipeline", _HUNYUAN, 2, (8, 4, 16)),
        ("MochiPipeline", _MOCHI, 2, (30, 6, 16)),
    ],
)
def test_a_grid_is_read_off_the_pipeline(
    name: str, said: dict[str, Any], patch: Any, grid: tuple[int, int, int]
) -> None:
    config = SimpleNamespace(expand_timesteps=said.get("expand_timesteps", False))
    parts = SimpleNamespace(config=SimpleNamespace(patch_size=patch, patch_size_t=None))
    pipe = type(name, (), {**said, "config": config, "transformer": parts})()

    found = families.grid_of(pipe, families.FAMILIES[name], frame_rate=None)

    assert (found.frame_rate, found.frame_step, found.side_step) == grid
    assert families.grid_of(pipe, families.FAMILIES[name], frame_rate=12).frame_rate == 12


def test_a_pool_names_its_weights_by_folder_path_or_hub_id(settings: Any, tmp_path: Path) -> None:
    settings.WEIGHTS_ROOT = tmp_path
    for name in ("tiny", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_index.json").write_text("{}")

    def named(profile: str = "", url: str = "") -> str:
        site = Site(pool="gpus", driver="diffusers", profile=profile, url=url)
        return weights.weights_of(site, "tiny")

    folder = str(tmp_path / "tiny")
    assert named("tiny") == named(folder) == named() == folder
    assert named("other") == str(tmp_path / "other")
    assert named("Wan-AI/Wan2.1-T2V-1.3B-Diffusers") == "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
    assert (
        named(url="https://huggingface.co/Wan-AI/Wan2.2-T2V-A14B-Diffusers/")
        == "Wan-AI/Wan2.2-T2V-A14B-Diffusers"
    )
    for wrong in ("missing", "/missing/folder", "https://elsewhere.example/a/b"):
        with pytest.raises(BackendError, match="model_index"):
            named(wrong)
