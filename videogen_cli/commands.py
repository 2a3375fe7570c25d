"""What each subcommand does."""

import getpass
import sys
import uuid
from argparse import Namespace
from typing import Any
from urllib.parse import urlencode

from videogen_cli import credentials, screen
from videogen_cli.client import Client
from videogen_cli.credentials import Credentials
from videogen_cli.downloading import download as fetch
from videogen_cli.exits import Exit, Failure
from videogen_cli.following import follow

_SIGN_IN = "auth/app/v1/auth/"


def login(given: Namespace) -> Exit:
    """Check a key, or an e-mail address and its password, and keep what opens the server."""
    url = credentials.load(given.url).url
    if given.email:
        found = Credentials(url=url, session=_session(url, given.email))
    else:
        found = Credentials(url=url, key=_secret("API key: "))
    Client(found).get("jobs")
    place = credentials.store(found)
    screen.say(f"Signed in to {url}. Kept in {place}.")
    return Exit.OK


def logout(given: Namespace) -> Exit:
    """Forget what login kept; a session ends on the server too."""
    stored = credentials.load(given.url)
    if stored.session:
        try:
            Client(stored).delete("auth/app/v1/auth/session")
        except Failure as failure:
            # An ended session is answered so, too.
            if failure.code is not Exit.NOT_ALLOWED:
                raise
    was = credentials.forget()
    screen.say("Signed out." if was else "Nobody was signed in.")
    return Exit.OK


def submit(given: Namespace) -> Exit:
    """Submit a prompt and follow it to its end."""
    client = _client(given)
    names = ("model", "seconds", "size", "seed", "start_within", "finish_within")
    body = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    prompt = sys.stdin.read() if given.prompt == "-" else given.prompt
    job = client.post(
        "jobs", {**body, "prompt": prompt}, Idempotency_Key=given.key or str(uuid.uuid4())
    )
    if given.no_wait:
        screen.say_json(job) if given.json else screen.say(job["id"])
        return Exit.OK
    if not given.json:
        screen.say(job["id"])
    ended = _followed(client, job["id"], given)
    if ended["state"] == "succeeded" and given.output:
        _said_file(client, ended, given)
    return _exit_of(ended)


def watch(given: Namespace) -> Exit:
    """Follow jobs, one after another, to their ends."""
    client = _client(given)
    return max(_exit_of(_followed(client, job_id, given)) for job_id in given.jobs)


def list_jobs(given: Namespace) -> Exit:
    """List the jobs of a day, newest first."""
    query = {name: getattr(given, name) for name in ("day", "tz") if getattr(given, name)}
    path: str | None = f"jobs?{urlencode(query)}" if query else "jobs"
    client, left = _client(given), given.limit
    while path and left > 0:
        page = client.get(path)[0]
        for job in page["jobs"][:left]:
            screen.say_json(job) if given.json else screen.say(screen.row_of(job))
        left -= len(page["jobs"])
        following = str(page.get("next") or "")
        path = following.partition("/api/v1/")[2] or None
    return Exit.OK


def cancel(given: Namespace) -> Exit:
    """Cancel jobs; one that runs stops a little later."""
    client = _client(given)
    body = {} if given.max_fee is None else {"max_fee": given.max_fee}
    for job_id in given.jobs:
        job = client.post(f"jobs/{job_id}/cancellation", body)
        screen.say_json(job) if given.json else screen.say(f"{job['id']}  {screen.word_of(job)}")
    return Exit.OK


def download(given: Namespace) -> Exit:
    """Fetch a finished video into a file."""
    client = _client(given)
    job = client.get(f"jobs/{given.job}")[0]
    _said_file(client, job, given)
    return Exit.OK


def _client(given: Namespace) -> Client:
    found = credentials.load(given.url)
    if not found.headers():
        said = f"Not signed in to {found.url}. Run: videogen login --url {found.url}"
        raise Failure(Exit.NOT_ALLOWED, said)
    return Client(found)


def _followed(client: Client, job_id: str, given: Namespace) -> dict[str, Any]:
    shown = screen.Screen(is_quiet=given.quiet or given.json)
    job = follow(client, job_id, show=shown.show)
    screen.say_json(job) if given.json else screen.say(screen.told(job))
    return job


def _said_file(client: Client, job: dict[str, Any], given: Namespace) -> None:
    place = fetch(client, job, to=given.output, force=given.force)
    if given.json:
        screen.say_json({"id": job["id"], "file": str(place), "bytes": place.stat().st_size})
    else:
        screen.say(f"{place}, {place.stat().st_size:,} bytes")


def _exit_of(job: dict[str, Any]) -> Exit:
    return Exit.OK if job["state"] == "succeeded" else Exit.NO_VIDEO


def _session(url: str, email: str) -> str:
    client = Client(Credentials(url=url))
    try:
        found = client.post(f"{_SIGN_IN}login", {"email": email, "password": _secret("Password: ")})
    except Failure as failure:
        problem: dict[str, Any] = failure.problem or {}
        flows = [one for one in problem.get("data", {}).get("flows", []) if one.get("is_pending")]
        if not any(one["id"] == "mfa_authenticate" for one in flows):
            raise
        pending = Client(Credentials(url=url, session=str(problem["meta"]["session_token"])))
        code = _secret("Code of your app: ")
        found = pending.post(f"{_SIGN_IN}2fa/authenticate", {"code": code})
        return str(found["meta"].get("session_token") or pending.credentials.session)
    return str(found["meta"]["session_token"])


def _secret(question: str) -> str:
    """Ask without showing what is typed; a script sends a line on stdin."""
    typed = getpass.getpass(question) if sys.stdin.isatty() else sys.stdin.readline()
    if not typed.strip():
        raise Failure(Exit.USAGE, f"{question.rstrip(': ')} is empty.")
    return typed.strip()
