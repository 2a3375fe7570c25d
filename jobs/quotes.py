"""What a request would cost and wait, and what it would be refused for now. Reads only."""

from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from jobs import outlooks, refusals, speeds
from jobs.errors import JobError
from jobs.models import Account, Line
from jobs.requests import STANDBY, VideoRequest
from jobs.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Credits, what can be spent, how long it would wait, and what is in its way."""

    credits: int
    balance: int
    waiting: Waiting | None
    refusal: JobError | None


def quote(request: VideoRequest, *, owner_id: UUID, zone: ZoneInfo | None = None) -> Quote:
    """Quote a request for an account as things stand. Nothing is written, and no place is kept."""
    account = Account.objects.get(owner_id=owner_id)
    refusal = refusals.foresee(request, owner_id=owner_id)
    tier = STANDBY if request.standby else account.tier_id
    line = Line.objects.filter(tier_id=tier, kind=request.kind).values_list("id", flat=True).first()
    waiting = None
    if line is not None and refusal is None:
        run = speeds.usual_run(request.model, request.seconds, request.size)
        waiting = outlooks.at_the_end(owner_id, line_id=line, zone=zone, run=run)
    return Quote(credits=request.credits, balance=account.balance, waiting=waiting, refusal=refusal)
