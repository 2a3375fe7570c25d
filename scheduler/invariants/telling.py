"""What holds of events on their way to people and programs."""

from typing import Final

# As in safety.
TELLING_SAFETY: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "delivered_once",
        "Nothing is delivered more often than it was planned and replayed.",
        """
        select d.id, d.channel, count(a.id) from delivery d
        join delivery_attempt a on a.delivery_id = d.id and a.outcome = 'delivered'
        group by d.id having count(a.id) > 1 + d.replay_count
        """,
    ),
    (
        "delivered_iff_taken",
        "A delivery counts as delivered exactly when its last try was taken.",
        """
        select d.id, d.state, last.outcome from delivery d left join lateral (
            select outcome from delivery_attempt where delivery_id = d.id order by number desc limit 1
        ) last on true
        where (d.state = 'delivered') <> coalesce(last.outcome = 'delivered', false)
            and d.state in ('delivered', 'abandoned', 'skipped')
            -- Codes and the like are sent at once, by no route and without tries.
            and d.name <> 'account.mail'
        """,
    ),
    (
        "delivery_of_its_owner",
        "A delivery belongs to the owner of its event, and says the same.",
        """
        select d.id, d.name, e.name from delivery d join outbox_event e on e.id = d.event_id
        where d.owner_id <> e.owner_id or d.name <> e.name or d.subject_id <> e.subject_id
        """,
    ),
    (
        "in_one_summary",
        "What is in a summary has one, of the same person and target.",
        """
        select part.id, part.summary_id from delivery part
        left join delivery whole on whole.id = part.summary_id
        where part.state = 'merged' and (whole.id is null or whole.owner_id <> part.owner_id
            or whole.channel <> part.channel or whole.target <> part.target)
            and part.ended_at > now() - interval '1 day'
        """,
    ),
    (
        "one_message_id",
        "A message id stands for one event of one owner.",
        """
        select message_id, count(distinct event_id) from delivery
        where event_id is not null and message_id <> ''
        group by message_id having count(distinct event_id) > 1 or count(distinct owner_id) > 1
        """,
    ),
)
TELLING_LIVENESS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "endpoints_are_told",
        "Every end has a delivery for each endpoint of its owner that listened then and listens still.",
        """
        select e.id, w.id from outbox_event e
        join webhook_endpoint w on w.owner_id = e.owner_id and w.disabled_at is null
            and w.listens_since <= e.recorded_at
            and w.event_types @> case e.name when 'job.succeeded' then '"video.completed"'
                else '"video.failed"' end::jsonb
        left join delivery d on d.event_id = e.id and d.channel = 'webhook' and d.target = w.id::text
        where e.name in ('job.succeeded', 'job.failed', 'job.expired') and d.id is null
            and e.recorded_at between now() - interval '7 days'
                and now() - make_interval(secs => %(grace)s)
        """,
    ),
    (
        "deliveries_are_tried",
        "No delivery is due for long, unless its target is paused.",
        """
        select d.id, d.channel, d.due_at from delivery d
        left join delivery_route l on l.channel = d.channel and l.target = d.target
        where d.state = 'scheduled' and d.due_at < now() - make_interval(secs => %(grace)s)
            and (l.next_at is null or l.next_at < now() - make_interval(secs => %(grace)s))
        """,
    ),
    (
        "held_notices_go_on",
        "No notice waits beyond its time.",
        """
        select id, channel, due_at from delivery
        where state = 'held' and due_at < now() - make_interval(secs => %(grace)s)
        """,
    ),
    (
        "batches_end",
        "Every batch whose jobs have all ended is told.",
        """
        select batch.id from batch join job on job.batch_id = batch.id
        where batch.closed_at < now() - make_interval(secs => %(grace)s)
            and batch.closed_at > greatest(now() - interval '7 days', batch.created_at)
        group by batch.id
        having max(job.finished_at) < now() - make_interval(secs => %(grace)s)
            and bool_and(job.finished_at is not null)
            and not exists (select 1 from outbox_event
                where name = 'batch.ended' and subject_id = batch.id)
        """,
    ),
    (
        "nothing_is_parked",
        "Every subscriber heard every event (bin/manage parked_events).",
        """
        select event_id, subscriber, error from parked_event
        """,
    ),
)
