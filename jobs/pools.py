"""Adding, changing and removing pools. What they did stays in attempts, which keep their names.

Every change of what a pool may do goes through here, and leaves a line that says who made it and why.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from jobs import catalog, kinds, sealing, seeds
from jobs.backends import registry
from jobs.errors import InvalidField
from jobs.models import Lease, Pool, PoolChange, PoolState

# Fields whose changes are logged with their values; of secrets only that they changed.
_LOGGED: Final = (
    "driver", "profile", "url", "slots", "state", "model_names", "seconds", "sizes",
    "credits_per_second", "paid_reserved", "declared_speed", "result_hosts", "polls_per_second",
)  # fmt: skip
_SIZE: Final = re.compile(r"[1-9]\d{1,3}x[1-9]\d{1,3}")
_LARGEST: Final = 10_000
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


def remove(name: str, *, actor: str, reason: str = "") -> int:
    """Remove a pool; while jobs run there it drains instead. Gives how many run. Raises Pool.DoesNotExist."""
    with transaction.atomic():
        pool = Pool.objects.select_for_update(of=("self",)).get(name=name)
        before = _values(pool)
        running = Lease.objects.filter(pool=pool).count()
        if running:
            pool.state = PoolState.DRAINING
            pool.save(update_fields=["state"])
            _log(pool, before, actor=actor, reason=reason, secrets=[])
        else:
            pool.delete()
            kinds.settle()
            PoolChange.objects.create(
                pool=name, actor=actor, reason=reason, changed={"removed": [before, None]}
            )
    catalog.forget()
    return running


def _set(pool: Pool, settings: Mapping[str, Any]) -> list[str]:
    secrets = []
    for field, value in settings.items():
        if field in _SECRETS:
            setattr(pool, _SECRETS[field], sealing.seal(value))
            secrets.append(field)
        else:
            setattr(pool, field, value)
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
    _check_offer(pool)
    try:
        pool.clean_fields(exclude=["state_since", "polled_until"])
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        raise InvalidField(field, " ".join(texts)) from error


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


def _values(pool: Pool) -> dict[str, Any]:
    return {field: getattr(pool, field) for field in _LOGGED}


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
