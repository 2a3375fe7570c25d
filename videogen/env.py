"""Typed readers of environment variables. A missing or wrong value stops the start, with its name."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def text(name: str, default: str | None = None) -> str:
    """Read a variable; `NAME_FILE` may name a file that holds it. Raises without a default."""
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    found = os.environ.get(name)
    if found:
        return found
    if default is None:
        message = f"{name} is not set. Set it in the environment, or name a file in {name}_FILE."
        raise ImproperlyConfigured(message)
    return default


def integer(name: str, default: int) -> int:
    """Read a whole number."""
    found = text(name, str(default))
    try:
        return int(found)
    except ValueError:
        message = f"{name} must be a whole number, not {found!r}."
        raise ImproperlyConfigured(message) from None


def number(name: str, default: float) -> float:
    """Read a number."""
    found = text(name, str(default))
    try:
        return float(found)
    except ValueError:
        message = f"{name} must be a number, not {found!r}."
        raise ImproperlyConfigured(message) from None


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


def database(name: str) -> dict[str, str]:
    """Read a `postgresql://user:password@host:port/name` address as Django's connection keys."""
    parts = urlsplit(text(name))
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        message = f"{name} must look like postgresql://user:password@host:5432/name."
        raise ImproperlyConfigured(message)
    options = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(options.get("host", parts.hostname or "")),
        "PORT": str(parts.port or ""),
    }


def mail(name: str) -> dict[str, str | int | bool]:
    """Read an `smtp://user:password@host:port` or `smtps://...` address as Django's settings."""
    found = text(name, "")
    if not found:
        return {}
    parts = urlsplit(found)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        message = f"{name} must look like smtp://user:password@host:587."
        raise ImproperlyConfigured(message)
    is_tls = parts.scheme == "smtps"
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if is_tls else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_tls,
        "EMAIL_USE_TLS": not is_tls and "tls=0" not in parts.query,
    }
