"""What a caller asks for: read from plain values, checked field by field, with a fingerprint."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jobs import catalog, credit_policy, images, speeds
from jobs.errors import InvalidField
from jobs.images import Image
from jobs.models import Job

# Longer prompts than this are cut by every model that we know.
PROMPT_LIMIT: Final = 4000
KEY_LIMIT: Final = 255
# Seeds are unsigned 32-bit numbers in the generation servers.
_LARGEST_SEED: Final = 2**32 - 1
_FIELDS: Final = frozenset(
    {"prompt", "model", "seconds", "size", "seed", "start_within", "finish_within", "standby"}
)
# What a request may have, and most have not.
_RARE: Final = frozenset({images.FIELD, "remixed_from"})
_DEFAULT_SECONDS: Final = 4
# The tier of jobs that are sent on standby, whatever their owner's plan.
STANDBY: Final = "standby"
# A deadline is at least this and at most a week ahead, seconds.
SHORTEST_DEADLINE: Final = 10
LONGEST_DEADLINE: Final = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """A request that can be generated, with its price in credits and estimate in GPU-seconds."""

    prompt: str
    model: str
    seconds: int
    size: str
    seed: int | None
    # The job expires when it has not started, or not finished, so many seconds after its submission.
    start_within: int | None = None
    finish_within: int | None = None
    # The image that it begins from.
    input_reference: Image | None = None
    # The finished job whose video it changes; only we name it, no caller's field does.
    remixed_from: UUID | None = None
    credits: int
    estimate: float
    # Accepted without a promise: it runs when nobody else waits.
    standby: bool = False
    # The line of its tier in which it waits is the one of this kind.
    kind: str

    def fields(self) -> dict[str, Any]:
        """Give what the caller asked for, as `read` takes it."""
        named = {name: getattr(self, name) for name in _FIELDS}
        rare = {name: getattr(self, name) for name in _RARE}
        # What is no standby is the same request as before there was one.
        return {n: v for n, v in named.items() if n != "standby" or v} | {
            name: value for name, value in rare.items() if value is not None
        }

    def fingerprint(self) -> bytes:
        """Digest the parsed fields, so that an equal request is known whatever its encoding."""
        return hashlib.sha256(_DIGESTIBLE.encode(self.fields()).encode()).digest()


def read(
    data: Mapping[str, Any], *, remixed_from: UUID | None = None, usual_size: str = ""
) -> VideoRequest:
    """Check every field. Raises InvalidFields with all that is wrong.

    Who names no size gets `usual_size` where the model makes it, else the model's first.
    """
    faults: dict[str, str] = {}
    for name in sorted(set(data) - _FIELDS - {images.FIELD}):
        faults[str(name)[:64]] = "This field is not known. Remove it."
    prompt = _checked(faults, _prompt, data.get("prompt"))
    offer = _checked(faults, _offer, data.get("model"))
    seed = _checked(faults, _seed, data.get("seed"))
    start_within = _checked(faults, _within, "start_within", data.get("start_within"))
    finish_within = _checked(faults, _within, "finish_within", data.get("finish_within"))
    standby = _checked(faults, _standby, data.get("standby"))
    image = _checked(faults, images.read, data.get(images.FIELD))
    seconds = size = None
    if offer is not None:
        _checked(faults, _image_taken, image, offer)
        _checked(faults, _remix_made, remixed_from, offer)
        seconds = _checked(faults, _seconds, data.get("seconds"), offer)
        size = _checked(faults, _size, data.get("size"), offer, seconds, usual_size)
    if faults or prompt is None or offer is None or seconds is None or size is None:
        raise InvalidFields(faults)
    width, height = sides(size)
    return VideoRequest(
        prompt=prompt,
        model=offer.model,
        seconds=seconds,
        size=size,
        seed=seed,
        start_within=start_within,
        finish_within=finish_within,
        standby=bool(standby),
        input_reference=image,
        remixed_from=remixed_from,
        credits=credit_policy.price(
            seconds=seconds,
            width=width,
            height=height,
            credits_per_second=offer.credits_per_second,
        ),
        estimate=speeds.estimate(offer.model, seconds, size),
        kind=offer.kinds[seconds, size],
    )


def words_of(*, prompt: object, seed: object) -> tuple[str, int | None]:
    """Read what of a waiting job may change. Raises InvalidFields with all that is wrong."""
    faults: dict[str, str] = {}
    words: str | None = _checked(faults, _prompt, prompt)
    number: int | None = _checked(faults, _seed, seed)
    if faults or words is None:
        raise InvalidFields(faults)
    return words, number


def seed_of(value: object) -> int | None:
    """Read a seed. Raises InvalidFields."""
    faults: dict[str, str] = {}
    found: int | None = _checked(faults, _seed, value)
    if faults:
        raise InvalidFields(faults)
    return found


def of_job(job: Job) -> VideoRequest:
    """Give the request that made a job, at the price and estimate of its day; of no kind."""
    return VideoRequest(
        prompt=job.prompt,
        model=job.model,
        seconds=job.seconds,
        size=job.size,
        seed=job.seed,
        start_within=_after(job, job.start_by),
        finish_within=_after(job, job.finish_by),
        standby=job.tier_id == STANDBY,
        input_reference=Image(digest=bytes(job.image_digest)) if job.image_digest else None,
        remixed_from=job.remixed_from,
        credits=job.credits_reserved,
        estimate=job.estimate,
        kind="",
    )


def another_seed(seed: int | None, *, of: str | None, job_id: UUID) -> int:
    """Choose a seed other than a job's: by chance, or the same one each time for a key."""
    if of is None:
        chosen = secrets.randbelow(_LARGEST_SEED + 1)
    else:
        digest = hashlib.sha256(f"{job_id} {of}".encode()).digest()
        chosen = int.from_bytes(digest[:4])
    return chosen if chosen != seed else (chosen + 1) % (_LARGEST_SEED + 1)


