"""The diffusers driver without its packages: lazy imports, failures in words, and how orders share GPUs.

Where a GPU has to work, a stand-in takes the place of the module that imports torch. Real pipelines are in
test_diffusers.py.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from jobs.backends.backend import BackendError, Gone, Order, Stopped
from jobs.backends.diffusers import driver, gpus, weights
from jobs.backends.diffusers.driver import DiffusersBackend
from jobs.backends.diffusers.run import Film, Run
from jobs.failures import FailureKind
from tests.jobs.backends.diffusers_orders import NotingControl, an_order

ROOT = Path(__file__).resolve().parents[3]


class StandIn(ModuleType):
    """A stand-in for the module that imports torch: two devices, films of grey after some steps."""

    def __init__(self) -> None:
        super().__init__("jobs.backends.diffusers.pipeline")
        self.loaded: list[tuple[str, str]] = []
        self.busy: dict[str, int] = {}
        self.most_busy = 0
        self.most_at_once = 0
        self.load_seconds = 0.0
        self.steps = 4
        self.emptied: list[str] = []
        self.fails: Exception | None = None
        stand_in = self

        class Pipeline:
            def __init__(self, weights: str, device: str) -> None:
                time.sleep(stand_in.load_seconds)
                stand_in.loaded.append((weights, device))
                self.weights, self._device = weights, device

            def film(self, order: Order, run: Run) -> Film:
                busy = stand_in.busy
                busy[self._device] = busy.get(self._device, 0) + 1
                stand_in.most_busy = max(stand_in.most_busy, busy[self._device])
                stand_in.most_at_once = max(stand_in.most_at_once, sum(busy.values()))
                try:
                    run.began()
                    for step in range(stand_in.steps):
                        time.sleep(0.05)
                        run.check()
                        run.progressed((step + 1) * 100 // stand_in.steps)
                    if stand_in.fails:
                        raise stand_in.fails
                finally:
                    busy[self._device] -= 1
                grey = np.full((order.height, order.width, 3), 128, dtype=np.uint8)
                return Film(pictures=[grey] * 8, frame_rate=8)

            def rest(self) -> None:
                """Nothing to put back."""

        self.Pipeline = Pipeline

    def devices(self) -> list[str]:
        return ["cuda:0", "cuda:1"]

    def empty_cache(self, device: str) -> None:
        self.emptied.append(device)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    import jobs.backends.diffusers as package

    monkeypatch.setattr(package, "pipeline", module, raising=False)
    monkeypatch.setattr(driver, "check_packages", lambda: None)
    return module


@pytest.fixture(autouse=True)
def room(settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.WEIGHTS_ROOT = tmp_path / "weights"
    settings.PREVIEW_ROOT = tmp_path / "clips"
    for name in ("tiny", "other"):
        (settings.WEIGHTS_ROOT / name).mkdir(parents=True)
        (settings.WEIGHTS_ROOT / name / "model_index.json").write_text("{}")
    yield tmp_path
    assert [thread for thread in threading.enumerate() if thread.name == "diffusers"] == []


@pytest.mark.parametrize("size", [(853, 480), (854, 481), (0, 480)])
def test_a_size_that_no_video_has_is_refused_before_anything_is_loaded(
    size: tuple[int, int], stand_in: StandIn
) -> None:
    with pytest.raises(BackendError) as refusal:
        DiffusersBackend().generate(an_order(width=size[0], height=size[1]), NotingControl())

    assert refusal.value.kind is FailureKind.INVALID_REQUEST
    assert refusal.value.message == "The sides of a video must be even numbers of pixels."
    assert stand_in.loaded == []


def test_the_registry_imports_none_of_the_heavy_packages() -> None:
    code = (
        "import sys\n"
        "from jobs.backends import registry\n"
        "assert 'diffusers' in registry.drivers()\n"
        "assert registry.backend('diffusers').capabilities.runs_in_worker\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'accelerate', 'safetensors'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


def test_missing_packages_are_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None if name == "torch" else name)
    backend = DiffusersBackend()
    order = an_order()

    for asked in (
        lambda: backend.generate(order, NotingControl()),
        lambda: backend.health(order.site),
    ):
        with pytest.raises(BackendError) as refusal:
            asked()
        assert refusal.value.kind is FailureKind.BACKEND_UNAVAILABLE
        assert "requirements-gpu.txt" in refusal.value.message
        assert refusal.value.detail.startswith("Missing: torch.")
    assert isinstance(backend.look(order), Gone)


def test_each_gpu_has_one_order_at_a_time_and_keeps_its_model(stand_in: StandIn) -> None:
    backend = DiffusersBackend()
    orders = [an_order() for _ in range(6)]
    threads = [
        threading.Thread(target=backend.generate, args=(order, NotingControl())) for order in orders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (stand_in.most_busy, stand_in.most_at_once) == (1, 2)
    assert sorted(device for _, device in stand_in.loaded) == ["cuda:0", "cuda:1"]
    assert not any(isinstance(backend.look(order), Gone) for order in orders)


def test_an_order_goes_where_its_model_is(stand_in: StandIn) -> None:
    backend = DiffusersBackend()
    for profile in ("tiny", "other", "other", "tiny"):
        backend.generate(an_order(profile), NotingControl())

    assert [(Path(loaded).name, device) for loaded, device in stand_in.loaded] == [
        ("tiny", "cuda:0"),
        ("other", "cuda:1"),
    ]


def test_a_stop_while_the_model_is_loaded_lets_go_at_once_and_keeps_the_model(
    stand_in: StandIn,
) -> None:
    stand_in.load_seconds = 1.5
    stand_in.devices = lambda: ["cuda:0"]  # type: ignore[method-assign]
    backend = DiffusersBackend()
    control = NotingControl(lambda _: True)

    began = time.monotonic()
    with pytest.raises(Stopped):
        backend.generate(an_order(), control)
    assert time.monotonic() - began < 1
    assert control.beginnings == 0

    backend.generate(an_order(), NotingControl())
    assert len(stand_in.loaded) == 1
    _wait_for_threads()


def test_an_order_that_waits_for_a_gpu_can_be_stopped(stand_in: StandIn) -> None:
    stand_in.devices = lambda: ["cuda:0"]  # type: ignore[method-assign]
    stand_in.steps = 40
    backend = DiffusersBackend()
    first = threading.Thread(target=backend.generate, args=(an_order(), NotingControl()))
    first.start()
    while not stand_in.busy:
        time.sleep(0.01)

    began = time.monotonic()
    with pytest.raises(Stopped):
        backend.generate(an_order(), NotingControl(lambda _: time.monotonic() - began > 0.3))

    assert time.monotonic() - began < 1
    assert first.is_alive()
    first.join()
    _wait_for_threads()


def test_a_control_that_refuses_stops_the_gpu(stand_in: StandIn, room: Path) -> None:
    class Superseded(NotingControl):
        def began(self) -> None:
            raise RuntimeError("A newer attempt has the job.")

    stand_in.steps = 1000
    with pytest.raises(RuntimeError, match="newer attempt"):
        DiffusersBackend().generate(an_order(), Superseded())

    assert sum(stand_in.busy.values()) == 0
    assert list((room / "clips").iterdir()) == []


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (RuntimeError("CUDA out of memory. Tried"), "The model ran out of memory. Try a shorter"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"), "The model ran out of memory. Try a shorter"),
        (MemoryError(), "The model ran out of memory. Try a shorter"),
        (ValueError("shapes"), "The generation server ended with an error."),
    ],
)
def test_what_a_model_raises_is_told_in_words(
    stand_in: StandIn, raised: Exception, message: str
) -> None:
    stand_in.fails = raised
    backend = DiffusersBackend()

    with pytest.raises(BackendError) as failure:
        backend.generate(an_order(), NotingControl())

    assert failure.value.message.startswith(message)
    assert failure.value.kind is FailureKind.BACKEND_ERROR
    assert failure.value.kind.is_retryable
    assert type(raised).__name__ in failure.value.detail
    # Once before the model came, once after it failed.
    assert stand_in.emptied == ["cuda:0", "cuda:0"]


def test_what_fails_before_a_model_is_there_is_the_servers_fault() -> None:
    full = gpus.failure_of(RuntimeError("CUDA out of memory."), is_loaded=False)
    missing = gpus.failure_of(OSError("no such repository"), is_loaded=False)

    assert full.kind is missing.kind is FailureKind.BACKEND_UNAVAILABLE
    assert full.message == "The model is too big for the GPU."
    assert missing.message == "The model could not be loaded."


def test_a_folder_that_cannot_be_written_is_refused_before_the_gpu_works(
    stand_in: StandIn, settings: Any, room: Path
) -> None:
    (room / "file").write_text("")
    settings.PREVIEW_ROOT = room / "file"

    with pytest.raises(BackendError, match="File exists"):
        DiffusersBackend().generate(an_order(), NotingControl())

    assert stand_in.loaded == []


def _wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "diffusers":
            thread.join(5)
