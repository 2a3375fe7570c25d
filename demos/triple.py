"""The same prompt three times within a second, from three processes at once.

First without any protection, so that the difference is seen; then as programs send it (with a key, and as
the OpenAI SDK repeats), as a person presses (a form, and the same prompt again), and with a changed body.
"""

import http.cookiejar
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

from django.db.models import Sum

from demos import stage
from jobs.models import Job, LedgerEntry

_TIER = "enterprise"
_TIMES = 3


def show() -> int:
    """Run every way of submitting three times; exit status 1 when one made more than one job."""
    checks = stage.Checks()
    marks = [f"take {secrets.token_hex(4)}" for _ in range(5)]
    with ProcessPoolExecutor(_TIMES, mp_context=get_context("fork")) as processes:
        together = partial(_together, processes)

        stage.title("Before: three submits that nothing ties together")
        prompt = _prompt(marks[0])
        together([partial(_post, prompt, {}) for _ in range(_TIMES)])
        _tell(prompt)
        checks.that(
            "jobs, as it must be for a program that asks for three", found=_jobs(prompt), expected=3
        )

        stage.title("A program with an Idempotency-Key")
        prompt, key = _prompt(marks[1]), {"Idempotency-Key": secrets.token_hex(8)}
        answers = together([partial(_post, prompt, key) for _ in range(_TIMES)])
        _one(checks, prompt, answers)
        changed = _post(f"{prompt}, at night", key)
        checks.that("status for the same key with another prompt", found=changed[0], expected=422)

        stage.title("The OpenAI SDK, which sends no key but counts its retries")
        prompt = _prompt(marks[2])
        answers = together([partial(_resend, prompt, count) for count in range(_TIMES)])
        _one(checks, prompt, answers)

        stage.title("A person who presses Generate three times")
        prompt = _prompt(marks[3])
        session = _sign_in()
        answers = together(
            [partial(_press, session, session["token"], prompt) for _ in range(_TIMES)]
        )
        _one(checks, prompt, answers)

        stage.title("A person with the same prompt in three tabs")
        prompt = _prompt(marks[4])
        answers = together(
            [partial(_press, session, secrets.token_hex(8), prompt) for _ in range(_TIMES)]
        )
        _one(checks, prompt, answers)
        again = _press(session, secrets.token_hex(8), prompt, another_take=True)
        checks.that("jobs after asking for another take", found=_jobs(prompt), expected=2)
        checks.that("it is a new one", found=again[1] not in {a[1] for a in answers}, expected=True)
    _tidy(marks)
    return checks.end()


def _prompt(mark: str) -> str:
    return f"A paper boat in the rain, {mark}"


def _together(
    processes: ProcessPoolExecutor, submits: Sequence[Callable[[], tuple[int, str, str]]]
) -> list[tuple[int, str, str]]:
    return [each.result() for each in [processes.submit(submit) for submit in submits]]


def _one(checks: stage.Checks, prompt: str, answers: list[tuple[int, str, str]]) -> None:
    _tell(prompt)
    checks.that("statuses", found=sorted({status for status, _, _ in answers}), expected=[202])
    checks.that("jobs named in the answers", found=len({job for _, job, _ in answers}), expected=1)
    checks.that("jobs made", found=_jobs(prompt), expected=1)
    checks.that("reservations", found=_reservations(prompt).count(), expected=1)
    checks.that(
        "answers that differ from the first", found=len({a[2] for a in answers}) - 1, expected=0
    )


def _tell(prompt: str) -> None:
    held = -(_reservations(prompt).aggregate(found=Sum("balance_delta"))["found"] or 0)
    print(f"  3 submits: jobs made: {_jobs(prompt)}, credits held: {held}")


def _jobs(prompt: str) -> int:
    return Job.objects.filter(prompt=prompt).count()


def _reservations(prompt: str) -> Any:
    mine = Job.objects.filter(prompt=prompt).values("id")
    return LedgerEntry.objects.filter(kind="reserve", job_id__in=mine)


def _post(prompt: str, headers: dict[str, str]) -> tuple[int, str, str]:
    answer = stage.api(_TIER, "jobs", {"prompt": prompt, "seconds": 2}, headers)
    found = answer.json
    return answer.status, found.get("id", ""), answer.body.decode()


def _resend(prompt: str, count: int) -> tuple[int, str, str]:
    """Send as an SDK whose earlier tries got no answer; on the way they may overtake each other."""
    return _post(prompt, {"X-Stainless-Retry-Count": str(count)})


def _sign_in() -> dict[str, str]:
    """Sign in as a browser does; gives its cookies, and what the form holds."""
    url, account = stage.demo()["url"], stage.account(_TIER)
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(f"{url}/sign-in", timeout=15).read().decode()
    form = {
        "csrfmiddlewaretoken": _value(page, "csrfmiddlewaretoken"),
        "username": account["email"],
        "password": account["password"],
    }
    browser.open(f"{url}/sign-in", urllib.parse.urlencode(form).encode(), timeout=15).close()
    page = browser.open(url, timeout=15).read().decode()
    return {
        "url": url,
        "cookies": "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar),
        "csrf": _value(page, "csrfmiddlewaretoken"),
        "token": _value(page, "token"),
    }


def _value(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    if found is None:
        raise SystemExit(f"The page has no field {name!r}.")
    return found[1]


def _press(
    session: dict[str, str], token: str, prompt: str, *, another_take: bool = False
) -> tuple[int, str, str]:
    form = {
        "csrfmiddlewaretoken": session["csrf"],
        "token": token,
        "prompt": prompt,
        "model": "preview",
        "seconds": "2",
        "size": "854x480",
        "seed": "",
        "another_take": "1" if another_take else "",
    }
    headers = {
        "Accept": "application/json",
        "Cookie": session["cookies"],
        "Origin": session["url"],
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = stage.call(
        f"{session['url']}/", body=urllib.parse.urlencode(form).encode(), headers=headers
    )
    found = json.loads(answer.body)
    return answer.status, found.get("job_id", ""), found.get("url", "")


def _tidy(marks: list[str]) -> None:
    """Cancel what still waits, so that nobody renders it."""
    for mark in marks:
        for job in Job.objects.filter(prompt__startswith=_prompt(mark)).live():
            stage.api(_TIER, f"jobs/{job.id}/cancellation", {})
