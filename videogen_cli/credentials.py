"""Where the address and the key or session are kept: a file that only its owner can read."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from videogen_cli.exits import Exit, Failure

_DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A server and what it takes from us."""

    url: str
    key: str = ""
    session: str = ""

    def headers(self) -> dict[str, str]:
        """Give the header that shows who asks."""
        if self.key:
            return {"Authorization": f"Bearer {self.key}"}
        return {"X-Session-Token": self.session} if self.session else {}


def path() -> Path:
    """Give the file: VIDEOGEN_CONFIG, or videogen/credentials.json in the configuration folder."""
    if named := os.environ.get("VIDEOGEN_CONFIG"):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "videogen" / "credentials.json"


def load(url: str | None) -> Credentials:
    """Read the environment, then the file. A key of the environment never goes to the file."""
    stored = _stored()
    found = url or os.environ.get("VIDEOGEN_URL") or (stored.url if stored else _DEFAULT_URL)
    found = found.rstrip("/")
    if key := os.environ.get("VIDEOGEN_API_KEY"):
        return Credentials(url=found, key=key)
    # What one server gave is shown to no other.
    if stored and stored.url == found:
        return stored
    return Credentials(url=found)


def store(credentials: Credentials) -> Path:
    """Write the file anew, readable by its owner only from its first byte on."""
    place = path()
    part = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(credentials), file)
        part.replace(place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Failure(Exit.LOCAL, f"{place} cannot be written: {error.strerror}.") from error
    return place


def forget() -> bool:
    """Remove the file; say whether there was one."""
    place = path()
    there = place.exists()
    place.unlink(missing_ok=True)
    return there


def _stored() -> Credentials | None:
    place = path()
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        return Credentials(url=str(data["url"]), key=str(data["key"]), session=str(data["session"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = f"{place} cannot be read. Remove it and run: videogen login"
        raise Failure(Exit.LOCAL, said) from error
