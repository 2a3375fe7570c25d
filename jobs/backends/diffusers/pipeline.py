"""A diffusers pipeline on one device. Importing this module imports torch and diffusers.

Torch gives the interpreter's lock back while kernels run and while tensors are copied; it holds it while its
libraries are loaded and while Python builds a model's modules, for some tenths of a second at a time. The
lease is renewed by another thread, so what matters is that no such hold nears a third of a lease.
"""

import inspect
import json
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
import transformers

from jobs.backends.backend import BackendError, Order
from jobs.backends.diffusers.families import FAMILIES, Family, grid_of
from jobs.backends.diffusers.run import Film, Run
from jobs.backends.diffusers.shapes import canvas
from jobs.failures import FailureKind

# Call arguments for these weights, and their frame rate, where the operator wrote some beside them.
_SETTINGS_FILE: Final = "videogen.json"
# Arguments that an order decides.
_OURS: Final = frozenset(
    {"prompt", "height", "width", "num_frames", "generator", "output_type", "callback_on_step_end"}
)
_DENOISERS: Final = ("transformer", "transformer_2", "unet")
# Of a GPU's free memory the weights may take so much; more of them wait in main memory for their turn.
_WEIGHTS_SHARE: Final = 0.7

# Bars for a terminal that nobody watches.
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.disable_progress_bar()


class Pipeline:
    """Weights that were loaded, and how to ask them for a video."""

    def __init__(self, weights: str, device: str) -> None:
        self.weights = weights
        self._run: Run | None = None
        self._has_begun = False
        name, family = _family_of(weights)
        settings = _settings_of(weights)
        self._pipe = _load(name, family, weights)
        self._arguments = _arguments(self._pipe, settings)
        _place(self._pipe, device)
        self._grid = grid_of(self._pipe, family, frame_rate=settings.get("frame_rate"))
        self._listen()

    def film(self, order: Order, run: Run) -> Film:
        """Generate one video. Raises BackendError or Interrupted, and whatever the model raises."""
        grid = self._grid
        asked = canvas(grid, seconds=order.seconds, width=order.width, height=order.height)
        # The processor's dice fall alike for every device; without a seed they must be thrown anew, for
        # torch starts every process from the same one.
        dice = torch.Generator()
        if order.seed is None:
            dice.seed()
        else:
            dice.manual_seed(order.seed)
        self._run, self._has_begun = run, False
        try:
            made = self._pipe(
                prompt=order.prompt,
                width=asked.width,
                height=asked.height,
                num_frames=asked.frames,
                generator=dice,
                output_type="pt",
                callback_on_step_end=self._on_step_end,
                **self._arguments,
            )
        finally:
            self._run = None
        run.check()
        frames = made.frames[0][: order.seconds * grid.frame_rate]
        return Film(pictures=_pictures(frames, order, run), frame_rate=grid.frame_rate)

    def rest(self) -> None:
        """Put the parts back to where they wait, after a generation that did not reach its end."""
        self._pipe.maybe_free_model_hooks()

    def _listen(self) -> None:
        # A step of a large model takes most of a minute: a stop is looked for before each of its blocks,
        # and those of the text encoder and the decoder too.
        for part in self._pipe.components.values():
            if isinstance(part, torch.nn.Module):
                for module in part.modules():
                    if isinstance(module, torch.nn.ModuleList):
                        for block in module:
                            block.register_forward_pre_hook(self._on_block)
        for name in _DENOISERS:
            if (denoiser := getattr(self._pipe, name, None)) is not None:
                denoiser.register_forward_pre_hook(self._on_denoiser)

    def _on_block(self, *_: Any) -> None:
        if self._run is not None:
            self._run.check()

    def _on_denoiser(self, *_: Any) -> None:
        if self._run is not None and not self._has_begun:
            self._has_begun = True
            self._run.began()

    def _on_step_end(self, pipe: Any, step: int, _: Any, values: dict[str, Any]) -> dict[str, Any]:
        if self._run is not None:
            self._run.progressed((step + 1) * 100 // pipe.num_timesteps)
            # https://huggingface.co/docs/diffusers/using-diffusers/callback: the loop skips what is left.
            pipe._interrupt = not self._run.is_wanted  # noqa: SLF001 - as documented there
        return values


def devices() -> list[str]:
    """Name the devices of this process."""
    if torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["mps"] if torch.backends.mps.is_available() else ["cpu"]


def empty_cache(device: str) -> None:
    """Wait until a device does nothing, and give its unused memory back."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.synchronize()
        torch.mps.empty_cache()


def _family_of(weights: str) -> tuple[str, Family]:
    name = str(diffusers.DiffusionPipeline.load_config(weights).get("_class_name"))
    if name not in FAMILIES:
        raise BackendError(
            FailureKind.BACKEND_UNAVAILABLE,
            "The weights on this server are not of a model that makes videos from words.",
            detail=f"{weights} is a {name}; known: {', '.join(FAMILIES)}.",
        )
    return name, FAMILIES[name]


def _load(name: str, family: Family, weights: str) -> Any:
    pipe = getattr(diffusers, name).from_pretrained(
        weights,
        dtype={
            "default": _precision(),
            **({"vae": torch.float32} if family.has_precise_vae else {}),
        },
        # Pickled weights run code when they are opened.
        use_safetensors=True,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _precision() -> torch.dtype:
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if torch.backends.mps.is_available() else torch.float32


def _place(pipe: Any, device: str) -> None:
    if device.startswith("cuda"):
        size = sum(
            tensor.numel() * tensor.element_size()
            for part in pipe.components.values()
            if isinstance(part, torch.nn.Module)
            for tensor in part.parameters()
        )
        free, _ = torch.cuda.mem_get_info(device)
        if size > free * _WEIGHTS_SHARE:
            pipe.enable_model_cpu_offload(device=device)
            pipe.vae.enable_tiling()
            return
    pipe.to(device)


def _settings_of(weights: str) -> dict[str, Any]:
    path = Path(weights) / _SETTINGS_FILE
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if not isinstance(found.get("frame_rate", 1), int):
        raise TypeError(f"The frame_rate in {_SETTINGS_FILE} is not a whole number.")
    return found


def _arguments(pipe: Any, settings: dict[str, Any]) -> dict[str, Any]:
    known = set(inspect.signature(pipe.__call__).parameters)
    if wrong := (set(settings) - known - {"frame_rate"}) | (set(settings) & _OURS):
        raise ValueError(f"{_SETTINGS_FILE} cannot set {', '.join(sorted(wrong))}.")
    return {name: value for name, value in settings.items() if name in known}


def _pictures(frames: Any, order: Order, run: Run) -> list[Any]:
    """Cut the ordered size out of the middle, and move it off the device frame by frame."""
    down = (frames.shape[-2] - order.height) // 2
    across = (frames.shape[-1] - order.width) // 2
    pictures = []
    for frame in frames:
        run.check()
        if not torch.isfinite(frame).all():
            raise BackendError(
                FailureKind.BACKEND_ERROR,
                "The model made no picture of this.",
                detail="A frame holds values that are not numbers.",
            )
        cut = frame[:, down : down + order.height, across : across + order.width]
        whole = cut.float().mul(255).round().to(torch.uint8).permute(1, 2, 0)
        pictures.append(whole.contiguous().cpu().numpy())
    return pictures
