"""The hook in front of every submission: somebody else's judgement of a prompt, before anything is reserved.

`MODERATION` names a callable `(*, prompt: str, owner_id: UUID) -> Verdict`; empty means that nobody is
asked. It runs in a thread of its own for `MODERATION_SECONDS` at most. One that raises or hangs lets the
prompt pass or refuses it for now, as `MODERATION_FAILS` says: `closed` (the default) or `open`.
"""

import logging
import threading
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from jobs.errors import JobError
from jobs.requests import InvalidFields

logger = logging.getLogger(__name__)

# Judgements under way in a process; one more is not asked for and counts as one that hangs.
_MOST_AT_ONCE: Final = 32
_room = threading.BoundedSemaphore(_MOST_AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a prompt may be generated; if not, why, in words for the person who wrote it."""

    is_allowed: bool
    words: str = ""


ALLOWED: Final = Verdict(is_allowed=True)


class Moderator(Protocol):
    """What a plug-in is: reads a prompt, changes nothing."""

    def __call__(self, *, prompt: str, owner_id: UUID) -> Verdict:
        """Judge one prompt."""


class PromptRefused(InvalidFields):
    """The prompt may not be generated. The words are the moderator's."""

    code = "prompt_refused"

    def __init__(self, words: str) -> None:
        super().__init__({"prompt": words or "This prompt cannot be generated. Change it."})


@dataclass
class ModerationAway(JobError):
    """Nobody could judge the prompt in time. Nothing was written."""

    retry_after_seconds: int = 10
    code = "moderation_away"

    def __str__(self) -> str:
        return "Prompts cannot be checked at this moment. Nothing was charged. Send it again soon."


def check(prompt: str, *, owner_id: UUID) -> None:
    """Ask the moderator, if there is one. Raises PromptRefused, ModerationAway."""
    if not settings.MODERATION:
        return
    verdict = _asked(_moderator(settings.MODERATION), prompt=prompt, owner_id=owner_id)
    if verdict is None and settings.MODERATION_FAILS == "open":
        return
    if verdict is None:
        raise ModerationAway
    if not verdict.is_allowed:
        raise PromptRefused(verdict.words)


def _asked(moderator: Moderator, *, prompt: str, owner_id: UUID) -> Verdict | None:
    """Give the verdict, or None from one that breaks, hangs or says something else."""
    if not _room.acquire(blocking=False):
        logger.error("moderation_full", extra={"owner": str(owner_id)})
        return None
    found: list[Verdict] = []

    def judge() -> None:
        try:
            found.append(moderator(prompt=prompt, owner_id=owner_id))
        except Exception:  # somebody else's code; the policy says what its failure means
            logger.exception("moderation_broke", extra={"owner": str(owner_id)})
        finally:
            connections.close_all()
            _room.release()

    thread = threading.Thread(target=judge, name="moderation", daemon=True)
    thread.start()
    thread.join(settings.MODERATION_SECONDS)
    if thread.is_alive():
        seconds = settings.MODERATION_SECONDS
        logger.error("moderation_hung", extra={"owner": str(owner_id), "seconds": seconds})
    verdict = found[0] if found else None
    if verdict is not None and not isinstance(verdict, Verdict):
        logger.error("moderation_said_nonsense", extra={"kind": type(verdict).__name__})
        return None
    return verdict


@cache
def _moderator(path: str) -> Moderator:
    found = import_string(path)
    if not callable(found):
        raise ImproperlyConfigured(f"MODERATION names {path}, which cannot be called.")
    moderator: Moderator = found
    return moderator
