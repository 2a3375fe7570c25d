"""Faults by the alert that they must raise: each a context, gone when it is left."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from proofs.alerts.place import Place

Fault = Callable[[Place], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A fault, the alerts that it raises, and how long each may take to fire and to clear, seconds."""

    alerts: tuple[str, ...]
    fault: Fault
    within: float = 90.0
    cleared_within: float = 180.0
    # Faults of one wave are there at the same time; those that keep others from showing have their own.
    wave: str = ""


CAUSES: Final[list[Cause]] = []


def cause(
    *alerts: str, wave: str, within: float = 90.0, cleared_within: float = 180.0
) -> Callable[[Fault], Fault]:
    """Register a fault as what raises these alerts."""

    def register(fault: Fault) -> Fault:
        CAUSES.append(
            Cause(
                alerts=alerts,
                fault=fault,
                within=within,
                cleared_within=cleared_within,
                wave=wave,
            )
        )
        return fault

    return register


def of(alert: str) -> Cause:
    """Give what raises an alert. Raises StopIteration where nothing does."""
    return next(one for one in CAUSES if alert in one.alerts)
