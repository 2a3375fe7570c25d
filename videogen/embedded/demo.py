"""What a person and other programs are told about the running stack: addresses, logins, variables."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

# What is set is described there. `bin/manage` works with the same settings as the processes, keys of before included.
_DESCRIBED: Final = Path(__file__).resolve().parents[2] / ".env.example"
_OF_THE_START: Final = ("DATABASE_URL", "REDIS_URL", "DEVELOPMENT", "DATA_DIR")
# Figures of an installation are offered by its processes alone.
_THEIR_OWN: Final = frozenset({"METRICS_OFFERED", "PROBED_URLS"})


def write(data_dir: Path, found: dict[str, Any], *, environment: Mapping[str, str]) -> None:
    """Write run/env, then demo.json, whose appearance says that everything answers."""
    lines = [f"{name}={shlex.quote(environment[name])}" for name in _shared(environment)]
    lines.append(f"STACK_PID={os.getpid()}")
    _write_private(data_dir / "run" / "env", "\n".join(lines) + "\n")
    _write_private(data_dir / "demo.json", json.dumps(found, indent=2) + "\n")


def _shared(environment: Mapping[str, str]) -> list[str]:
    """Name the variables that are set, or named by a file, and mean the same to every process."""
    described = re.findall(r"^(?:# )?([A-Z_]+)=", _DESCRIBED.read_text(), re.MULTILINE)
    known = {*_OF_THE_START, *described, *(f"{name}_FILE" for name in described)} - _THEIR_OWN
    return sorted(known & set(environment))


def remove(data_dir: Path) -> None:
    """Remove what says that a stack runs here."""
    (data_dir / "demo.json").unlink(missing_ok=True)
    (data_dir / "run" / "env").unlink(missing_ok=True)
    for path in (data_dir / "run").glob("*.ready"):
        path.unlink(missing_ok=True)


def tell(data_dir: Path, found: dict[str, Any], *, metrics_url: str) -> None:
    """Print addresses and logins."""
    print(f"\n  videogen is ready: {found['url']}", flush=True)
    print(f"  admin:             {found['url']}/admin/", flush=True)
    print(f"  metrics:           {metrics_url}\n", flush=True)
    for account in (*found["accounts"], {"tier": "admin", **found["admin"]}):
        print(f"  {account['tier']:<11} {account['email']:<32} {account['password']}", flush=True)
    print(f"\n  API keys are in {data_dir / 'demo.json'}. Ctrl-C stops everything.\n", flush=True)


def _write_private(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
