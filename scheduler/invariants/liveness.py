"""What holds within the grace while the dispatcher, the relay and the upkeep workers run."""

from typing import Final

# As in safety.
LIVENESS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "leases_are_swept",
        "No lease is over for long: its attempt was recovered.",
        """
        select job_id, attempt, expires_at from lease
        where expires_at < now() - make_interval(secs => %(grace)s)
        """,
    ),
    (
        "retries_return",
        "No job waits for a due time that is long past.",
        """
        select id, due_at from job
        where state = 'queued' and finished_at is null and due_at < now() - make_interval(secs => %(grace)s)
        """,
    ),
    (
        "deadlines_are_kept",
        "No job waits long beyond the time by which it had to start or finish.",
        """
        -- Each part by its own index: whoever waits without a deadline is not read.
        select id, start_by, finish_by from job
        where state = 'queued' and finished_at is null and finish_by < now() - make_interval(secs => %(grace)s)
        union all
        select id, start_by, finish_by from job
        where state = 'queued' and finished_at is null and start_by < now() - make_interval(secs => %(grace)s)
            and not exists (select 1 from attempt where attempt.job_id = job.id and attempt.started_at is not null)
        """,
    ),
    (
        "events_are_told",
        "Every event gets its number in its owner's feed soon.",
        """
        select id, name, recorded_at from outbox_event
        where sequence is null and recorded_at < now() - make_interval(secs => %(grace)s)
        """,
    ),
    (
        "ends_are_noticed",
        "Every end that its owner is told of has its notice soon.",
        """
        select job.id, job.state from job
        left join notification n on n.subject_id = job.id and n.name = 'job.' || job.state
        where job.state in ('succeeded', 'failed', 'expired') and n.event_id is null
            and job.finished_at < now() - make_interval(secs => %(grace)s)
            -- Notices are kept for a time; those of erased accounts are gone with the prompts.
            and job.finished_at > now() - make_interval(days => %(notices_kept)s) and job.prompt <> ''
        """,
    ),
    (
        "nobody_holds_a_lock",
        "No session sits idle in a transaction.",
        """
        select pid, application_name, state_change from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%%'
            and state_change < now() - make_interval(secs => %(grace)s)
        """,
    ),
)
