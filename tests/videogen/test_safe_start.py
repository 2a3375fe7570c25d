"""With unsafe settings nothing starts, and who starts it reads which variable and why."""

import json
import os
import secrets
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from celery import Celery

ROOT = Path(__file__).resolve().parent.parent.parent
SAFE: Final = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "DATABASE_URL": "postgresql://app:hEfT3kq@db.example:5432/videogen",
    "REDIS_URL": "redis://:n7Zq2w@redis.example:6379",
    "ALLOWED_HOSTS": "videogen.example",
    "PUBLIC_URL": "https://videogen.example",
}
# Given by each case: what is set beside the safe ones (none: unset), and words of the refusal.
CASES: Final[list[tuple[dict[str, str | None], str]]] = [
    ({"SECRET_KEY": None}, "SECRET_KEY is not set"),
    ({"SECRET_KEY": "short"}, "SECRET_KEY has 5 characters"),
    ({"SECRET_KEY": "ab" * 30}, "SECRET_KEY can be guessed"),
    ({"SECRET_KEY": f"django-insecure-{SAFE['SECRET_KEY']}"}, "SECRET_KEY can be guessed"),
    ({"SECRET_KEY_FALLBACKS": "old"}, "SECRET_KEY has 3 characters"),
    ({"SEALING_KEYS": f"{SAFE['SECRET_KEY']},old"}, "SEALING_KEYS has 3 characters"),
    (
        {"SECRET_KEY_FILE": "/nowhere/key"},
        "SECRET_KEY_FILE names /nowhere/key, which cannot be read",
    ),
    ({"SECRET_KEY_FILE": "/dev/null"}, "SECRET_KEY_FILE names /dev/null, which is empty"),
    ({"DATABASE_URL": None}, "DATABASE_URL is not set"),
    ({"DATABASE_URL": "mysql://a@b/c"}, "DATABASE_URL must look like"),
    ({"DATABASE_URL": "postgresql://a:postgres@b/c"}, "DATABASE_URL has a password"),
    ({"DATABASE_URL": f"{SAFE['DATABASE_URL']}?ssl=true"}, "DATABASE_URL may say sslmode"),
    # A password that is cut by its own letters: no word of it is said.
    ({"DATABASE_URL": "postgresql://a:s3cr/t@b/c"}, "DATABASE_URL must look like"),
    ({"REDIS_URL": None}, "REDIS_URL is not set"),
    ({"REDIS_URL": "redis.example:6379"}, "REDIS_URL must look like"),
    ({"REDIS_URL": "redis://:s3cr[@redis.example"}, "REDIS_URL must look like"),
    ({"REDIS_URL": "redis://:n7Zq2w@redis.example:6379/0"}, "REDIS_URL must look like"),
    ({"REDIS_URL": "redis://:n7/Zq2w@redis.example:6379"}, "REDIS_URL must look like"),
    ({"REDIS_URL": "redis://redis.example"}, "REDIS_URL has no password"),
    ({"REDIS_URL": "redis://:redis@redis.example"}, "REDIS_URL has a password that"),
    ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS is not set"),
    ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS lets every host in"),
    ({"PUBLIC_URL": None}, "PUBLIC_URL must be the https address"),
    ({"PUBLIC_URL": "http://videogen.example"}, "PUBLIC_URL must be the https address"),
    ({"TRUSTED_PROXIES": "many"}, "TRUSTED_PROXIES must be a whole number"),
    ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES must be a whole number from 0"),
    # Days below one would drop what is still under way.
    ({"DELIVERIES_KEPT_DAYS": "-1"}, "DELIVERIES_KEPT_DAYS must be a whole number from 1 to 36500"),
    ({"EXPORTS_KEPT_DAYS": "0"}, "EXPORTS_KEPT_DAYS must be a whole number from 1"),
    ({"NOTIFICATIONS_KEPT_DAYS": "4000000"}, "NOTIFICATIONS_KEPT_DAYS must be a whole number"),
    ({"MAX_ATTEMPTS": "0"}, "MAX_ATTEMPTS must be a whole number from 1"),
    ({"LEASE_SECONDS": "nan"}, "LEASE_SECONDS must be a number above 0"),
    ({"METRICS_PORT": "80000"}, "METRICS_PORT must be a whole number from 1 to 65535"),
    ({"SOCIAL_PROVIDERS": "github", "GITHUB_CLIENT_ID": "x"}, "GITHUB_CLIENT_SECRET is not set"),
    ({"EMAIL_URL": "mail.example"}, "EMAIL_URL must look like"),
    ({"EMAIL_URL": "smtp://a:s3cr/t@mail.example"}, "EMAIL_URL must look like"),
    ({"STAFF_SECOND_FACTOR": "0"}, "STAFF_SECOND_FACTOR may be 0 on a developer's machine only"),
    ({"DELETION_GRACE_DAYS": "0"}, ""),
    ({"DATABASE_URL": f"{SAFE['DATABASE_URL']}?sslmode=verify-full&sslrootcert=/ca.pem"}, ""),
    ({}, ""),
    ({"REDIS_URL": "redis://127.0.0.1/"}, ""),
    ({"DEVELOPMENT": "1", "SECRET_KEY": "short", "PUBLIC_URL": None}, ""),
    ({"DEVELOPMENT": "1", "STAFF_SECOND_FACTOR": "0"}, ""),
]
# Loads what settings import once; then every case is a process of its own.
_STARTER: Final = """
import json, os, sys
import csp.constants, django.templatetags.static, videogen
for given in json.load(sys.stdin):
    sys.stdout.flush()
    if not os.fork():
        os.environ.clear()
        os.environ.update(given)
        try:
            import videogen.settings
            said = ""
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(json.dumps(said), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def said() -> list[str]:
    given = [
        {name: value for name, value in {**SAFE, **changed}.items() if value is not None}
        for changed, _ in CASES
    ]
    done = subprocess.run(
        [sys.executable, "-c", _STARTER],
        input=json.dumps(given),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=lambda number: CASES[number][1].split(" ")[0] or "safe"
)
def test_nothing_starts_with_what_is_missing_or_unsafe(said: list[str], number: int) -> None:
    wanted = CASES[number][1]

    if wanted:
        assert said[number].startswith(f"ImproperlyConfigured: {wanted}")
        assert SAFE["SECRET_KEY"] not in said[number]
        assert "s3cr" not in said[number]
    else:
        assert not said[number]


def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from videogen import env

    held = tmp_path / "secret"
    held.write_text("of the file\n")
    monkeypatch.setenv("SOME_SECRET", "of the environment")
    monkeypatch.setenv("SOME_SECRET_FILE", str(held))

    assert env.text("SOME_SECRET") == "of the file"


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("postgresql://a:b@DB.example/c", "db.example", ""),
        ("postgresql://a:b@%2Fvar%2FRun%20it:5433/c", "/var/Run it", "5433"),
        ("postgresql://a:b@:5433/c?host=/var/Run", "/var/Run", "5433"),
        ("postgresql:///c", "", ""),
    ],
)
def test_a_database_may_be_named_by_the_folder_of_its_socket(
    monkeypatch: pytest.MonkeyPatch, address: str, host: str, port: str
) -> None:
    from videogen import env

    monkeypatch.setenv("SOME_URL", address)
    found = env.database("SOME_URL")
    assert (found["HOST"], found["PORT"], found["NAME"]) == (host, port, "c")


def test_the_tls_that_an_address_asks_for_reaches_every_connection_and_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from videogen import env
    from videogen.postgresql.client import Client

    monkeypatch.setenv(
        "SOME_URL", "postgresql://a:b@db.example/c?sslmode=verify-full&sslrootcert=%2Fca.pem"
    )

    asked = env.database_tls("SOME_URL")
    _, environment = Client.settings_to_cmd_args_env({"NAME": "c", "OPTIONS": asked}, [])

    assert asked == {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}
    assert environment == {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem"}


def test_a_broker_over_tls_must_show_a_certificate() -> None:
    from videogen.celery import _ask_for_a_certificate

    plain, sealed = (
        Celery("any", broker=f"{scheme}://redis.example/0") for scheme in ("redis", "rediss")
    )
    for app in (plain, sealed):
        _ask_for_a_certificate(app)

    assert not plain.connection_for_write().ssl
    assert sealed.connection_for_write().ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
