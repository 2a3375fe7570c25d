"""Erasing what a person was told, where, and how they wanted it."""

from collections.abc import Mapping
from typing import Final

from notifications import deliveries

# As in jobs/erasure.py: an owner, the key after which to go on, how many rows; the keys of the rows dealt with.
_NOTIFICATIONS: Final = """
delete from notification where id in (
    select id from notification where owner_id = %(owner)s order by id desc limit %(limit)s
) returning ''::text as at, ''::text as id
"""
_ENDPOINTS: Final = """
delete from webhook_endpoint where id in (
    select id from webhook_endpoint where owner_id = %(owner)s order by id limit %(limit)s
) returning ''::text as at, ''::text as id
"""
_PREFERENCES: Final = """
delete from notification_preference where id in (
    select id from notification_preference where owner_id = %(owner)s limit %(limit)s
) returning ''::text as at, ''::text as id
"""
_WISHES: Final = """
delete from notification_wishes where owner_id = %(owner)s returning ''::text as at, ''::text as id
"""
_BROWSERS: Final = """
delete from push_subscription where id in (
    select id from push_subscription where owner_id = %(owner)s order by id limit %(limit)s
) returning ''::text as at, ''::text as id
"""
_DEVICES: Final = """
delete from push_device where id in (
    select id from push_device where owner_id = %(owner)s order by id limit %(limit)s
) returning ''::text as at, ''::text as id
"""
# The words of a failure may repeat what was asked for. Numbers of the feed stay, so that it has no gap.
_EVENTS: Final = """
with chosen as (
    select id, sequence from outbox_event
    where owner_id = %(owner)s and sequence > %(id)s::bigint order by sequence limit %(limit)s
), erased as (
    update outbox_event set payload = payload - 'error' from chosen
    where outbox_event.id = chosen.id and payload ? 'error'
)
select ''::text as at, sequence::text as id from chosen order by sequence
"""
STEPS: Final[Mapping[str, str]] = {
    "endpoints": _ENDPOINTS,
    "browsers": _BROWSERS,
    "push_devices": _DEVICES,
    "deliveries": deliveries.ERASE,
    "notifications": _NOTIFICATIONS,
    "preferences": _PREFERENCES,
    "wishes": _WISHES,
    "events": _EVENTS,
}
