"""Gates: the room of a line handed out in parts, so that submissions of one line do not wait for each other.

While a line has much room, the publisher (`scheduler/doors.py`) lends parts of it to the line's gates. Whoever
comes in through a gate changes that row alone, and takes what it lent from `room` to `added`. Where no gate has
room that nobody is at, the door's row decides, one caller after the other: it counts what is lent as if it
waited, and takes it back where it would else refuse. What waits is the door's `work` and `added` and the gates'
`added`. What waits and what is lent is never above what a caller without a ticket may fill while the book is
open, so nobody comes in through a gate whom the door would refuse.

Locks: nobody waits for a gate; whoever finds one taken goes on without it. So a caller may hold a gate and
wait for the door.
"""

from typing import Final

from jobs import door

# More than submissions of one line are written at the same moment.
COUNT: Final = 16
# Room is lent where so much of the bound is free, as a share of it.
LENT_FROM: Final = 0.25
# Sums of parts may differ by so many GPU-seconds from their whole.
NOTHING: Final = 1e-6

# Parts of the submit statement: `room` is the account and its line, `shown` its ticket, `adds` what the job
# adds to what waits. `passed` is `room` where a gate let it in, or where the line has no bound.
_BY_GATE: Final = f"""
chosen as materialized (
    select gate.line_id, gate.number from room join gate on gate.line_id = room.line_id
    where gate.room >= %(adds)s
    order by mod(gate.number + %(gate)s, {COUNT}) limit 1
    for no key update of gate skip locked
), by_gate as (
    update gate set room = gate.room - %(adds)s, added = gate.added + %(adds)s
    from chosen where gate.line_id = chosen.line_id and gate.number = chosen.number
    returning gate.line_id
)"""
_PASSED: Final = """, passed as (
    select room.* from room where exists (select from {let_in}) or not exists (
        select from door d where d.line_id = room.line_id and d.bound is not null)
)"""
# The same for several requests: those of one line go by one gate that has room for all of them, or by none.
BY_GATES: Final = f"""
chosen as materialized (
    select one.line_id, one.number, wanted.adds
    from (select line_id, sum(estimate) as adds from room group by line_id) wanted
    cross join lateral (
        select gate.line_id, gate.number from gate where gate.line_id = wanted.line_id and gate.room >= wanted.adds
        order by mod(gate.number + %(gate)s, {COUNT}) limit 1
        for no key update of gate skip locked
    ) one
), by_gate as (
    update gate set room = gate.room - chosen.adds, added = gate.added + chosen.adds
    from chosen where gate.line_id = chosen.line_id and gate.number = chosen.number
    returning gate.line_id
){_PASSED.format(let_in="by_gate where by_gate.line_id = room.line_id")}"""
BY_GATE_ONLY: Final = f"{_BY_GATE}{_PASSED.format(let_in='by_gate')}"
ENTER: Final = f"""{_BY_GATE}, the_door as materialized (
    select d.*, d.bound * case when exists (select from shown) then {door.WITH_TICKET}
        when d.book > statement_timestamp() then {door.WHILE_BOOKED} else {door.WITHOUT_TICKET} end as most
    from room join door d on d.line_id = room.line_id
    where d.bound is not null and d.drain > 0 and not exists (select from chosen)
    for no key update of d
), taken_back as materialized (
    select gate.line_id, gate.number, gate.room, gate.added
    from the_door join gate on gate.line_id = the_door.line_id
    where the_door.lent > 0 and the_door.work + the_door.added + the_door.lent + %(adds)s > the_door.most
    for no key update of gate skip locked
), asked as materialized (
    select *, before + %(adds)s <= most or (before <= {NOTHING}
        and (book <= statement_timestamp() or exists (select from shown))) as fits
    from (
        select the_door.*, of_gates.number, of_gates.added as by_gates, of_gates.lent as back,
            the_door.work + the_door.added + the_door.lent - of_gates.lent + of_gates.added as before
        from the_door cross join (
            select count(*) as number, coalesce(sum(added), 0) as added,
                coalesce(sum(room + added), 0) as lent
            from taken_back
        ) of_gates
    ) each
), counted as (
    update door d set added = d.added + asked.by_gates + case when asked.fits then %(adds)s else 0 end,
        lent = case when d.lent - asked.back > {NOTHING} then d.lent - asked.back else 0 end,
        fullest = case when asked.fits and asked.before > {NOTHING}
            then greatest(d.fullest, (asked.before + %(adds)s) / d.bound) else d.fullest end
    from asked where d.line_id = asked.line_id and (asked.fits or asked.number > 0)
), shut as (
    update gate set room = 0, added = 0 from taken_back
    where gate.line_id = taken_back.line_id and gate.number = taken_back.number
), let_in as materialized (
    select line_id from by_gate union all select line_id from asked where fits
){_PASSED.format(let_in="let_in")}"""
# What the gates of a door counted since it was published.
ADDED: Final = "(select coalesce(sum(gate.added), 0) from gate where gate.line_id = door.line_id)"
# The gates of new lines.
MAKE: Final = f"""
insert into gate (line_id, number, room, added)
select line_id, number, 0, 0 from unnest(%(lines)s::int[]) line_id, generate_series(0, {COUNT - 1}) number
on conflict do nothing
"""
