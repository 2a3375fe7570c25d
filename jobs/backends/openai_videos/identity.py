"""Whether a job that a server shows is the one that we know by its id.

A server that counts its ids anew after a restart gives an id twice. What it said of a job at its create is kept
with the attempt; a job by this id that was made at another time, or of another prompt, is somebody else's.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from jobs.backends.backend import Order
from jobs.backends.openai_videos import reading
from jobs.backends.openai_videos.profiles import ModelField, Profile

# Servers round their seconds up and down.
_ROUNDING: Final = 1.5
# Characters of a beginning that are hardly two owners' by chance.
_SHORTEST_CUT: Final = 16


def mark(order: Order) -> str:
    """Give what only this attempt sends as its model."""
    return f"{order.model}#{order.job_id.hex}-{order.attempt}"


def shown(job: Mapping[str, Any]) -> dict[str, str]:
    """Give what a server says of a new job and will say again, for the attempt's handle."""
    created_at, prompt = reading.moment(job.get("created_at")), job.get("prompt")
    found = {} if created_at is None else {"created_at": str(created_at)}
    return found | ({"prompt": _digest(prompt)} if isinstance(prompt, str) else {})


def is_another(job: Mapping[str, Any], order: Order, profile: Profile) -> bool:
    """Tell whether a job of this order's id is certainly not this order's."""
    if profile.model is ModelField.MARKED and isinstance(job.get("model"), str):
        return bool(job["model"] != mark(order))
    created_at, then = reading.moment(job.get("created_at")), order.handle.get("created_at")
    if created_at is not None and then and abs(created_at - float(then)) > _ROUNDING:
        return True
    prompt = job.get("prompt")
    if not isinstance(prompt, str) or _is_cut(prompt, order.prompt):
        return False
    return _digest(prompt) != order.handle.get("prompt", _digest(order.prompt))


def _is_cut(shown: str, prompt: str) -> bool:
    """Tell whether a server shows the beginning of a prompt only, as some do in lists."""
    beginning, whole = shown.strip().rstrip(".…").rstrip(), prompt.strip()
    return _SHORTEST_CUT <= len(beginning) < len(whole) and whole.startswith(beginning)


def _digest(prompt: str) -> str:
    return hashlib.sha256(prompt.strip().encode(errors="replace")).hexdigest()[:16]
