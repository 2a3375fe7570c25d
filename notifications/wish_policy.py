"""When a notice waits, and until when: quiet hours and the daily mail, by a person's own clock. Pure.

A time that a change of clocks leaves out counts as the same distance after the change; of one that comes twice, the
first counts. So there is one daily mail on every day of the year.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def quiet_until(now: datetime, *, begin: time, end: time, zone: ZoneInfo) -> datetime | None:
    """Give the end of the quiet hours that `now` lies in; None outside of them."""
    today = now.astimezone(zone).date()
    over_midnight = timedelta(days=1 if end <= begin else 0)
    for day in (today - timedelta(days=1), today):
        first = datetime.combine(day, begin, tzinfo=zone).astimezone(UTC)
        last = datetime.combine(day + over_midnight, end, tzinfo=zone).astimezone(UTC)
        if first <= now < last:
            return last
    return None


def next_daily(now: datetime, *, at: time, zone: ZoneInfo) -> datetime:
    """Give the next moment after `now` at which the person's clock first shows `at`."""
    day = now.astimezone(zone).date() - timedelta(days=1)
    while True:
        moment = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
        if moment > now:
            return moment
        day += timedelta(days=1)
