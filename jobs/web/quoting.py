"""What the composer says before anything is sent: price, wait, and how much of the plan's limits it takes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from jobs import quotes, requests
from jobs.callers import Caller
from jobs.models import Account, Lease, Tier
from jobs.requests import VideoRequest
from jobs.web import money, tracks

# What is used of a day is told from here on; before that it is no news.
_NEARLY: Final = 0.8
_MINUTE: Final = 60


def of_form(fields: Mapping[str, object], *, takes: int, caller: Caller) -> dict[str, str]:
    """Say it of a form as it stands; without a prompt too, as it changes neither. Raises InvalidFields."""
    wanted = requests.read({**fields, "prompt": fields.get("prompt") or "?"})
    quoted = quotes.quote(wanted, owner_id=caller.owner_id, zone=caller.zone)
    told = tracks.quoted(quoted, now=datetime.now(caller.zone))
    if takes > 1:
        whole = quoted.credits * takes
        told["credits"] = money.credits_of(whole)
        if whole > quoted.balance and quoted.refusal is None:
            told["in_the_way"] = (
                f"{takes} takes cost {money.credits_of(whole)} and {quoted.balance:,} are left."
            )
    account = Account.objects.select_related("tier").get(owner_id=caller.owner_id)
    if touched := ", ".join(_touched(account, wanted)):
        told["plan"] = touched
    return told


def _touched(account: Account, wanted: VideoRequest) -> Iterator[str]:
    """Give the limits that one more video meets: what is used of each."""
    plan = account.tier
    running = Lease.objects.filter(owner_id=account.owner_id).count()
    if plan.running_limit is not None:
        yield f"{running:,} of {plan.running_limit:,} running"
        if running >= plan.running_limit and plan.queued_limit is not None:
            waiting = max(0, account.live_count - running)
            yield f"{waiting:,} of {plan.queued_limit:,} waiting"
    yield from _of_day(account, plan, wanted)


def _of_day(account: Account, plan: Tier, wanted: VideoRequest) -> Iterator[str]:
    if account.day is None or account.day < datetime.now(UTC).date():
        return
    if plan.jobs_per_day and account.day_jobs + 1 > _NEARLY * plan.jobs_per_day:
        yield f"{account.day_jobs:,} of {plan.jobs_per_day:,} today"
    seconds, most = account.day_gpu_seconds, plan.gpu_seconds_per_day
    if most and seconds + wanted.estimate > _NEARLY * most:
        yield f"{seconds / _MINUTE:,.0f} of {most / _MINUTE:,.0f} GPU minutes today"
