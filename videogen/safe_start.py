"""Refuses to start with settings that nobody wants in production: each complaint names its variable and a way out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_SHORTEST: Final = 40
# Letters of a random secret differ; those of a placeholder or a pattern do not.
_FEWEST_LETTERS: Final = 10
_PLACEHOLDERS: Final = ("django-insecure", "change-me", "changeme", "your-secret", "secret-key")
_WELL_KNOWN: Final = frozenset(
    {"postgres", "password", "videogen", "changeme", "secret", "admin", "redis", "test", "example"}
)
_HERE: Final = frozenset({"", "127.0.0.1", "::1", "localhost"})


def check(
    *,
    is_development: bool,
    secrets: Mapping[str, Sequence[str]],
    allowed_hosts: Sequence[str],
    public_url: str,
    database_password: str,
    redis_url: str,
    has_staff_second_factor: bool,
) -> None:
    """Let a developer's machine pass, and elsewhere what is safe. Raises ImproperlyConfigured with every complaint."""
    if is_development:
        return
    complaints = [
        *_of_secrets(secrets),
        *_of_addresses(allowed_hosts, public_url),
        *_of_servers(database_password, redis_url),
    ]
    if not has_staff_second_factor:
        complaints.append("STAFF_SECOND_FACTOR may be 0 on a developer's machine only: unset it.")
    if complaints:
        raise ImproperlyConfigured(" ".join(complaints))


def _of_secrets(secrets: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, values in secrets.items():
        for value in values:
            if len(value) < _SHORTEST:
                yield f"{name} has {len(value)} characters: use 50 random ones."
            elif len(set(value)) < _FEWEST_LETTERS or _is_placeholder(value):
                yield f"{name} can be guessed: use 50 random characters."


def _of_addresses(allowed_hosts: Sequence[str], public_url: str) -> Iterator[str]:
    if not allowed_hosts:
        yield "ALLOWED_HOSTS is not set: list the host names that requests may name."
    elif any(host == "*" or host.strip(".") == "" for host in allowed_hosts):
        yield "ALLOWED_HOSTS lets every host in: list your names."
    parts = urlsplit(public_url)
    if parts.scheme != "https" or not parts.hostname:
        yield "PUBLIC_URL must be the https address that browsers use."


def _of_servers(database_password: str, redis_url: str) -> Iterator[str]:
    # Without one, the server asks for something else: a socket's owner, a certificate.
    if database_password.lower() in _WELL_KNOWN:
        yield "DATABASE_URL has a password that everybody tries first: use a random one."
    redis = urlsplit(redis_url)
    if redis.scheme == "unix" or ((redis.hostname or "") in _HERE and not redis.password):
        return
    if not redis.password:
        yield "REDIS_URL has no password, and its server is on another machine: set one."
    elif redis.password.lower() in _WELL_KNOWN:
        yield "REDIS_URL has a password that everybody tries first: use a random one."


def _is_placeholder(value: str) -> bool:
    return any(mark in value.lower() for mark in _PLACEHOLDERS)
