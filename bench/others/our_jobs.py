"""Ours, called in the same way: `submission.submit` by threads of one process. `CALLERS SECONDS LIVES`.

The database is that of the environment, and is migrated already; lives are measured by `bin/bench lives`.
"""

import sys
from uuid import UUID

import django

from bench.others.reporting import by_threads, tell

_ACCOUNTS = 1_000


def main(callers: int, seconds: float) -> None:
    """Submit for so long."""
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup

    from jobs import requests, seeds, submission  # noqa: PLC0415
    from jobs.idempotency import Claim  # noqa: PLC0415
    from jobs.models import Account  # noqa: PLC0415
    from videogen.accounts import load  # noqa: PLC0415

    call_command("migrate", interactive=False, verbosity=0)
    seeds.add_preview_pool()
    if not Account.objects.exists():
        for _ in load.seed(_ACCOUNTS, tier="internal"):
            pass
    owners = [UUID(str(owner)) for owner in Account.objects.values_list("owner_id", flat=True)]

    def enqueue(number: int) -> object:
        wanted = requests.read({"prompt": f"A lighthouse at dusk, take {number}", "seconds": 4})
        return submission.submit(
            wanted, owner_id=owners[number % len(owners)], claim=Claim.by_key(f"take {number}")
        )

    tell(by_threads(enqueue, callers=callers, seconds=seconds), seconds=seconds)


main(int(sys.argv[1]), float(sys.argv[2]))
