"""`bin/proof alerts`: wave after wave of faults, each seen by a real Prometheus with the deployed rules."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import Final

from proofs.alerts import of_data, of_processes, of_work, rules
from proofs.alerts.causes import CAUSES, Cause
from proofs.alerts.place import Place
from proofs.alerts.prometheus import Prometheus, is_installed
from proofs.alerts.sightings import Sightings
from tests.stack import RunningStack

# The modules that register causes.
REGISTERED: Final = (of_data, of_processes, of_work)
_CALM_WITHIN: Final = 180.0


def holds() -> bool:
    """Cause everything that there is an alert for."""
    return run([])


def run(wanted: Sequence[str]) -> bool:
    """Cause the faults of these alerts, or of all; print a table; say whether each fired and cleared."""
    if not is_installed():
        print("  There is no Prometheus on this machine, and no package of it was found.")
        return False
    causes = [one for one in CAUSES if not wanted or set(one.alerts) & set(wanted)]
    alerts = [rule["alert"] for rule in rules.alerts() if not wanted or rule["alert"] in wanted]
    caused = {alert for one in causes for alert in one.alerts}
    failed = [f"{alert} has no cause" for alert in alerts if alert not in caused]
    waves = [list(members) for _, members in groupby(causes, key=lambda one: one.wave)]
    began = time.monotonic()
    with RunningStack() as stack:
        place = Place(stack)
        with place.watched() as prometheus, Sightings(prometheus) as seen:
            for number, members in enumerate(waves, start=1):
                spent = (time.monotonic() - began) / 60
                print(f"  {number}/{len(waves)} {members[0].wave} ({spent:.1f} min):", flush=True)
                for fault in _wave(place, prometheus, seen, members):
                    print(f"    FAULT {fault}", flush=True)
                    failed.append(fault)
    _tell(alerts, seen)
    for fault in failed:
        print(f"  FAULT {fault}", flush=True)
    return not failed


def _tell(alerts: Sequence[str], seen: Sightings) -> None:
    print(f"  {'alert':<20} {'fired after':>12} {'cleared after':>14}")
    for alert in alerts:
        print(
            f"  {alert:<20} {_seconds(seen.fired(alert)):>12} {_seconds(seen.cleared(alert)):>14}"
        )
    whole = [one for one in alerts if seen.fired(one) is not None and seen.cleared(one) is not None]
    print(f"  {len(whole)} of {len(alerts)} alerts fired and cleared.", flush=True)


def _seconds(found: float | None) -> str:
    return "never" if found is None else f"{found:.0f} s"


def _wave(
    place: Place, prometheus: Prometheus, seen: Sightings, causes: Sequence[Cause]
) -> Iterator[str]:
    try:
        prometheus.wait(lambda found: not found, "nothing fires", patience=_CALM_WITHIN)
    except TimeoutError as late:
        yield f"before {causes[0].wave}: {late}"
    faults = ExitStack()
    for one in causes:
        try:
            faults.enter_context(_caused(one, place, seen))
        except Exception as error:  # noqa: BLE001 - said, and the others are still shown
            yield f"{', '.join(one.alerts)} could not be caused: {error!r}"
        else:
            print(f"    caused: {', '.join(one.alerts)}", flush=True)
    yield from _awaited(prometheus, causes, seen, is_firing=True)
    try:
        faults.close()
    except Exception as error:  # noqa: BLE001 - as above
        yield f"{causes[0].wave} could not be taken back: {error!r}"
    yield from _awaited(prometheus, causes, seen, is_firing=False)


@contextmanager
def _caused(cause: Cause, place: Place, seen: Sightings) -> Iterator[None]:
    """Cause a fault, and note when it began and when it ended."""
    seen.begin(cause.alerts)
    with cause.fault(place):
        try:
            yield
        finally:
            seen.end(cause.alerts)


def _awaited(
    prometheus: Prometheus, causes: Sequence[Cause], seen: Sightings, *, is_firing: bool
) -> Iterator[str]:
    began = time.monotonic()
    for one in causes:
        for alert in one.alerts:
            patience = one.within if is_firing else one.cleared_within
            left = max(1.0, began + patience - time.monotonic())

            def as_wished(_: set[str], alert: str = alert) -> bool:
                return (seen.fired(alert) if is_firing else seen.cleared(alert)) is not None

            what = f"{alert} {'fires' if is_firing else 'clears'}"
            if not is_firing and seen.fired(alert) is None:
                continue
            try:
                prometheus.wait(as_wished, what, patience=left)
            except TimeoutError as late:
                yield str(late)
            else:
                after = seen.fired(alert) if is_firing else seen.cleared(alert)
                print(f"    {what} after {_seconds(after)}", flush=True)


def main() -> int:
    """Cause the faults of some alerts."""
    parser = argparse.ArgumentParser(prog="python -m proofs.alerts.proof")
    parser.add_argument("alerts", nargs="*", metavar="ALERT")
    return not run(parser.parse_args().alerts)


if __name__ == "__main__":
    sys.exit(main())
