"""The GPUs of this process: one order at a time on each, the model that it used last kept there."""

import gc
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from jobs.backends.backend import BackendError, Order
from jobs.backends.diffusers.run import ATTENTION, Film, Interrupted, Run
from jobs.failures import FailureKind

if TYPE_CHECKING:
    from jobs.backends.diffusers.pipeline import Pipeline

logger = logging.getLogger(__name__)

# What torch says when an allocator, cuBLAS or the operating system had nothing left.
_NO_MEMORY: Final = (
    "out of memory",
    "alloc_failed",
    "can't allocate memory",
    "not enough memory",
    "memoryerror",
)


class Gpus:
    """Every GPU that this process sees (CUDA_VISIBLE_DEVICES narrows it), or the processor."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._gpus: list[Gpu] = []

    def film(self, order: Order, weights: str, run: Run) -> Film:
        """Wait for a free GPU, and generate there. Raises BackendError or Interrupted."""
        with self._held(weights, run) as gpu:
            return gpu.film(order, weights, run)

    @contextmanager
    def _held(self, weights: str, run: Run) -> Iterator["Gpu"]:
        with self._changed:
            self._gpus = self._gpus or [Gpu(device) for device in _devices()]
            while not (free := [gpu for gpu in self._gpus if not gpu.is_held]):
                run.check()
                self._changed.wait(ATTENTION)
            chosen = max(free, key=lambda gpu: (gpu.has(weights), gpu.is_empty))
            chosen.is_held = True
        try:
            yield chosen
        finally:
            with self._changed:
                chosen.is_held = False
                self._changed.notify_all()


class Gpu:
    """One device and the model on it."""

    def __init__(self, device: str) -> None:
        self.is_held = False
        self._device = device
        self._pipeline: Pipeline | None = None

    def has(self, weights: str) -> bool:
        """Say whether these weights are loaded."""
        return self._pipeline is not None and self._pipeline.weights == weights

    @property
    def is_empty(self) -> bool:
        """Say whether no weights are loaded."""
        return self._pipeline is None

    def film(self, order: Order, weights: str, run: Run) -> Film:
        """Generate, after loading what is not loaded. Raises BackendError or Interrupted."""
        is_loaded = False
        try:
            pipeline = self._loaded(weights, run)
            is_loaded = True
            run.generating()
            return pipeline.film(order, run)
        except Interrupted:
            end: BackendError | Interrupted = Interrupted()
        except Exception as error:
            end = failure = failure_of(error, is_loaded=is_loaded)
            if failure.kind is not FailureKind.INVALID_REQUEST:
                # A log record keeps a traceback, and with it the memory that is to be given back.
                logger.warning(
                    "generation_broke",
                    extra={"job": str(order.job_id), "detail": failure.detail},
                    exc_info=not isinstance(error, BackendError) and not _is_full(failure.detail),
                )
        # Only here has the exception let go of the frames that hold memory of the GPU.
        # A GPU that broke cannot be tidied; what broke it is told.
        with suppress(RuntimeError):
            self._tidy()
        raise end

    def _loaded(self, weights: str, run: Run) -> "Pipeline":
        from jobs.backends.diffusers.pipeline import Pipeline  # noqa: PLC0415 - it imports torch

        run.check()
        if self._pipeline is None or not self.has(weights):
            self._pipeline = None
            self._tidy()
            self._pipeline = Pipeline(weights, self._device)
        return self._pipeline

    def _tidy(self) -> None:
        from jobs.backends.diffusers import pipeline  # noqa: PLC0415 - it imports torch

        if self._pipeline is not None:
            self._pipeline.rest()
        # What stays had been set aside from walks, and so was what held memory until now.
        gc.unfreeze()
        gc.collect()
        pipeline.empty_cache(self._device)


def failure_of(error: Exception, *, is_loaded: bool) -> BackendError:
    """Put what a pipeline raised into our words; the result holds nothing of the traceback."""
    if isinstance(error, BackendError):
        return BackendError(error.kind, error.message, detail=error.detail)
    said = f"{type(error).__name__}: {error}"[:400]
    is_full = _is_full(said)
    if not is_loaded:
        message = (
            "The model is too big for the GPU." if is_full else "The model could not be loaded."
        )
        return BackendError(FailureKind.BACKEND_UNAVAILABLE, message, detail=said)
    message = (
        "The model ran out of memory. Try a shorter or smaller video."
        if is_full
        else FailureKind.BACKEND_ERROR.sentence
    )
    return BackendError(FailureKind.BACKEND_ERROR, message, detail=said)


def _is_full(said: str) -> bool:
    return any(sign in said.lower() for sign in _NO_MEMORY)


def _devices() -> list[str]:
    try:
        from jobs.backends.diffusers import pipeline  # noqa: PLC0415 - it imports torch
    except (ImportError, OSError) as error:
        raise BackendError(
            FailureKind.BACKEND_UNAVAILABLE,
            "This server cannot run the model: the packages of requirements-gpu.txt do not load.",
            detail=str(error)[:400],
        ) from None
    return pipeline.devices()