def _after(job: Job, moment: datetime | None) -> int | None:
    return None if moment is None else round((moment - job.created_at).total_seconds())


class InvalidFields(Exception):
    """Every fault of a request, by field. `code` is stable and documented."""

    code = "invalid_request"

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in faults.items()))
        self.faults = dict(faults)


def default_seconds(offer: catalog.Offer) -> int:
    """Give the length of a video whose caller names none."""
    return _DEFAULT_SECONDS if _DEFAULT_SECONDS in offer.seconds else offer.seconds[0]


def sides(size: str) -> tuple[int, int]:
    """Split WIDTHxHEIGHT into pixels."""
    width, _, height = size.partition("x")
    return int(width), int(height)


def _checked(faults: dict[str, str], check: Any, *values: Any) -> Any:
    try:
        return check(*values)
    except InvalidField as fault:
        faults[fault.field] = fault.message
        return None


def _is_seen(letter: str) -> bool:
    return letter.isprintable() and not letter.isspace()


def _prompt(value: object) -> str:
    if value is None:
        raise InvalidField("prompt", "Describe the video: prompt is required.")
    if not isinstance(value, str):
        raise InvalidField("prompt", "prompt must be text.")
    text = value.strip()
    if not text:
        raise InvalidField("prompt", "Describe the video: prompt is empty.")
    if len(text) > PROMPT_LIMIT:
        raise InvalidField(
            "prompt", f"prompt has {len(text):,} characters. At most {PROMPT_LIMIT:,} are possible."
        )
    if not any(map(_is_seen, text)):
        raise InvalidField("prompt", "Describe the video: prompt has no character that is seen.")
    if "\x00" in text:
        raise InvalidField("prompt", "prompt contains a NUL character. Remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidField("prompt", "prompt contains half of a character pair.") from None
    return text


def _offer(value: object) -> catalog.Offer:
    if value in (None, ""):
        found = catalog.offers()
        if not found:
            raise InvalidField("model", "No model is available at the moment.")
        return next(iter(found.values()))
    if not isinstance(value, str):
        raise InvalidField("model", "model must be text.")
    return catalog.offer(value)


def _seconds(value: object, offer: catalog.Offer) -> int:
    if value in (None, ""):
        return default_seconds(offer)
    number = _whole(value)
    if number is None or number not in offer.seconds:
        allowed = ", ".join(map(str, offer.seconds))
        raise InvalidField("seconds", f"{offer.model} makes videos of {allowed} seconds.")
    return number


def _size(value: object, offer: catalog.Offer, seconds: int | None, usual: str) -> str:
    # No pool may make every size at every length.
    sizes = offer.sizes if seconds is None else offer.sizes_at(seconds)
    if value in (None, ""):
        return usual if usual in sizes else sizes[0]
    if not isinstance(value, str) or value not in sizes:
        at = "" if len(sizes) == len(offer.sizes) else f" at {seconds} seconds"
        raise InvalidField("size", f"{offer.model} makes these sizes{at}: {', '.join(sizes)}.")
    return value


def _seed(value: object) -> int | None:
    if value in (None, ""):
        return None
    number = _whole(value)
    if number is None or not 0 <= number <= _LARGEST_SEED:
        raise InvalidField("seed", f"seed must be a whole number from 0 to {_LARGEST_SEED}.")
    return number


def _image_taken(image: Image | None, offer: catalog.Offer) -> None:
    if image is not None and not offer.takes_image:
        able = [one.model for one in catalog.offers().values() if one.takes_image]
        which = f"These do: {', '.join(able)}." if able else "No model here does."
        raise InvalidField(images.FIELD, f"{offer.model} does not begin from an image. {which}")


def _remix_made(source: UUID | None, offer: catalog.Offer) -> None:
    if source is not None and not offer.can_remix:
        raise InvalidField("model", f"{offer.model} cannot change a video that it made.")


def _digestible(value: Image | UUID) -> str:
    return value.digest.hex() if isinstance(value, Image) else value.hex


_DIGESTIBLE: Final = json.JSONEncoder(sort_keys=True, default=_digestible)


def _within(field: str, value: object) -> int | None:
    if value in (None, ""):
        return None
    number = _whole(value)
    if number is None or not SHORTEST_DEADLINE <= number <= LONGEST_DEADLINE:
        raise InvalidField(
            field,
            f"{field} must be a whole number of seconds"
            f" from {SHORTEST_DEADLINE} to {LONGEST_DEADLINE}.",
        )
    return number


def _standby(value: object) -> bool:
    if value in (None, "", False):
        return False
    # A form's box that is ticked sends "on".
    if value is True or value in ("true", "on", "1"):
        return True
    if value == "false":
        return False
    raise InvalidField("standby", "standby must be true or false.")


def _whole(value: object) -> int | None:
    """Read a whole number from a number or from plain digits; None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if (
        isinstance(value, str)
        and len(value) <= len(str(_LARGEST_SEED))
        and value.isascii()
        and value.isdigit()
    ):
        return int(value)
    return None
