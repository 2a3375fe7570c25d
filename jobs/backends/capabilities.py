"""What a driver can do, as far as its callers must know."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a pool shall offer of its server."""

    profile: str
    models: tuple[str, ...]
    # Lengths, seconds, and frame sizes, WIDTHxHEIGHT.
    seconds: tuple[int, ...]
    sizes: tuple[str, ...]


def takes_any(offer: Offer) -> tuple[str, str] | None:
    """Find nothing wrong with an offer."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What callers must know of a driver; everything else is its own affair."""

    # A generation dies with the worker that waits for it.
    runs_in_worker: bool
    # The dialects that it knows; empty when there is only one.
    profiles: tuple[str, ...] = ()
    # `candidates` can tell whether an order was accepted: its "no" can be trusted.
    can_find: bool = False
    # `look_at_many` reads a list, newest first, a hundred to a page.
    asks_many: bool = False
    # The usual name of the input that takes an image; empty where no image can be given.
    image_input: str = ""
    # A finished video can be changed by a new prompt; with names, by servers of these profiles only.
    can_remix: bool = False
    remixing_profiles: tuple[str, ...] = ()
    # Webhooks about each attempt come to `Order.callback_url`, or to one address set at the server.
    sends_webhooks: bool = False
    # Where its service always keeps results.
    result_hosts: tuple[str, ...] = ()
    # The fields of an order that a pool may give other names; empty where names are fixed.
    fields: tuple[str, ...] = ()
    # What is wrong with an offer, if anything: the pool's field, and a sentence for operators.
    fault_of: Callable[[Offer], tuple[str, str] | None] = takes_any
