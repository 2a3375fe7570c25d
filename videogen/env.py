"""Typed readers of environment variables. A missing or wrong value stops the start, with its name."""

import os
from ipaddress import ip_network
from math import nan
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# What a column of whole numbers holds; so many days are a century.
_LARGEST = 2**31 - 1
_CENTURY = 36_500
_LAST_PORT = 65_535
# As in libpq: how much TLS is asked for, and with which certificates.
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_LIKE_DATABASE = "postgresql://user:password@host:5432/name"
_LIKE_REDIS = "redis://:password@host:6379"
_LIKE_MAIL = "smtp+starttls://user:password@host:587"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def text(name: str, default: str | None = None) -> str:
    """Read a variable; `NAME_FILE` may name a file that holds it. Raises without a default."""
    found = os.environ.get(name)
    if path := os.environ.get(f"{name}_FILE"):
        found = _of_file(name, path)
    if found:
        return found
    if default is None:
        message = f"{name} is not set. Set it in the environment, or name a file in {name}_FILE."
        raise ImproperlyConfigured(message)
    return default


def _of_file(name: str, path: str) -> str:
    try:
        found = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{name}_FILE names {path}, which cannot be read: {error}."
        raise ImproperlyConfigured(message) from error
    if not found:
        message = f"{name}_FILE names {path}, which is empty."
        raise ImproperlyConfigured(message)
    return found


def integer(name: str, default: int, *, least: int = 0, most: int = _LARGEST) -> int:
    """Read a whole number from `least` to `most`."""
    found = text(name, str(default))
    try:
        value = int(found)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        message = f"{name} must be a whole number from {least} to {most}, not {found!r}."
        raise ImproperlyConfigured(message)
    return value


def days(name: str, default: int, *, least: int = 1) -> int:
    """Read whole days, a hundred years at most."""
    return integer(name, default, least=least, most=_CENTURY)


def port(name: str, default: int) -> int:
    """Read the number of a TCP port."""
    return integer(name, default, least=1, most=_LAST_PORT)


def number(name: str, default: float) -> float:
    """Read a number above 0."""
    found = text(name, str(default))
    try:
        value = float(found)
    except ValueError:
        value = nan
    if not 0 < value <= _LARGEST:
        message = f"{name} must be a number above 0, not {found!r}."
        raise ImproperlyConfigured(message)
    return value


def flag(name: str, *, default: bool = False) -> bool:
    """Read a yes or no."""
    found = text(name, "1" if default else "0").lower()
    if found in _TRUE:
        return True
    if found in _FALSE:
        return False
    message = f"{name} must be 1 or 0, not {found!r}."
    raise ImproperlyConfigured(message)


def choice(name: str, known: tuple[str, ...]) -> str:
    """Read one of several words; the first is the default."""
    found = text(name, known[0])
    if found not in known:
        message = f"{name} must be one of {', '.join(known)}, not {found!r}."
        raise ImproperlyConfigured(message)
    return found


def words(name: str, default: str = "") -> list[str]:
    """Read a list separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str) -> list[str]:
    """Read a list of networks, such as 10.0.0.0/8."""
    found = words(name)
    for network in found:
        try:
            ip_network(network)
        except ValueError:
            message = f"{name} must list networks such as 10.20.0.0/16, not {network!r}."
            raise ImproperlyConfigured(message) from None
    return found


def mail(name: str) -> tuple[str, dict[str, str]]:
    """Read how mail is sent: Django's backend and its settings; an empty backend when it is not.

    `smtp://user:password@host:25`, `smtp+starttls://...:587`, `smtps://...:465`, `file:/folder`, `console:`, or
    `anymail:postmark` with ANYMAIL_SETTINGS.
    """
    address = text(name, "")
    if not address:
        return "", {}
    parts = _parts(name, address, like=_LIKE_MAIL)
    match parts.scheme:
        case "console":
            return "django.core.mail.backends.console.EmailBackend", {}
        case "file" if parts.path:
            return "videogen.mail_files.EmailBackend", {"FOLDER": unquote(parts.path)}
        case "anymail" if parts.path.isidentifier():
            return f"anymail.backends.{parts.path}.EmailBackend", {}
        case "smtp" | "smtps" | "smtp+starttls" if parts.hostname:
            tls = {"smtps": "tls", "smtp+starttls": "starttls"}.get(parts.scheme, "")
            port = {"tls": 465, "starttls": 587}.get(tls, 25)
            return "django.core.mail.backends.smtp.EmailBackend", {
                "HOST": parts.hostname,
                "PORT": str(parts.port or port),
                "USER": unquote(parts.username or ""),
                "PASSWORD": unquote(parts.password or ""),
                "TLS": tls,
            }
        case _:
            raise _malformed(name, like=f"{_LIKE_MAIL}, or be empty")


def database(name: str) -> dict[str, str]:
    """Read a `postgresql://user:password@host:port/name` address as Django's connection keys.

    A host may be the folder of a socket: `%2Frun%2Fpostgresql`, or `?host=/run/postgresql` behind the name.
    """
    parts = _parts(name, text(name), like=_LIKE_DATABASE)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise _malformed(name, like=_LIKE_DATABASE)
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": dict(parse_qsl(parts.query)).get("host", _host(parts)),
        "PORT": str(parts.port or ""),
    }


def _host(parts: SplitResult) -> str:
    folder = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    # Names of hosts have no capital letters, folders may.
    return folder if folder.startswith("/") else unquote(parts.hostname or "")


def redis(name: str) -> str:
    """Read the address of a Redis, without a database: its numbers 0 to 2 are used."""
    address = text(name).rstrip("/")
    parts = _parts(name, address, like=_LIKE_REDIS)
    is_whole = parts.scheme in {"redis", "rediss"} and parts.hostname
    if not is_whole or parts.path or parts.query or parts.fragment:
        raise _malformed(name, like=_LIKE_REDIS)
    return address


def _parts(name: str, address: str, *, like: str) -> SplitResult:
    """Split an address; refuse one whose port is none, without a word of it: a password may be cut there."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise _malformed(name, like=like) from None
    return parts


def _malformed(name: str, *, like: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{name} must look like {like}; in a password / is written %2F, # %23, ? %3F, @ %40, : %3A, % %25."
    )


def database_tls(name: str) -> dict[str, str]:
    """Read what a database's address asks of TLS, behind its question mark; refuse what would be ignored there."""
    said = parse_qsl(urlsplit(text(name)).query, keep_blank_values=True)
    for word, _ in said:
        if word not in {"host", *_TLS}:
            message = (
                f"{name} may say {', '.join(_TLS)} and host behind its question mark, not {word}."
            )
            raise ImproperlyConfigured(message)
    return {word: value for word, value in said if word in _TLS}
