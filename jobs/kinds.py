"""Which kind of job each thing that can be asked for is: the set of pools that can make it.

A pool's lengths, sizes and models may change while jobs wait. What they wait for then belongs to another
kind: `settle` writes the new ones in the transaction of the change and takes the changed pool out of the
old ones at once, so that it is given nothing that it cannot make; `scheduler/rekinding.py` moves the jobs.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.models import Kind, Line, Offering, Pool, Tier

# Of what no pool can make any more.
NO_POOL: Final = "-"
_LONGEST: Final = 64
_DIGEST: Final = 8
# Settling is one at a time; any number that no other part of the project locks.
_LOCK: Final = 7002

# What can be asked for: model, seconds, size.
Wish = tuple[str, int, str]


def makers(pools: Iterable[Pool]) -> dict[Wish, frozenset[str]]:
    """Give the names of the pools that can make each thing, in whatever state they are."""
    found: dict[Wish, set[str]] = {}
    for pool in pools:
        for model in pool.model_names:
            for seconds in pool.seconds:
                for size in pool.sizes:
                    found.setdefault((model, seconds, size), set()).add(pool.name)
    return {wish: frozenset(names) for wish, names in found.items()}


def name_of(pools: frozenset[str]) -> str:
    """Name the kind of jobs that these pools can make."""
    name = "+".join(sorted(pools)) or NO_POOL
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: _LONGEST - _DIGEST - 1]}~{digest}"


@transaction.atomic
def settle() -> None:
    """Write what can be asked for now, the kinds and their lines; with a change, in its transaction."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    made = makers(Pool.objects.all())
    before = {
        (model, seconds, size): kind
        for model, seconds, size, kind in Offering.objects.values_list(
            "model", "seconds", "size", "kind_id"
        )
    }
    now = {wish: name_of(names) for wish, names in made.items()}
    _add_kinds({frozenset(), *made.values()})
    add_lines()
    _offer({wish: kind for wish, kind in now.items() if before.get(wish) != kind})
    left = [wish for wish, kind in before.items() if now.get(wish) != kind]
    _withdraw([wish for wish in left if wish not in now])
    _leave([(before[wish], made.get(wish, frozenset())) for wish in left])
    if now.keys() - before.keys():
        # Some of what nobody could make can be made again.
        _leave([(NO_POOL, frozenset())])


def add_lines() -> None:
    """Create the line of every tier for every kind, where missing."""
    # What is there already is left out first: a conflict would use up one of the few ids.
    known = set(Line.objects.values_list("tier_id", "kind"))
    tiers = Tier.objects.order_by("rank").values_list("name", flat=True)
    names = list(Kind.objects.order_by("name").values_list("name", flat=True))
    Line.objects.bulk_create(
        [
            Line(tier_id=tier, kind=kind)
            for tier in tiers
            for kind in names
            if (tier, kind) not in known
        ],
        ignore_conflicts=True,
    )


def _add_kinds(sets: Iterable[frozenset[str]]) -> None:
    Kind.objects.bulk_create(
        [
            Kind(name=name_of(names), pools=sorted(names), usable=sorted(names))
            for names in sorted(sets, key=sorted)
        ],
        ignore_conflicts=True,
    )


def _offer(kinds: Mapping[Wish, str]) -> None:
    Offering.objects.bulk_create(
        [
            Offering(model=model, seconds=seconds, size=size, kind_id=kind)
            for (model, seconds, size), kind in sorted(kinds.items())
        ],
        update_conflicts=True,
        unique_fields=["model", "seconds", "size"],
        update_fields=["kind"],
    )


def _withdraw(wishes: Iterable[Wish]) -> None:
    for model, seconds, size in wishes:
        Offering.objects.filter(model=model, seconds=seconds, size=size).delete()


def _leave(left: Iterable[tuple[str, frozenset[str]]]) -> None:
    """Keep the pools of these kinds to those that can also make what is about to leave them."""
    makers_left: dict[str, list[frozenset[str]]] = {}
    for kind, names in left:
        makers_left.setdefault(kind, []).append(names)
    for row in Kind.objects.select_for_update().filter(name__in=makers_left).order_by("name"):
        row.usable = sorted(frozenset(row.usable).intersection(*makers_left[row.name]))
        row.left_at, row.moved_to = Now(), None
        row.save(update_fields=["usable", "left_at", "moved_to"])
