"""What differs between the servers of POST /v1/videos, as data.

Sources: the OpenAI API reference, "Videos"; the wheels of vllm-omni 0.30.0, sglang 0.5.23 and
aquiles-image 0.8.3; TensorRT-LLM's `tensorrt_llm/serve/openai_video_routes.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from jobs.backends.backend import Cancellation


class Meaning(Enum):
    """What a status word says."""

    WAITING = auto()
    RUNNING = auto()
    FINISHED = auto()
    FAILED = auto()


class ModelField(Enum):
    """What a create says in `model`."""

    # The server checks it, or works with it.
    SENT = auto()
    # The server refuses any name but the one that it was started with, which it needs not be told.
    OMITTED = auto()
    # The server reads it nowhere and shows it again: it carries a mark by which a lost order is found.
    MARKED = auto()


_WAITING: Final = (
    *("queued", "pending", "waiting", "submitted", "accepted", "scheduled", "created"),
    *("in_queue", "not_start", "not_started", "starting"),
)
_RUNNING: Final = ("in_progress", "processing", "running", "generating", "started", "rendering")
_FINISHED: Final = ("completed", "succeeded", "success", "succeed", "complete", "done", "finished")
_FAILED: Final = (
    *("failed", "error", "canceled", "cancelled", "deleted", "expired", "failure", "fail"),
    *("errored", "aborted", "rejected", "timeout", "timed_out", "terminated", "killed"),
)
# In lower case, with underscores where others write spaces or hyphens.
WORDS: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(_WAITING, Meaning.WAITING),
    **dict.fromkeys(_RUNNING, Meaning.RUNNING),
    **dict.fromkeys(_FINISHED, Meaning.FINISHED),
    **dict.fromkeys(_FAILED, Meaning.FAILED),
}
_PORTRAIT_AND_LANDSCAPE: Final = frozenset({"720x1280", "1280x720", "1024x1792", "1792x1024"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of server. What it leaves out is how most of them are."""

    name: str
    model: ModelField = ModelField.SENT
    # It takes a seed.
    takes_seed: bool = True
    # Lengths and sizes that it makes; None for any.
    seconds: frozenset[int] | None = None
    sizes: frozenset[str] | None = None
    words: Mapping[str, Meaning] = field(default_factory=lambda: WORDS)
    # Its progress is that of the generation: not a constant, and not a clock's.
    has_progress: bool = True
    # Its progress may be a share of one instead of a percentage: nobody has said.
    may_count_to_one: bool = False
    # A finished job may have an address of its own; /content is asked of the others.
    has_result_url: bool = False
    # What a confirmed DELETE did to a waiting and to a running job.
    delete_waiting: Cancellation = Cancellation.GOES_ON
    delete_running: Cancellation = Cancellation.GOES_ON
    # What a DELETE refused with 409 means; None when the same DELETE may be taken later.
    delete_refused: Cancellation | None = None
    health_path: str = "/health"
    has_models: bool = True


_ALL: Final = (
    # Strict about fields, and DELETE is for what has ended: nothing stops a generation.
    Profile(
        name="openai",
        takes_seed=False,
        seconds=frozenset({4, 8, 12}),
        sizes=_PORTRAIT_AND_LANDSCAPE,
        delete_refused=Cancellation.GOES_ON,
        health_path="",
    ),
    # The engine is told to abort. `progress` is 0 until the end. `seconds` is sent and not frames: models
    # with a length of their own refuse any other number of frames, and ignore seconds.
    Profile(
        name="vllm_omni",
        model=ModelField.OMITTED,
        has_progress=False,
        delete_waiting=Cancellation.STOPPED,
        delete_running=Cancellation.STOPPED,
    ),
    # DELETE drops the record, of a waiting job too; its source leaves aborting for later.
    Profile(name="sglang", model=ModelField.MARKED, has_result_url=True),
    # `progress` runs to 90 within five seconds, whatever happens. A running job keeps its thread.
    Profile(
        name="aquiles",
        takes_seed=False,
        sizes=_PORTRAIT_AND_LANDSCAPE,
        has_progress=False,
        delete_waiting=Cancellation.STOPPED,
    ),
    # "queued" is shown until the end, so that it says nothing. DELETE ends the waiting for the engine.
    Profile(name="trtllm_visualgen", words={**WORDS, "queued": Meaning.RUNNING}),
    # Whatever is roughly like these: nothing is expected of it, and the worst of its DELETE.
    Profile(
        name="generic",
        takes_seed=False,
        has_result_url=True,
        may_count_to_one=True,
        health_path="",
        has_models=False,
    ),
)
PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in _ALL}


def profile(name: str) -> Profile:
    """Give the profile of this name, or the one for servers that nobody has described."""
    return PROFILES.get(name, PROFILES["generic"])
