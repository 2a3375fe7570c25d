"""Adding, changing and removing pools. What they did stays in attempts, which keep their names.

Every change of what a pool may do goes through here, and leaves a line that says who made it and why.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs import catalog, kinds, media_hosts, seeds
from jobs.backends import registry
from jobs.backends.capabilities import Offer
from jobs.errors import InvalidField
from jobs.models import Lease, Pool, PoolChange, PoolState
from notifications import sealing, wakeup

# Fields whose changes are logged with their values; of secrets only that they changed.
_LOGGED: Final = (
    "driver", "profile", "url", "slots", "usual_slots", "restore_at", "state", "model_names", "seconds", "sizes",
    "credits_per_second", "paid_reserved", "declared_speed", "result_hosts", "field_map",
    "polls_per_second", "image_input", "can_remix",
)  # fmt: skip
_SIZE: Final = re.compile(r"[1-9]\d{1,3}x[1-9]\d{1,3}")
_LARGEST: Final = 10_000
# What is away for longer is what there usually is.
_LONGEST_CUT: Final = timedelta(days=30)
# Who gives slots back at the time that was named.
BY_THE_CLOCK: Final = "the clock"
# Empty leaves a field out.
_FIELD: Final = re.compile(r"(?:[A-Za-z_][\w.-]{0,63})?", re.ASCII)
# Each combination of model, length and size is a row.
_MOST_WISHES: Final = 2_000
_SECRETS: Final = {"key": "sealed_key", "webhook_secret": "sealed_webhook_secret"}


def put(name: str, settings: Mapping[str, Any], *, actor: str, reason: str = "") -> bool:
    """Add or update a pool, with the kinds that it can make; say whether it is new.

    `settings` are fields of its row; `key` and `webhook_secret` are sealed. Raises InvalidField.
    """
    with transaction.atomic():
        pool = Pool.objects.select_for_update(of=("self",)).filter(name=name).first()
        is_new = pool is None
        pool = pool or Pool(name=name)
        before = {} if is_new else _values(pool)
        changed = _set(pool, settings)
        if not is_new and pool.state != before["state"]:
            pool.state_reason, pool.state_since = reason, Now()
        check(pool)
        pool.save()
        seeds.add_tiers()
        kinds.settle()
        _log(pool, before, actor=actor, reason=reason, secrets=changed)
    catalog.forget()
    media_hosts.forget()
    return is_new


def change(name: str, *, actor: str, reason: str, **settings: Any) -> None:
    """Change fields of a pool under its lock. Raises Pool.DoesNotExist, InvalidField."""
    with transaction.atomic():
        pool = Pool.objects.select_for_update(of=("self",)).get(name=name)
        before = _values(pool)
        secrets = _set(pool, settings)
        if pool.state != before["state"]:
            pool.state_reason, pool.state_since = reason, Now()
        check(pool)
        pool.save()
        kinds.settle()
        _log(pool, before, actor=actor, reason=reason, secrets=secrets)
    catalog.forget()
    media_hosts.forget()


def set_capacity(
    slots: Mapping[str, int], *, actor: str, reason: str, restore_at: datetime | None = None
) -> None:
    """Set how many slots pools have for now; what they usually have is kept, and `restore` gives it back.

    At `restore_at` it comes back by itself; a later change of slots takes that promise's place. Running jobs go
    on; nothing starts above the new number. Raises InvalidField.
    """
    if not reason.strip():
        raise InvalidField(
            "reason", "Say why: it goes into the log, and the next operator reads it."
        )
    _check_return(restore_at)
    with transaction.atomic():
        found = Pool.objects.select_for_update(of=("self",)).filter(name__in=slots).order_by("name")
        pools = list(found)
        if missing := sorted(set(slots) - {pool.name for pool in pools}):
            raise InvalidField("pool", f"There is no pool {missing[0]!r}.")
        for pool in pools:
            _set_slots(pool, slots[pool.name], actor=actor, reason=reason, restore_at=restore_at)
        if restore_at and all(pool.restore_at is None for pool in pools):
            raise InvalidField("restore_at", "There is nothing to come back: these are no fewer.")


def restore(names: Iterable[str], *, actor: str, reason: str) -> dict[str, int]:
    """Give pools their usual slots back; gives the slots of those that had fewer. Raises InvalidField."""
    reduced = Pool.objects.filter(name__in=list(names), usual_slots__isnull=False)
    slots = {pool.name: pool.usual_slots or pool.slots for pool in reduced}
    set_capacity(slots, actor=actor, reason=reason)
    return slots


def restore_due() -> dict[str, int]:
    """Give the pools whose time has come their usual slots back, by the database's clock; gives their slots.

    The caller's transaction holds them until it has noted what was done.
    """
    due = Pool.objects.select_for_update(of=("self",), skip_locked=True).filter(
        restore_at__lte=Now()
    )
    found = {}
    for pool in due.order_by("name"):
        found[pool.name] = pool.usual_slots or pool.slots
        said = f"As agreed for {pool.restore_at:%H:%M} UTC."
        _set_slots(pool, found[pool.name], actor=BY_THE_CLOCK, reason=said)
    return found


def stay_reduced(names: Iterable[str], *, actor: str, reason: str) -> list[str]:
    """Take back that slots return by themselves; gives the pools of which that was so."""
    with transaction.atomic():
        found = Pool.objects.select_for_update(of=("self",)).filter(
            name__in=list(names), restore_at__isnull=False
        )
        pools = list(found.order_by("name"))
        for pool in pools:
            before = _values(pool)
            pool.restore_at = None
            pool.save(update_fields=["restore_at"])
            _log(pool, before, actor=actor, reason=reason, secrets=[])
    return [pool.name for pool in pools]


def _check_return(moment: datetime | None) -> None:
    if moment is None:
        return
    ahead = moment - timezone.now()
    if not timedelta(0) < ahead <= _LONGEST_CUT:
        raise InvalidField(
            "restore_at", f"Name a time to come, at most {_LONGEST_CUT.days} days ahead (UTC)."
        )


def _set_slots(
    pool: Pool, slots: int, *, actor: str, reason: str, restore_at: datetime | None = None
) -> None:
    if not 0 <= slots <= _LARGEST:
        raise InvalidField("slots", f"Send a number of slots from 0 to {_LARGEST:,}.")
    before = _values(pool)
    usual = pool.usual_slots or pool.slots
    is_reduced = slots < usual
    if is_reduced and pool.usual_slots is None:
        pool.reduced_since = Now()
    elif not is_reduced:
        pool.reduced_since = None
    pool.slots, pool.usual_slots = slots, usual if is_reduced else None
    pool.restore_at = restore_at if is_reduced else None
    pool.save(update_fields=["slots", "usual_slots", "reduced_since", "restore_at"])
    _log(pool, before, actor=actor, reason=reason, secrets=[])


def remove(name: str, *, actor: str, reason: str = "") -> int:
    """Remove a pool; while jobs run there it drains instead. Gives how many run. Raises Pool.DoesNotExist."""
    with transaction.atomic():
        pool = Pool.objects.select_for_update(of=("self",)).get(name=name)
        before = _values(pool)
        running = Lease.objects.filter(pool=pool).count()
        if running:
            if pool.state != PoolState.DRAINING:
                pool.state, pool.state_reason, pool.state_since = PoolState.DRAINING, reason, Now()
                pool.save(update_fields=["state", "state_reason", "state_since"])
            _log(pool, before, actor=actor, reason=reason, secrets=[])
        else:
            pool.delete()
            kinds.settle()
            PoolChange.objects.create(
                pool=name, actor=actor, reason=reason, changed={"removed": [before, None]}
            )
    catalog.forget()
    media_hosts.forget()
    return running


def _set(pool: Pool, settings: Mapping[str, Any]) -> list[str]:
    secrets = []
    for field, value in settings.items():
        if field in _SECRETS:
            setattr(pool, _SECRETS[field], sealing.seal(value))
            secrets.append(field)
        else:
            setattr(pool, field, value)
    if "slots" in settings:
        # What an operator declares is what there usually is.
        pool.usual_slots = pool.reduced_since = pool.restore_at = None
    return secrets


def check(pool: Pool) -> None:
    """Refuse a pool that its driver could not work with. Raises InvalidField."""
    drivers = registry.drivers()
    if pool.driver not in drivers:
        raise InvalidField(
            "driver", f"There is no driver {pool.driver!r}. There are: {', '.join(drivers)}."
        )
    profiles = registry.profiles(pool.driver)
    if profiles and pool.profile not in profiles:
        raise InvalidField(
            "profile",
            f"{pool.driver} has no profile {pool.profile!r}. It has: {', '.join(filter(None, profiles))}.",
        )
    if not registry.backend(pool.driver).capabilities.runs_in_worker and not pool.url:
        raise InvalidField("url", f"{pool.driver} needs the address of its server.")
    if pool.url and not pool.url.startswith(("http://", "https://")):
        raise InvalidField(
            "url", f"{pool.url!r} has no http:// or https:// in front. Is it http://{pool.url}?"
        )
    for host in pool.result_hosts:
        if not media_hosts.HOST.fullmatch(host):
            raise InvalidField(
                "result_hosts", f"{host!r} is no host. Send cdn.example.com or *.example.com."
            )
    _check_abilities(pool)
    _check_offer(pool)
    _check_server(pool)
    try:
        pool.clean_fields(exclude=["state_since", "polled_until", "told_models"])
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        raise InvalidField(field, " ".join(texts)) from error


def _check_abilities(pool: Pool) -> None:
    """Refuse abilities that the driver does not have."""
    able = registry.backend(pool.driver).capabilities
    if pool.image_input and not able.image_input:
        raise InvalidField("image_input", f"{pool.driver} cannot begin from an image.")
    if pool.can_remix and not (
        able.can_remix and (not able.remixing_profiles or pool.profile in able.remixing_profiles)
    ):
        raise InvalidField("can_remix", f"{pool.driver} {pool.profile} cannot change a video.")


def _check_offer(pool: Pool) -> None:
    """Refuse lengths, sizes and rates that no server has."""
    if not all(isinstance(length, int) and length > 0 for length in pool.seconds):
        raise InvalidField("seconds", "Send whole numbers of seconds, 1 or more.")
    for size in pool.sizes:
        if not _SIZE.fullmatch(str(size)):
            raise InvalidField(
                "sizes", f"{size!r} is no frame size. Send WIDTHxHEIGHT, such as 1280x720."
            )
    if not pool.seconds or not pool.sizes:
        raise InvalidField("sizes" if pool.seconds else "seconds", "Send at least one.")
    wishes = len(pool.model_names) * len(pool.seconds) * len(pool.sizes)
    if wishes > _MOST_WISHES:
        raise InvalidField(
            "seconds",
            f"These models, lengths and sizes make {wishes:,} combinations."
            f" At most {_MOST_WISHES:,} are possible: name fewer lengths or sizes.",
        )
    for field in ("declared_speed", "polls_per_second"):
        value = getattr(pool, field)
        if not (isinstance(value, int | float) and 0 < value <= _LARGEST):
            raise InvalidField(field, f"Send a number above 0, at most {_LARGEST:,}.")


def _check_server(pool: Pool) -> None:
    """Refuse what this kind of server never makes, and names for fields that it does not have."""
    capabilities = registry.backend(pool.driver).capabilities
    offer = Offer(
        profile=pool.profile,
        models=tuple(pool.model_names),
        seconds=tuple(pool.seconds),
        sizes=tuple(pool.sizes),
    )
    if fault := capabilities.fault_of(offer):
        raise InvalidField(*fault)
    if not isinstance(pool.field_map, dict):
        raise InvalidField("field_map", 'Send an object, such as {"duration": "num_seconds"}.')
    for ours, theirs in pool.field_map.items():
        if ours not in capabilities.fields:
            known = ", ".join(capabilities.fields) or "none"
            raise InvalidField(
                "field_map", f"{pool.driver} has no field {ours!r} to rename. It has: {known}."
            )
        if not isinstance(theirs, str) or not _FIELD.fullmatch(theirs):
            raise InvalidField("field_map", f"{theirs!r} is no field's name.")
    names = [name for name in pool.field_map.values() if name]
    if len(set(names)) < len(names):
        raise InvalidField("field_map", "Two fields have the same name.")


def _values(pool: Pool) -> dict[str, Any]:
    found = {field: getattr(pool, field) for field in _LOGGED}
    return found | {"restore_at": pool.restore_at.isoformat() if pool.restore_at else None}


def _log(
    pool: Pool, before: Mapping[str, Any], *, actor: str, reason: str, secrets: list[str]
) -> None:
    after = _values(pool)
    changed = {
        field: [before.get(field), value]
        for field, value in after.items()
        if before.get(field) != value
    }
    changed |= {secret: ["secret", "another secret"] for secret in secrets}
    if changed:
        PoolChange.objects.create(pool=pool.name, actor=actor, reason=reason, changed=changed)
        wakeup.wake_on_commit(wakeup.DISPATCHER)
