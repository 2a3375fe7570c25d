"""Where the embedded stack keeps its things, and under which user the database runs."""

import fcntl
import os
import secrets
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import IO, Final

from videogen.embedded.faults import StartFailed

# PostgreSQL refuses to run as root; this user id exists everywhere, with or without an account.
NOBODY: Final = 65534
_SHARED_ROOT: Final = Path("/var/lib/videogen")
# Longest path of a unix socket on macOS is 103 bytes, on Linux 107; servers add a file name.
_SOCKET_ROOM: Final = 80
_LAST_PORT: Final = 65_535


def chosen_port(name: str, default: int) -> int:
    """Read a port number from the environment. Raises StartFailed."""
    text = os.environ.get(name, str(default))
    if not text.isdigit() or not 0 < int(text) <= _LAST_PORT:
        raise StartFailed(f"{name} must be a port number from 1 to 65535, not {text!r}.")
    return int(text)


def is_root() -> bool:
    """Say whether this process runs as root."""
    return os.geteuid() == 0


def prepare(data_dir: Path) -> None:
    """Make the data folder and see that it can be written. Raises StartFailed."""
    try:
        for folder in (data_dir, data_dir / "log", data_dir / "run"):
            folder.mkdir(parents=True, exist_ok=True)
        probe = data_dir / ".write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartFailed(
            f"The folder {data_dir} cannot be written ({error.strerror}). "
            "Choose another one: DATA_DIR=/some/folder bin/dev"
        ) from None
    (data_dir / "run").chmod(0o700)


def locked(data_dir: Path) -> IO[str]:
    """Take the lock of the data folder, which is held while the file is open. Raises StartFailed."""
    lock = (data_dir / "run" / "stack.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StartFailed(
            f"bin/dev already runs in {data_dir}. Stop it first, "
            "or start another one: DATA_DIR=/other/folder PORT=9000 bin/dev"
        ) from None
    return lock


def secret(data_dir: Path, name: str, *, size: int = 48) -> str:
    """Give the secret of this name, of so many bytes, made on the first start and readable by its owner only."""
    path = data_dir / name
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(size))
    return path.read_text(encoding="utf-8").strip()


def port(data_dir: Path, name: str) -> int:
    """Give the port that a server used before, or a free one; remembered for the next start."""
    path = data_dir / f"{name}.port"
    if path.exists() and path.read_text().strip().isdigit():
        known = int(path.read_text())
        if is_free("127.0.0.1", known):
            return known
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = int(probe.getsockname()[1])
    path.write_text(str(found))
    return found


def is_free(host: str, number: int) -> bool:
    """Say whether a server could listen on a port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
        return True


def reachable(host: str) -> str:
    """Give the name under which a browser of this machine reaches a listening address."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not listened on
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"  # noqa: S104
    return f"[{host}]" if ":" in host else host


def runtime_dir(data_dir: Path) -> Path:
    """Give a private folder whose path is short enough for unix sockets; the same until removed."""
    folder = data_dir / "run"
    if with_room_for_sockets(folder):
        return folder
    known = folder / "sockets"
    if known.exists() and _is_private(found := Path(known.read_text(encoding="utf-8"))):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(prefix="videogen-", dir="/tmp")
    known.write_text(made, encoding="utf-8")
    return Path(made)


def with_room_for_sockets(folder: Path) -> Path | None:
    """Give the folder where its path is short enough for sockets in it, else None."""
    return folder if len(os.fsencode(folder)) <= _SOCKET_ROOM else None


def remove_runtime_dir(data_dir: Path) -> None:
    """Remove the folder of sockets, where it is not the data folder's own."""
    folder = runtime_dir(data_dir)
    if folder != data_dir / "run":
        shutil.rmtree(folder, ignore_errors=True)
        (data_dir / "run" / "sockets").unlink(missing_ok=True)


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    )


def database_home(data_dir: Path) -> Path:
    """Give the folder of the database cluster.

    As root the server runs as nobody, who must be able to enter every folder above; where it
    cannot, the cluster lives in /var/lib/videogen, under an id that the data folder remembers.
    """
    if not is_root() or _others_may_enter(data_dir):
        return data_dir / "postgres"
    return _shared_home(data_dir) / "postgres"


def reachable_programs(data_dir: Path, package: Path) -> Path:
    """Give the wheel's folder, or a copy of it where nobody may enter.

    The programs find their libraries in a sibling folder, so both are copied.
    """
    if not is_root() or _others_may_enter(package):
        return package
    target = _shared_home(data_dir) / "programs"
    copied = target / package.name
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        shutil.copytree(package, copied, symlinks=True)
        for libraries in package.parent.glob(f"{package.name}*.libs"):
            shutil.copytree(libraries, target / libraries.name, symlinks=True)
        for path in target.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
        (target / "complete").touch()
    return copied


def _shared_home(data_dir: Path) -> Path:
    known = data_dir / "database.id"
    if not known.exists():
        known.write_text(secrets.token_hex(8))
    home = _SHARED_ROOT / known.read_text().strip()
    home.mkdir(parents=True, exist_ok=True)
    for folder in (_SHARED_ROOT, home):
        folder.chmod(0o755)
    return home


def _others_may_enter(path: Path) -> bool:
    found = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (found, *found.parents))
