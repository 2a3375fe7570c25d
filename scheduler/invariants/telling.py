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
        "one_message_id",
        "A message id stands for one event of one owner.",
        """
        select message_id, count(distinct event_id) from delivery where event_id is not null
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
        "nothing_is_parked",
        "Every subscriber heard every event (bin/manage parked_events).",
        """
        select event_id, subscriber, error from parked_event
        """,
    ),
)
