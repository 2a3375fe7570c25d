"""Rows that an installation starts with. Running it again keeps what operators changed."""

from typing import Any, Final

from django.db import transaction

from jobs import kinds
from jobs.models import Pool, Tier

TIERS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "free",
        "rank": 10,
        "weight": 10,
        "is_paid": False,
        "running_limit": 2,
        "queued_limit": 10,
        "submissions_per_minute": 20,
        "jobs_per_day": 25,
        "gpu_seconds_per_day": 900,
        "start_promise_seconds": None,
        "door_bound_seconds": 1200,
        "monthly_credits": 200,
    },
    {
        "name": "pro",
        "rank": 20,
        "weight": 30,
        "is_paid": True,
        "running_limit": 6,
        "queued_limit": 50,
        "submissions_per_minute": 300,
        "jobs_per_day": 500,
        "gpu_seconds_per_day": 36_000,
        "start_promise_seconds": 600,
        "door_bound_seconds": 300,
        "monthly_credits": 10_000,
    },
    {
        "name": "enterprise",
        "rank": 30,
        "weight": 60,
        "is_paid": True,
        "running_limit": 16,
        "queued_limit": 200,
        "submissions_per_minute": 1200,
        "jobs_per_day": 10_000,
        "gpu_seconds_per_day": 720_000,
        "start_promise_seconds": 120,
        "door_bound_seconds": 60,
        "monthly_credits": 500_000,
    },
    {
        "name": "internal",
        "rank": 5,
        "weight": 5,
        "is_paid": False,
        "running_limit": None,
        "queued_limit": None,
        "submissions_per_minute": None,
        "jobs_per_day": None,
        "gpu_seconds_per_day": None,
        "start_promise_seconds": None,
        "door_bound_seconds": None,
        "monthly_credits": 1_000_000_000,
    },
    # Chosen for a submission, not a plan: runs where nothing else waits, within its owner's own limits.
    {
        "name": "standby",
        "rank": 1,
        "weight": 0,
        "is_paid": False,
        "running_limit": None,
        "queued_limit": 20,
        "submissions_per_minute": None,
        "jobs_per_day": None,
        "gpu_seconds_per_day": None,
        "start_promise_seconds": None,
        "door_bound_seconds": None,
        "monthly_credits": 0,
    },
)


def add_tiers() -> None:
    """Create the tiers that are missing."""
    for values in TIERS:
        Tier.objects.get_or_create(name=values["name"], defaults=values)


@transaction.atomic
def add_preview_pool() -> None:
    """Create the built-in preview backend's pool, its kinds and the tiers, where missing."""
    add_tiers()
    Pool.objects.get_or_create(
        name="preview",
        defaults={
            "driver": "preview",
            "slots": 2,
            "model_names": ["preview"],
            "seconds": [2, 4, 8, 12],
            "sizes": ["854x480", "1280x720", "720x1280", "480x854"],
            "credits_per_second": 1,
        },
    )
    kinds.settle()
