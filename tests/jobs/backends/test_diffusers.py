"""The diffusers driver with real pipelines of random weights: clips, seeds, stops, memory, refusals."""

import json
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from jobs import execution
from jobs.backends import local_files, registry
from jobs.backends.backend import BackendError, Finished, Gone, Order, Stopped
from jobs.backends.diffusers.driver import DiffusersBackend
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, Pool
from tests.factories import ann, dispatched
from tests.jobs.backends.diffusers_orders import NotingControl, an_order

torch = pytest.importorskip(
    "torch", reason="torch is not installed; it comes with requirements-gpu.txt"
)
pytest.importorskip(
    "diffusers", reason="diffusers is not installed; it comes with requirements-gpu.txt"
)

# These packages warn about one another.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).resolve().parents[3]
RATES = {"wan": 16, "ltx": 25, "animatediff": 8}


@pytest.fixture(autouse=True)
def room(settings: Any, tmp_path: Path) -> Path:
    settings.WEIGHTS_ROOT = tmp_path / "weights"
    settings.PREVIEW_ROOT = tmp_path / "clips"
    return tmp_path


@pytest.fixture
def backend() -> DiffusersBackend:
    return DiffusersBackend()


def _save(
    room: Path, kind: str = "wan", *, name: str = "tiny", steps: int = 2, **more: Any
) -> Path:
    from tests.jobs.backends import tiny_pipelines

    return tiny_pipelines.save(kind, room / "weights" / name, num_inference_steps=steps, **more)


def _frames(order: Order) -> list[bytes]:
    with av.open(str(local_files.place(order).clip)) as clip:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in clip.decode(video=0)]


def _pipe(backend: DiffusersBackend) -> Any:
    pipeline = backend._gpus._gpus[0]._pipeline
    assert pipeline is not None
    return pipeline._pipe


@pytest.mark.parametrize("kind", RATES)
def test_a_pipeline_makes_the_clip_that_was_ordered(
    room: Path, backend: DiffusersBackend, kind: str
) -> None:
    _save(room, kind)
    # On no model's grid.
    order, control = an_order(width=90, height=50), NotingControl()
    assert isinstance(backend.look(order), Gone)

    video = backend.generate(order, control)

    place = local_files.place(order)
    with av.open(str(place.clip)) as clip:
        stream = clip.streams.video[0]
        assert (stream.width, stream.height) == (90, 50)
        assert stream.average_rate == RATES[kind]
        assert sum(1 for _ in clip.decode(stream)) == RATES[kind]
    with Image.open(place.still) as still:
        assert (still.format, still.size) == ("WEBP", (90, 50))
    assert video.url.endswith(place.clip.name)
    assert control.beginnings == 1
    assert control.percents == sorted(control.percents)
    assert {47, 95, 99} <= set(control.percents)
    assert backend.look(order) == Finished(video=video)
    files = {path.name.removeprefix(place.clip.stem) for path in (room / "clips").iterdir()}
    assert files == {".mp4", ".webp", "-sheet.webp"}


def test_a_seed_makes_the_same_clip_again_and_none_makes_another(
    room: Path, backend: DiffusersBackend
) -> None:
    _save(room)
    orders = [an_order(seed=seed) for seed in (7, 7, 8, None, None)]

    for order in orders:
        backend.generate(order, NotingControl())

    first, again, other, free, freer = (_frames(order) for order in orders)
    assert first == again
    assert len({tuple(clip) for clip in (first, other, free, freer)}) == 4


def test_a_model_is_loaded_once_and_makes_way_for_another(
    room: Path, backend: DiffusersBackend
) -> None:
    _save(room)
    _save(room, "ltx", name="other")
    backend.generate(an_order(), NotingControl())
    loaded = _pipe(backend)
    backend.generate(an_order(), NotingControl())
    assert _pipe(backend) is loaded

    gone = weakref.ref(loaded)
    del loaded
    backend.generate(an_order("other"), NotingControl())

    assert type(_pipe(backend)).__name__ == "LTXPipeline"
    assert gone() is None


@pytest.mark.parametrize("kind", RATES)
def test_a_stop_is_confirmed_at_once_and_leaves_nothing(
    room: Path, backend: DiffusersBackend, kind: str
) -> None:
    _save(room, kind, steps=500)
    control = NotingControl(lambda noted: len(noted.percents) > 2)
    order = an_order()

    with pytest.raises(Stopped):
        backend.generate(order, control)

    # Of its 500 steps no further one was begun.
    assert len(control.percents) == 3
    assert list((room / "clips").iterdir()) == []
    assert not backend._gpus._gpus[0].is_held


def test_a_stop_is_seen_within_a_step_and_within_decoding(
    room: Path, backend: DiffusersBackend
) -> None:
    _save(room)
    backend.generate(untouched := an_order(), NotingControl())
    reached: list[str] = []

    def slow(*_: object) -> None:
        reached.append("here")
        time.sleep(0.6)

    for part in (_pipe(backend).transformer, _pipe(backend).vae.decoder):
        reached.clear()
        handle = part.register_forward_pre_hook(slow)
        with pytest.raises(Stopped):
            backend.generate(an_order(), NotingControl(lambda _: bool(reached)))
        handle.remove()

        assert reached == ["here"]

    backend.generate(after := an_order(), NotingControl())
    assert _frames(after) == _frames(untouched)


