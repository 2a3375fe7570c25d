"""Fills what lanes say about the backlog, marks the paid tiers, and adds the standby tier with its lines."""

from django.db import migrations

_FILL = """
update backlog set since = job.created_at from job where job.id = backlog.job_id;
update lane set state = case when head.job_id is null then 0 else greatest(lane.state, 1) end,
    work = coalesce(head.work, 0), head_id = head.job_id, head_cost = head.cost,
    head_since = head.since
from lane l left join lateral (
    select job_id, cost, since, (
        select sum(cost) from backlog b where b.owner_id = l.owner_id and b.line_id = l.line_id
    ) as work
    from backlog where backlog.owner_id = l.owner_id and backlog.line_id = l.line_id
    order by job_id limit 1
) head on true
where lane.owner_id = l.owner_id and lane.line_id = l.line_id;
update tier set is_paid = true where name in ('pro', 'enterprise');
insert into tier (name, rank, weight, is_paid, queued_limit, monthly_credits)
values ('standby', 1, 0, false, 20, 0) on conflict do nothing;
insert into line (tier_id, kind)
select distinct 'standby', kind from line where exists (select 1 from tier where name = 'standby')
on conflict do nothing;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_fair_rows")]
    operations = [migrations.RunSQL(_FILL, migrations.RunSQL.noop)]
