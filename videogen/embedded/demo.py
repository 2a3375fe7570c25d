"""What a person and other programs are told about the running stack: addresses, logins, variables."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

# What `bin/manage` needs to work on the running stack.
_SHARED: Final = (
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "EMAIL_URL",
    "OUTBOUND_ALLOWED_NETWORKS",
    "DATA_DIR",
    "DEVELOPMENT",
    "METRICS_HOST",
    "METRICS_PORT",
    "LEASE_SECONDS",
    "HEARTBEAT_SECONDS",
    "PUBLIC_URL",
    "PUSH_PORT",
    "REDIS_URL",
    "SECRET_KEY",
)


def write(data_dir: Path, found: dict[str, Any], *, environment: Mapping[str, str]) -> None:
    """Write run/env, then demo.json, whose appearance says that everything answers."""
    lines = [f"{key}={shlex.quote(environment[key])}" for key in _SHARED if key in environment]
    lines.append(f"STACK_PID={os.getpid()}")
    _write_private(data_dir / "run" / "env", "\n".join(lines) + "\n")
    _write_private(data_dir / "demo.json", json.dumps(found, indent=2) + "\n")


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