def test_a_model_without_memory_is_told_and_lets_go_of_what_it_had(
    room: Path, backend: DiffusersBackend
) -> None:
    _save(room)
    backend.generate(an_order(), NotingControl())
    held: list[weakref.ref[Any]] = []

    def full(*_: object) -> None:
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    handle = _pipe(backend).transformer.blocks[1].register_forward_pre_hook(full)
    with pytest.raises(BackendError) as failure:
        backend.generate(an_order(), NotingControl())
    handle.remove()

    assert failure.value.kind.is_retryable
    assert failure.value.message == "The model ran out of memory. Try a shorter or smaller video."
    assert held[0]() is None
    backend.generate(an_order(), NotingControl())


def test_a_picture_of_no_numbers_is_a_failure(room: Path, backend: DiffusersBackend) -> None:
    _save(room)
    backend.generate(an_order(), NotingControl())
    with torch.no_grad():
        _pipe(backend).transformer.proj_out.weight.fill_(float("nan"))

    with pytest.raises(BackendError, match="not numbers"):
        backend.generate(order := an_order(), NotingControl())

    assert isinstance(backend.look(order), Gone)


def test_a_video_longer_than_the_model_can_make_is_refused(
    room: Path, backend: DiffusersBackend
) -> None:
    _save(room, "animatediff")

    with pytest.raises(BackendError) as refusal:
        backend.generate(an_order(seconds=5), NotingControl())

    assert refusal.value.kind is FailureKind.INVALID_REQUEST
    assert refusal.value.message == "This model makes videos of up to 4 seconds."


def test_weights_that_cannot_be_used_are_refused_in_words(
    room: Path, backend: DiffusersBackend
) -> None:
    from tests.jobs.backends import tiny_pipelines

    tiny_pipelines.wan().save_pretrained(room / "weights" / "pickled", safe_serialization=False)
    _save(room, name="wrong-setting", width=64)
    still_life = _save(room, name="picture") / "model_index.json"
    still_life.write_text(still_life.read_text().replace("WanPipeline", "FluxPipeline"))
    said = {}

    for name in ("pickled", "wrong-setting", "picture"):
        with pytest.raises(BackendError) as refusal:
            backend.generate(an_order(name), NotingControl())
        assert refusal.value.kind is FailureKind.BACKEND_UNAVAILABLE
        said[name] = f"{refusal.value.message} {refusal.value.detail}"

    assert "could not be loaded" in said["pickled"]
    assert "videogen.json cannot set width" in said["wrong-setting"]
    assert "is a FluxPipeline" in said["picture"]


def test_the_operators_settings_beside_the_weights_count(
    room: Path, backend: DiffusersBackend
) -> None:
    _save(room, steps=3, frame_rate=10, negative_prompt="sea")

    backend.generate(order := an_order(), NotingControl())

    assert len(_frames(order)) == 10
    assert _pipe(backend).num_timesteps == 3


@pytest.mark.django_db(transaction=True)
def test_a_whole_attempt_ends_with_its_video(room: Path) -> None:
    _save(room)
    job = dispatched(ann())
    Pool.objects.update(driver="diffusers", profile="tiny")
    Job.objects.update(size="96x64")

    execution.run(JobId(job.id), attempt=1, worker="gpu.a@gpu-7")

    ended = Job.objects.get(id=job.id)
    assert (ended.state, ended.error_message) == ("succeeded", "")
    assert (room / "clips" / ended.video_url.rpartition("/")[2]).is_file()
    assert registry.backend("diffusers").capabilities.runs_in_worker


def test_other_threads_run_while_a_model_is_loaded_and_generates(room: Path) -> None:
    _save(room, steps=20)

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TICKING],
        cwd=ROOT,
        input=json.dumps({"weights": str(room / "weights" / "tiny")}),
        capture_output=True,
        text=True,
        check=True,
    )

    # A third of a lease of 30 seconds is what a renewal can be late.
    longest = float(done.stdout.split()[-1])
    print(f"longest hold of the interpreter: {longest:.2f} s")
    assert longest < 5


_TICKING = """
import json, sys, threading, time
weights = json.load(sys.stdin)["weights"]
ticks, done = [time.monotonic()], threading.Event()
def tick():
    while not done.wait(0.02):
        ticks.append(time.monotonic())
ticker = threading.Thread(target=tick)
ticker.start()
import django
from django.conf import settings
settings.configure(WEIGHTS_ROOT=None)
from jobs.backends.diffusers.gpus import Gpus
from jobs.backends.diffusers.run import Run
from tests.jobs.backends.diffusers_orders import an_order
gpus = Gpus()
with Run(lambda run: gpus.film(an_order(), weights, run)) as run:
    while True:
        try:
            if run.next_message() is None:
                break
        except Exception:
            pass
    run.film()
done.set()
ticker.join()
print(max(after - before for before, after in zip(ticks, ticks[1:])))
"""
