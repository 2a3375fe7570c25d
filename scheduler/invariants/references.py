"""What rows point at is there, where no constraint looks for it at each write (ADR 36)."""

from typing import Final

# As in safety.
REFERENCES: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "waits_in_a_line_that_is_there",
        "The line in which a job waits is there.",
        """
        select backlog.job_id, backlog.line_id from backlog left join line on line.id = backlog.line_id
        where line.id is null
        """,
    ),
    (
        "tier_is_there",
        "A job's tier is there.",
        """
        select job.id, job.tier_id from job left join tier on tier.name = job.tier_id
        where tier.name is null
        """,
    ),
    (
        "owner_is_there",
        "A job's owner is there.",
        """
        select job.id, job.owner_id from job left join account_user on account_user.id = job.owner_id
        where account_user.id is null
        """,
    ),
    (
        "of_a_job_that_is_there",
        "Moves, attempts and leases are of a job that is there.",
        """
        select of.job_id, of.what from (
            select job_id, 'move' as what from job_transition
            union all select job_id, 'attempt' from attempt
            union all select job_id, 'lease' from lease
        ) of left join job on job.id = of.job_id where job.id is null
        """,
    ),
)
