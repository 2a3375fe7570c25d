"""Starts the usual application beside a stack, on its servers, in a database of its own."""

import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.stack import Stack, environment
from tests.stack import three_free_ports

_ROOT = Path(__file__).resolve().parent.parent.parent
_SEED = """
import django; django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token
from bench.usual.models import Credits
# Its own tables have no migrations, and point at those that have.
call_command("migrate", verbosity=0)
call_command("migrate", run_syncdb=True, verbosity=0)
users = User.objects.bulk_create(User(username=f"u{{n}}") for n in range({count}))
Credits.objects.bulk_create(Credits(user=user, balance=10**8) for user in users)
tokens = [Token(user=user, key=Token.generate_key()) for user in users]
Token.objects.bulk_create(tokens)
print("KEYS", *[token.key for token in tokens])
"""


@contextmanager
def started(
    stack: Stack, *, accounts: int
) -> Iterator[tuple[str, list[str], subprocess.Popen[bytes]]]:
    """Start it with as many processes and threads; give its address, keys and parent process."""
    port = three_free_ports()
    variables = {
        **environment(stack.running.data_dir),
        "DJANGO_SETTINGS_MODULE": "bench.usual.settings",
        "SECRET_KEY": secrets.token_hex(32),
        "PYTHONPATH": str(_ROOT),
    }
    with psycopg.connect(stack.database, autocommit=True) as connection:
        connection.execute("create database usual")
    made = subprocess.run(
        [sys.executable, "-c", _SEED.format(count=accounts)],
        env=variables, cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(f"The usual application could not be set up:\n{made.stderr}")
    server = subprocess.Popen(
        [
            sys.executable, "-m", "granian", "--interface", "wsgi", "bench.usual.wsgi:application",
            "--host", "127.0.0.1", "--port", str(port), "--workers", "2", "--blocking-threads", "8",
            "--no-access-log", "--log-level", "warning",
        ],
        env=variables, cwd=_ROOT, start_new_session=True,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url)
        yield url, made.stdout.split("KEYS ")[1].split(), server
    finally:
        server.terminate()
        server.wait(10)


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/api/jobs", timeout=1)  # noqa: S310 - our own address
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The usual application did not start.")
