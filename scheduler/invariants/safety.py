"""What holds at any moment."""

from typing import Final

from jobs import lanes

# Name, the sentence that must be true, the statement that finds the opposite.
SAFETY: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "legal_moves",
        "A job moves only as the table of moves says.",
        """
        select job_id, from_state, to_state from job_transition
        where from_state || '>' || to_state <> all (%(moves)s)
        """,
    ),
    (
        "one_end",
        "A job ends at most once.",
        """
        select job_id, count(*) from job_transition
        where to_state in ('succeeded', 'failed', 'canceled', 'expired')
        group by job_id having count(*) > 1
        """,
    ),
    (
        "unbroken_path",
        "A job's history has no gap: each move begins where, and not before, the last one ended.",
        """
        select job_id, version from (
            select job_id, version, from_state, at,
                lag(to_state, 1, '') over w as before, lag(at) over w as earlier
            from job_transition window w as (partition by job_id order by version)
        ) steps where from_state <> before or at < earlier
        """,
    ),
    (
        "state_is_last_move",
        "A job is in the state of its last move.",
        """
        select job.id, job.state, last.to_state from job left join lateral (
            select to_state, attempt from job_transition
            where job_id = job.id order by version desc limit 1
        ) last on true
        where job.state is distinct from last.to_state or job.attempt <> last.attempt
        """,
    ),
    (
        "one_reserve",
        "Every job has one reservation, of what it reserved.",
        """
        select job.id from job left join ledger_entry e on e.job_id = job.id and e.kind = 'reserve'
        where e.id is null or e.held_delta <> job.credits_reserved
        """,
    ),
    (
        "settled_iff_ended",
        "A job is settled once when it has ended, and not before.",
        """
        select job.id, job.state, count(e.id) from job
        left join ledger_entry e on e.job_id = job.id and e.kind in ('capture', 'release')
        group by job.id
        having count(e.id) <> (job.finished_at is not null)::int
        """,
    ),
    (
        "charged_as_it_ended",
        "A finished video is charged its price, a cancelled one at most its fee, anything else nothing.",
        """
        select job.id, job.state, job.credits_charged, e.kind, e.house_delta from job
        left join ledger_entry e on e.job_id = job.id and e.kind in ('capture', 'release')
        where job.credits_charged <> coalesce(e.house_delta, 0)
            or (e.kind = 'capture') <> (job.state = 'succeeded' or job.credits_charged > 0)
            or job.credits_charged > case job.state when 'succeeded' then job.credits_reserved
                when 'canceled' then coalesce(job.cancel_fee, 0) else 0 end
            or (job.state = 'succeeded' and job.credits_charged <> job.credits_reserved)
        """,
    ),
    (
        "double_entry",
        "Every credit came from somewhere: the legs of each entry sum to zero.",
        """
        select id, kind, balance_delta, held_delta, house_delta from ledger_entry
        where balance_delta + held_delta + house_delta <> 0
        """,
    ),
    (
        "balance_is_the_sum",
        "An account's balance and what is held are the sums of its entries.",
        """
        select a.owner_id, a.balance, a.held from account a left join lateral (
            select coalesce(sum(balance_delta), 0) as balance, coalesce(sum(held_delta), 0) as held
            from ledger_entry where account_id = a.owner_id
        ) s on true
        where a.balance <> s.balance or a.held <> s.held
        """,
    ),
    (
        "never_overdrawn",
        "No account was below zero at any moment.",
        """
        select account_id, id from (
            select account_id, id, sum(balance_delta) over (partition by account_id order by id) as b
            from ledger_entry
        ) running where b < 0
        """,
    ),
    (
        "live_count",
        "An account counts its live jobs.",
        """
        select a.owner_id, a.live_count, count(job.id) from account a
        left join job on job.owner_id = a.owner_id and job.finished_at is null
        group by a.owner_id having a.live_count <> count(job.id)
        """,
    ),
    (
        "lease_iff_holding",
        "A job holds a lease of its own attempt exactly while it is dispatched or running.",
        """
        select job.id, job.state, lease.attempt from job left join lease on lease.job_id = job.id
        where (job.state in ('dispatched', 'running')) <> (lease.job_id is not null)
            or lease.attempt <> job.attempt
        """,
    ),
    (
        "attempts_counted",
        "Attempts are numbered from one without a gap, and only the last may be open.",
        """
        select job.id, job.attempt, count(a.id) from job left join attempt a on a.job_id = job.id
        group by job.id
        having count(a.id) <> job.attempt
            or count(a.id) filter (where a.ended_at is null)
                <> (job.state in ('dispatched', 'running'))::int
        """,
    ),
    (
        "one_place_in_line",
        "A waiting job stands in its line, or waits for its due time; nobody else stands there.",
        """
        select coalesce(job.id, b.job_id), job.state from job
        full join backlog b on b.job_id = job.id
        where (job.state = 'queued' and job.due_at is null) is distinct from (b.job_id is not null)
            and (job.state = 'queued' or b.job_id is not null)
        """,
    ),
    (
        "lanes_say_what_waits",
        "A lane's state, work and next job are those of the backlog.",
        lanes.WRONG,
    ),
    (
        "video_of_the_winner",
        "A video belongs to a job that succeeded, by an attempt that succeeded.",
        """
        select job.id, job.state, a.outcome from job
        left join attempt a on a.job_id = job.id and a.number = job.attempt
        where (job.state = 'succeeded') <> (job.video_url <> '')
            or (job.state = 'succeeded' and a.outcome is distinct from 'succeeded')
        """,
    ),
    (
        "event_of_every_move",
        "Every move was announced once.",
        """
        select t.job_id, t.version, count(e.id) from job_transition t
        left join outbox_event e on e.subject_id = t.job_id
            and (e.payload->>'version')::int = t.version and e.name not in ('job.cancel_requested', 'job.edited')
        group by t.job_id, t.version having count(e.id) <> 1
        """,
    ),
    (
        "gap_free_feed",
        "An owner's feed has every number from one to its head.",
        """
        select h.owner_id, h.sequence, count(e.id) from feed_head h
        left join outbox_event e on e.owner_id = h.owner_id and e.sequence is not null
        group by h.owner_id, h.sequence
        having count(e.id) <> h.sequence or max(e.sequence) <> h.sequence
        """,
    ),
    (
        "tries_counted",
        "A job used up as many tries as its attempts that counted, and never more than there are.",
        """
        select job.id, job.failed_count, count(a.id) from job left join attempt a on a.job_id = job.id
            and a.outcome = any (%(counting)s)
        group by job.id
        having job.failed_count > %(max_attempts)s or job.failed_count <> count(a.id)
        """,
    ),
    (
        "one_attempt_per_slot",
        "Two attempts never held the same slot at the same time.",
        """
        select pool, slot, job_id, number, before from (
            select pool, slot, job_id, number, granted_at,
                lag(job_id) over w as before,
                max(coalesce(ended_at, 'infinity')) over (w rows between unbounded preceding
                    and 1 preceding) as busy_until
            from attempt where slot > 0
            window w as (partition by pool, slot order by granted_at, id)
        ) held where granted_at < busy_until
        """,
    ),
    (
        "owner_within_limit",
        "An owner never holds more slots than the largest limit of the tiers of the jobs that hold them.",
        """
        select lease.owner_id, count(*), max(tier.running_limit) from lease
        join job on job.id = lease.job_id join tier on tier.name = job.tier_id
        group by lease.owner_id
        having bool_and(tier.running_limit is not null) and count(*) > max(tier.running_limit)
        """,
    ),
    (
        "one_owner",
        "Money, slots, places, events and notices of a job belong to its owner.",
        """
        select job.id, other.what from job join (
            select job_id, account_id as owner_id, 'ledger' as what from ledger_entry
                where job_id is not null
            union all select job_id, owner_id, 'lease' from lease
            union all select job_id, owner_id, 'backlog' from backlog
            union all select subject_id, owner_id, 'event' from outbox_event
            union all select subject_id, owner_id, 'notification' from notification
        ) other on other.job_id = job.id
        where other.owner_id <> job.owner_id
        """,
    ),
    (
        "video_address",
        "A video's address is one that a browser opens, and nothing else.",
        """
        select id, video_url from job where video_url <> '' and video_url !~ '^https?://[^/]+/'
        union all
        select job_id, video_url from late_result where video_url !~ '^https?://[^/]+/'
        """,
    ),
    (
        "late_is_not_won",
        "A late result is of an attempt that did not win its job.",
        """
        select l.job_id, l.attempt from late_result l join job on job.id = l.job_id
        where (job.state = 'succeeded' and job.attempt = l.attempt) or l.attempt > job.attempt
        """,
    ),
    (
        "repair_of_an_ended_attempt",
        "A recovery is of an attempt that ended.",
        """
        select r.job_id, r.attempt from recovery r
        left join attempt a on a.job_id = r.job_id and a.number = r.attempt
        where a.ended_at is null
        """,
    ),
    (
        "retry_of_an_ended_job",
        "A retry belongs to the owner of the job it repeats, which ended without a video.",
        """
        select job.id, job.retry_of from job left join job was on was.id = job.retry_of
        where job.retry_of is not null and (was.id is null or was.owner_id <> job.owner_id
            or was.finished_at is null or was.state = 'succeeded')
        """,
    ),
    (
        "notice_tells_the_end",
        "A notice says what its job became, and only once it did.",
        """
        select n.subject_id, n.name, job.state from notification n join job on job.id = n.subject_id
        where n.name like 'job.%%' and n.name <> 'job.' || job.state
        """,
    ),
    (
        "one_notice",
        "A job's end is noticed at most once.",
        """
        select subject_id, count(*) from notification
        where name in ('job.succeeded', 'job.failed', 'job.expired')
        group by subject_id having count(*) > 1
        """,
    ),
    (
        "key_of_the_job",
        "A key belongs to the job that it made, of the same owner.",
        """
        select k.owner_id, k.job_id from idempotency_key k left join job on job.id = k.job_id
        where job.id is null or job.owner_id <> k.owner_id
            or (job.idempotency_key is distinct from k.key and k.key !~ '^\x1f(same|sent):')
        """,
    ),
    (
        "within_the_bound",
        "Nobody was let in behind others beyond what may wait in the line.",
        "select line_id, fullest from door where fullest > 1 + 1e-9",
    ),
    (
        "tickets_once",
        "A ticket let in one job, of its own account, between its moments.",
        """
        select ticket.id, job.id from ticket join job on job.id = ticket.job_id
        where job.owner_id <> ticket.owner_id
            or job.created_at not between ticket.valid_from - interval '1 second'
                and ticket.valid_until + interval '1 second'
        """,
    ),
    (
        "doors_count_what_waits",
        "What was submitted to a line since its door was published is counted there.",
        """
        select door.line_id, counted.added, sum(backlog.cost) from door
        cross join lateral (
            select door.added + coalesce(sum(gate.added), 0) as added
            from gate where gate.line_id = door.line_id
        ) counted
        join backlog on backlog.line_id = door.line_id and backlog.since > door.published_at
        join line on line.id = door.line_id
        where door.bound is not null and line.tier_id <> 'standby'
        group by door.line_id, counted.added having sum(backlog.cost) > counted.added + 0.001
        """,
    ),
)
