"""What a person wants to hear of, by which channel. A row is their word; without one the default holds."""

from collections.abc import Mapping
from uuid import UUID

from notifications.models import Preference


def is_on(owner_id: UUID, name: str, channel: str, *, default: bool) -> bool:
    """Say whether an event reaches its owner by a channel."""
    found = (
        Preference.objects.filter(owner_id=owner_id, name=name, channel=channel)
        .values_list("is_on", flat=True)
        .first()
    )
    return default if found is None else found


def of_event(owner_id: UUID, name: str) -> Mapping[str, bool]:
    """Give what the owner said about an event, by channel."""
    rows = Preference.objects.filter(owner_id=owner_id, name=name)
    return dict(rows.values_list("channel", "is_on"))


def choose(owner_id: UUID, name: str, channel: str, *, is_on: bool) -> None:
    """Write down what a person wants; the same again changes nothing."""
    Preference.objects.bulk_create(
        [Preference(owner_id=owner_id, name=name, channel=channel, is_on=is_on)],
        update_conflicts=True,
        unique_fields=["owner_id", "name", "channel"],
        update_fields=["is_on"],
    )
