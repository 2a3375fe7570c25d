"""What a card says of money, and of what a cancel costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs import credit_policy
from jobs.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """What cancelling costs at this moment: the button's words, and the parts of what is asked before."""

    fee: int
    label: str
    verb: str = ""
    money: str = ""
    rest: str = ""


def cancelling(row: Mapping[str, Any]) -> str:
    """Say what a cancel that is under way costs."""
    fee, reserved = row["cancel_fee"] or 0, row["credits_reserved"]
    money = (
        f"{fee:,} of {credits_of(reserved)} are charged; {_rest(reserved - fee)}."
        if fee
        else f"Nothing is charged; {credits_of(reserved)} come back."
    )
    return f"{money} If it finishes first, you get the video at its full price."


def cancel(row: Mapping[str, Any], look: str) -> Cancel | None:
    """Give the cancel that is offered, with its price; None where there is nothing to cancel."""
    if look not in {"waiting", "retrying", "starting", "running"}:
        return None
    reserved = row["credits_reserved"]
    fee = credit_policy.cancel_fee(JobState(row["state"]), reserved=reserved)
    if not fee:
        return Cancel(fee=0, label="Cancel · free")
    return Cancel(
        fee=fee,
        label=f"Cancel · {credits_of(fee)}",
        verb=f"Cancel for {credits_of(fee)}",
        money=f"{fee:,} of {credits_of(reserved)}",
        rest=_rest(reserved - fee),
    )


def charge(row: Mapping[str, Any], look: str, *, is_ended: bool) -> str:
    """Say what a job holds, or what it cost."""
    if not is_ended:
        return f"{credits_of(row['credits_reserved'])} held"
    if row["credits_charged"]:
        return credits_of(row["credits_charged"])
    return "free" if look == "cancelled" else "not charged"


def sentence(row: Mapping[str, Any]) -> str:
    """Say what a cancelled job cost."""
    charged, reserved = row["credits_charged"], row["credits_reserved"]
    if not charged:
        return "Not charged."
    return f"{charged:,} of {credits_of(reserved)} charged once."


def late_sentence(row: Mapping[str, Any]) -> str:
    """Say what a video that came too late costs."""
    if not row["credits_charged"]:
        return "You keep the video, and it is not charged."
    return (
        f"You keep the video. Cancelling had cost {credits_of(row['credits_charged'])};"
        " nothing is added."
    )


def credits_of(number: int) -> str:
    """Say an amount."""
    return f"{number:,} credit" if number == 1 else f"{number:,} credits"


def _rest(number: int) -> str:
    return "the other 1 comes back" if number == 1 else f"the other {number:,} come back"
