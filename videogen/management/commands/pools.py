"""Says how each pool does: state, slots, failures, times, and how the ends of its attempts were learned."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs import pool_health, pool_reports
from jobs.pool_reports import Report


class Command(BaseCommand):
    help = "Show every pool: state, slots, failures, times, and how ends were learned."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--minutes", type=float, default=60.0, help="how far to look back (60)")

    def handle(self, *_: Any, minutes: float, **__: Any) -> None:
        found = pool_reports.reports(window_seconds=60 * minutes, bad=pool_health.BAD)
        for report in found:
            for line in _lines(report, minutes):
                self.stdout.write(line)
        if not found:
            self.stdout.write("There is no pool. Add one: bin/manage add_pool --help")


def _of_server(report: Report) -> list[str]:
    """Say how the server is, and what it says of itself."""
    if report.refuses_key:
        return [f"its server refuses our key: {report.last_error}. Give it with add_pool --key -"]
    if report.is_breaker_open:
        return [f"its server does not answer: {report.last_error}"]
    if report.answered_at:
        return [f"its server answered at {report.answered_at:%H:%M:%S} UTC", *report.hints]
    if report.url:
        said = f": {report.last_error}" if report.last_error else "; it is asked in a moment"
        return [f"its server has never answered{said}"]
    return []


def _lines(report: Report, minutes: float) -> list[str]:
    speaks = f"{report.driver} {report.profile}".strip()
    lines = [
        f"{report.name} ({speaks}): {report.state}, {report.held} of {report.slots} slots held"
    ]
    if report.state_reason:
        lines.append(f"  why: {report.state_reason}")
    lines += [f"  {line}" for line in _of_server(report)]
    ended = report.succeeded + report.failed
    if ended:
        rate = f"{100 * (report.failure_rate or 0):.0f} % failed"
        took = (
            f", usually {report.median:.0f} s, 1 in 20 over {report.p95:.0f} s"
            if report.median
            else ""
        )
        lines.append(f"  {ended} attempts in {minutes:g} minutes: {rate}{took}")
        shares = [f"{count} by {name.value}" for name, count in report.learned.items() if count]
        if shares:
            lines.append(f"  videos first learned: {', '.join(shares)}")
    if report.open_orphans:
        lines.append(f"  {report.open_orphans} orphans are being looked for or stopped")
    return lines
