"""The door of the simulated installation, and whether what it told the refused proved right."""

from collections import Counter
from typing import Any, Final

from jobs.door import Admitted, Door, Own, Refused, Ticket, admits_standby, knock
from scheduler import admission
from scheduler.admission import Drains
from scheduler.simulation.fair import Fair, LineRow
from scheduler.simulation.fleet import STANDBY
from scheduler.simulation.outlooks import Outlooks
from scheduler.simulation.trace import Call

# As `scheduler/doors.py` publishes it.
_STANDBY_MOST: Final = 1000


class Entrance:
    """Doors by line, the places promised to owners, and a tally of what was told."""

    def __init__(self, policy: Fair, outlooks: Outlooks) -> None:
        self.policy, self.outlooks = policy, outlooks
        self.drains: dict[int, Drains] = dict.fromkeys(policy.numbered, ())
        self.books: dict[int, float] = dict.fromkeys(policy.numbered, 0.0)
        # When the places that an owner was promised of its own run out.
        self.promised: dict[int, list[float]] = {}
        self.refused: Counter[tuple[str, str]] = Counter()
        self.untimed = self.on_standby = 0
        self.returned = self.right = 0
        self.fullest = 0.0

    def note(self, now: float) -> None:
        """Note how fast lines drain."""
        for number, drain in self.outlooks.drains(now).items():
            self.drains[number] = admission.noted(self.drains[number], drain=drain, now=now)

    def ask(
        self, call: Call, *, now: float, ticket: Ticket | None, spread: float
    ) -> Refused | None:
        """Ask for a place; None when there is one."""
        line = self.policy.lines[call.tier, call.kind]
        door = admission.door(
            seconds=self.policy.tiers[call.tier].bound_seconds,
            drains=self.drains[line.number],
            work=line.work,
            book=self.books[line.number],
            now=now,
        )
        answer = knock(
            door,
            self._own(call, line, now),
            cost=call.estimate,
            now=now,
            ticket=ticket,
            spread=spread,
        )
        if ticket is not None:
            self.returned += 1
            self.right += isinstance(answer, Admitted)
        if isinstance(answer, Admitted):
            self._let_in(call, door)
            return None
        self._turned_away(call, answer, line)
        return answer

    def _own(self, call: Call, line: LineRow, now: float) -> Own:
        limit = self.policy.tiers[call.tier].queued_limit
        queued = self.policy.queued[call.owner, False]
        if limit is None or queued < limit:
            return Own(queued=queued, limit=limit)
        promised = [until for until in self.promised.get(call.owner, []) if until > now]
        self.promised[call.owner] = promised
        lane = line.lanes.get(call.owner)
        if lane is None or len(promised) >= len(lane.jobs):
            return Own(queued=queued, limit=limit, promised=len(promised))
        outlook = self.outlooks.expected(lane.jobs[len(promised)], now=now, is_new=False)
        starts = () if outlook is None else (now + outlook.high,) * (len(promised) + 1)
        return Own(queued=queued, limit=limit, starts=starts, promised=len(promised))

    def _let_in(self, call: Call, door: Door) -> None:
        if door.bound and door.work > 0:
            self.fullest = max(self.fullest, (door.work + call.estimate) / door.bound)

    def _turned_away(self, call: Call, answer: Refused, line: LineRow) -> None:
        self.refused[call.tier, answer.why.value] += 1
        self.books[line.number] = answer.book
        if answer.ticket is None:
            self.untimed += 1
        elif answer.why.value == "own_queue":
            self.promised.setdefault(call.owner, []).append(answer.ticket.until)

    def admits_standby(self, call: Call) -> bool:
        """Ask for a place on standby; only numbers bound it."""
        line = self.policy.lines[STANDBY, call.kind]
        own = self.policy.tiers[STANDBY].queued_limit or 0
        waiting = sum(len(lane.jobs) for lane in line.waiting.values())
        found = admits_standby(waiting=waiting, limit=_STANDBY_MOST) and admits_standby(
            waiting=self.policy.queued[call.owner, True], limit=own
        )
        self.on_standby += found
        return found

    def figures(self) -> dict[str, Any]:
        """Give refusals by tier and reason, and how right the times were that they named."""
        return {
            "refused": {f"{tier}/{why}": n for (tier, why), n in sorted(self.refused.items())},
            "without_a_time": self.untimed,
            "taken_on_standby": self.on_standby,
            "returned": self.returned,
            "right": round(self.right / self.returned, 4) if self.returned else None,
            "fullest": round(self.fullest, 4),
        }
