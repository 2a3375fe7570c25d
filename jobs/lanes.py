"""How a lane's figures follow the backlog: its work, and its next job.

Whoever adds or removes a backlog row holds the lane's lock and writes the lane in the same transaction, so
the figures are exact and no reader adds up what waits. A lane is empty exactly while nothing waits in it.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from jobs import lane_tags, progress

_VIRTUAL_TIME: Final = progress.VIRTUAL_TIME.format(line="lane.line_id")
# Of `insert into lane as l`: a job joins. Its id is its place, so one that comes back goes before later ones.
JOINED: Final = """
        state = greatest(l.state, 1),
        tag = case when l.state = 0 then greatest(l.tag, excluded.tag) else l.tag end,
        work = l.work + excluded.work,
        jobs = l.jobs + 1,
        head_id = least(l.head_id, excluded.head_id),
        head_cost = case when l.head_id < excluded.head_id then l.head_cost
            else excluded.head_cost end,
        head_since = case when l.head_id < excluded.head_id then l.head_since
            else greatest(excluded.head_since, l.counts_from) end"""
# Jobs left: the lane's figures by its next job, `head`, the work that left with them, and how many they were.
LEFT: Final = """
        work = case when head.job_id is null then 0 else greatest(lane.work - {work}, 0) end,
        jobs = lane.jobs - {jobs},
        head_id = head.job_id,
        head_cost = head.cost,
        head_since = case when head.job_id is not null
            then greatest(head.since, lane.counts_from) end"""
# Slots came back, `freed`: the tiers' shares get what they took, the lanes' tags are put right, and lanes that
# an owner's limit held back are open again, without credit for that time.
FREED: Final = f"""), used as (
    insert into slot_use (pool_name, tier_name, service)
    select freed.pool_id, tier.name, freed.held / tier.weight
    from freed join line on line.id = freed.line_id join tier on tier.name = line.tier_id
    where tier.weight > 0
), owner as (
    select distinct owner_id from freed
), given_back as (
    select owner_id, line_id, sum(case when owner_pays_time then held else 0 end - estimate) as step
    from freed group by owner_id, line_id
), full_before as (
    -- This statement still sees the leases that it deletes.
    select owner.owner_id,
        make_interval(secs => {lane_tags.OWN_DOING} * coalesce(tier.door_bound_seconds, 0)) as own_doing
    from owner join account on account.owner_id = owner.owner_id
    join tier on tier.name = account.tier_id
    where tier.running_limit
        <= (select count(*) from lease where lease.owner_id = owner.owner_id)
), reopened as (
    update lane set
        state = least(lane.state, 1),
        tag = case when given_back.line_id is not null
            then greatest(
                lane.tag + given_back.step, {_VIRTUAL_TIME} - {lane_tags.LARGEST_REFUND})
            else greatest(lane.tag, {_VIRTUAL_TIME}) end,
        counts_from = greatest(lane.counts_from, now() - full_before.own_doing),
        head_since = case when lane.state > 0
            then greatest(lane.head_since, now() - full_before.own_doing) end
    from owner cross join line
    left join full_before on full_before.owner_id = owner.owner_id
    left join given_back on given_back.owner_id = owner.owner_id and given_back.line_id = line.id
    where lane.owner_id = owner.owner_id and line.id = lane.line_id
        and (given_back.line_id is not null or lane.state = 2
            or (lane.state = 1 and full_before.own_doing is not null))
"""
# Lanes that do not say what waits in them. One statement sees one moment, so a lane found here is wrong.
WRONG: Final = """
select coalesce(lane.owner_id, waiting.owner_id), coalesce(lane.line_id, waiting.line_id)
from lane full join (
    select owner_id, line_id, sum(cost) as work, count(*) as jobs from backlog
    group by owner_id, line_id
) waiting on waiting.owner_id = lane.owner_id and waiting.line_id = lane.line_id
left join lateral (
    select job_id, cost, since from backlog
    where backlog.owner_id = waiting.owner_id and backlog.line_id = waiting.line_id
    order by job_id limit 1
) head on true
where lane.owner_id is null
    or (lane.state = 0) <> (head.job_id is null)
    or lane.jobs <> coalesce(waiting.jobs, 0)
    or lane.head_id is distinct from head.job_id
    or lane.head_cost is distinct from head.cost
    or lane.head_since is distinct from
        case when head.job_id is not null then greatest(head.since, lane.counts_from) end
    or abs(lane.work - coalesce(waiting.work, 0)) > 0.001 + 1e-9 * coalesce(waiting.work, 0)
"""
_LOCK: Final = f"""
insert into lane as l (owner_id, line_id, state, tag)
select %(owner)s, id, 0, {progress.VIRTUAL_TIME.format(line="line.id")} from line where id = %(line)s
on conflict (owner_id, line_id) do update set state = l.state
"""
_MEND: Final = """
update lane set state = case when head.job_id is null then 0 else 1 end,
    work = case when head.job_id is null then 0 else (
        select sum(cost) from backlog where owner_id = %(owner)s and line_id = %(line)s) end,
    jobs = (select count(*) from backlog where owner_id = %(owner)s and line_id = %(line)s),
    head_id = head.job_id,
    head_cost = head.cost,
    head_since = case when head.job_id is not null then greatest(head.since, lane.counts_from) end
from (select 1) one left join lateral (
    select job_id, cost, since from backlog where owner_id = %(owner)s and line_id = %(line)s
    order by job_id limit 1
) head on true
where lane.owner_id = %(owner)s and lane.line_id = %(line)s
"""
# A line that was empty saved up nothing.
_READMIT: Final = f"""
update lane set tag = greatest(lane.tag, {_VIRTUAL_TIME})
where owner_id = %s and line_id = %s and state = 0
"""
# Those that were granted or cancelled meanwhile are gone from there.
_MOVE: Final = """
update backlog set line_id = %(target)s
where job_id = any(%(jobs)s) and owner_id = %(owner)s and line_id = %(source)s
"""


def lock(owner_id: UUID, line_id: int) -> None:
    """Lock an owner's lane in a line, making an empty one where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, {"owner": owner_id, "line": line_id})


def mend(owner_id: UUID, line_id: int) -> None:
    """Write a lane anew from the backlog. The caller holds its lock."""
    with connection.cursor() as cursor:
        cursor.execute(_MEND, {"owner": owner_id, "line": line_id})


def move(job_ids: Sequence[UUID], *, owner_id: UUID, source: int, target: int) -> int:
    """Let waiting jobs of an owner wait in another line, in their order; gives how many still waited.

    In one transaction, under the locks of both lanes.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        for line in sorted((source, target)):
            lock(owner_id, line)
        cursor.execute(_READMIT, [owner_id, target])
        cursor.execute(
            _MOVE,
            {"jobs": list(job_ids), "owner": owner_id, "source": source, "target": target},
        )
        moved = int(cursor.rowcount)
        mend(owner_id, source)
        mend(owner_id, target)
    return moved
