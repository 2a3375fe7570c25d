"""What may be told about an event, and how: the table that the project's settings name.

`subscriptions` says which code hears an event; this says what people and programs are told of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from notifications.event import Event

# What was held back for the same target, told together.
SUMMARY: Final = "notices.summed"
# About signing in: a code, a new password, a second factor. Of no event; its delivery's payload has the title.
ACCOUNT_MAIL: Final = "account.mail"

# What a message for people shows, read when it is sent; None when the subject is gone.
Context = Callable[[UUID, Mapping[str, Any]], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """How one event is told."""

    # What people call it where they choose what reaches them.
    title: str
    context: Context
    # What else they should know where they choose.
    hint: str = ""
    # Channels that carry it until a person says otherwise.
    on_by_default: frozenset[str] = field(default_factory=frozenset)
    # It goes by its default channels whatever anybody said, at once, and with no way out: it is about security.
    is_forced: bool = False
    # The end of something that people wait for and that pages show by themselves.
    is_an_end: bool = False
    # It stands for several others.
    is_summary: bool = False
    # The event that tells people instead, where this one is a part of something.
    told_by: str = ""
    # Its public type and data for users' programs; empty where programs are not told.
    webhook_type: str = ""
    webhook_data: Callable[[Event], Mapping[str, Any]] | None = None


@cache
def table() -> Mapping[str, Announcement]:
    """Give every announcement by the name of its event."""
    found: Mapping[str, Announcement] = import_module(settings.ANNOUNCEMENTS).ANNOUNCEMENTS
    return found


def of(name: str) -> Announcement | None:
    """Give how an event is told; None when it is not."""
    return table().get(name)


def webhook_types() -> list[str]:
    """Give the public types that endpoints can ask for."""
    return sorted({one.webhook_type for one in table().values() if one.webhook_type})
