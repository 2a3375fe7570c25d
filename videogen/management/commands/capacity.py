"""Shows and changes how many slots pools have for now, with what it would mean for those who wait."""

from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs import pools
from jobs.errors import InvalidField
from jobs.models import Pool
from scheduler import foresight

_ALL = 100


class Command(BaseCommand):
    help = (
        "Show the pools' slots, or set fewer for now: --percent 50, or --pool NAME --slots N;"
        " --restore gives the usual ones back. Says first what it would mean for each tier."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", help="only this one")
        wanted = parser.add_mutually_exclusive_group()
        wanted.add_argument("--slots", type=int, help="so many slots in the pool")
        wanted.add_argument("--percent", type=int, help="so much of the usual slots, 0 to 100")
        wanted.add_argument("--restore", action="store_true", help="the usual slots again")
        parser.add_argument(
            "--restore-at",
            type=datetime.fromisoformat,
            help="2026-11-21T18:00, UTC: back by itself",
        )
        parser.add_argument("--reason", default="", help="for the log of changes")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *_: Any, **options: Any) -> None:
        found = self._pools(options["pool"])
        wanted = self._wanted(found, options)
        for pool in found:
            self.stdout.write(_line(pool, wanted.get(pool.name)))
        for outcome in foresight.foresee(wanted):
            now, then = foresight.in_words(outcome.now), foresight.in_words(outcome.then)
            changes = f", then {then}" if wanted and now != then else ""
            self.stdout.write(f"  {outcome.tier:<12} {now}{changes}")
        if not wanted:
            if options["restore"]:
                self.stdout.write("Every pool has its usual slots already.")
            return
        reason = options["reason"] or ("Back to usual." if options["restore"] else "")
        if not reason and not options["yes"]:
            self.stdout.write('Nothing was changed. With --reason "..." it asks, and does it.')
            return
        if not options["yes"] and not _agrees():
            self.stdout.write("Nothing was changed.")
            return
        try:
            pools.set_capacity(
                wanted,
                actor="bin/manage capacity",
                reason=reason,
                restore_at=_utc(options["restore_at"]),
            )
        except InvalidField as error:
            raise CommandError(f"--{error.field.replace('_', '-')}: {error.message}") from error
        back = (
            ""
            if options["restore"] or options["restore_at"]
            else " `--restore` gives the usual slots back."
        )
        self.stdout.write(f"Done. What runs goes on.{back}")

    @staticmethod
    def _pools(name: str | None) -> list[Pool]:
        found = list(Pool.objects.filter(**({"name": name} if name else {})).order_by("name"))
        if not found:
            said = f"There is no pool {name!r}." if name else "There is no pool."
            raise CommandError(f"{said} `bin/manage pools` lists them.")
        return found

    @staticmethod
    def _wanted(found: list[Pool], options: Mapping[str, Any]) -> dict[str, int]:
        slots, percent = options["slots"], options["percent"]
        if options["restore"]:
            return {pool.name: pool.usual_slots for pool in found if pool.usual_slots is not None}
        if slots is not None:
            if options["pool"] is None:
                raise CommandError("--slots needs --pool. For all pools there is --percent.")
            return {pool.name: slots for pool in found}
        if percent is None:
            return {}
        if not 0 <= percent <= _ALL:
            raise CommandError("--percent must be from 0 to 100.")
        return {pool.name: (pool.usual_slots or pool.slots) * percent // _ALL for pool in found}


def _utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _agrees() -> bool:
    """Ask whoever started the command. Raises CommandError where nobody can answer."""
    try:
        return input("Do it? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        raise CommandError("Nothing was changed: nobody answered. --yes asks nobody.") from None


def _line(pool: Pool, wanted: int | None) -> str:
    usual = f" of {pool.usual_slots}" if pool.usual_slots is not None else ""
    change = f" -> {wanted}" if wanted is not None else ""
    return f"{pool.name} ({pool.state}): {pool.slots}{usual} slots{change}"
