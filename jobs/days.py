"""A day as its owner lives it: in a time zone, from midnight to midnight."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from jobs.requests import InvalidFields


def zone(name: str) -> ZoneInfo:
    """Read an IANA time zone. Raises InvalidFields."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise InvalidFields(
            {"tz": f"There is no time zone {name[:64]!r}. Send a name such as Europe/Lisbon."}
        ) from None


def day(name: str, *, zone: ZoneInfo) -> date:
    """Read `today` or a date as YYYY-MM-DD. Raises InvalidFields."""
    if name == "today":
        return timezone.now().astimezone(zone).date()
    try:
        return date.fromisoformat(name)
    except ValueError:
        raise InvalidFields({"day": "Send today, or a date as YYYY-MM-DD."}) from None


def bounds(day: date, *, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Give the day's first moment and the next day's."""
    try:
        start = datetime.combine(day, time(), tzinfo=zone)
        return start, datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
    except OverflowError:
        raise InvalidFields({"day": "This date is out of range."}) from None
