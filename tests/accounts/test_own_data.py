"""Everybody gets a copy of their data, and can have their account deleted: the money stays, the person is gone."""

import gzip
import json
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from jobs.models import InputImage, Job, LateResult, LedgerEntry
from notifications import sealing
from notifications.models import WebhookEndpoint
from notifications.relay import Relay
from scheduler import invariants
from tests.factories import Person, ann, bob, person, queued, running, submit, succeeded
from videogen.accounts import deletions, exports, keys
from videogen.accounts.models import Deletion, Export, ExportPart, User

pytestmark = pytest.mark.django_db

ACCOUNT = "/api/v1/account"
# In everything that Ann wrote and was given.
MARK = "Mmaarrkk"


def _call(who: Person, method: str, path: str, body: Any = None) -> Any:
    keys.forget()
    return Client().generic(
        method,
        f"{ACCOUNT}/{path}",
        b"" if body is None else json.dumps(body),
        content_type="application/json",
        headers=who.headers,
    )


def _busy(owner: Person) -> None:
    """Give somebody a row in all that can hold their words."""
    job = succeeded(owner)
    Job.objects.filter(id=job.id).update(
        prompt=f"{MARK} a whale", video_url=f"https://v/{MARK}", error_message=MARK
    )
    LateResult.objects.create(job=job, attempt=2, video_url=f"https://v/{MARK}")
    submit(owner, f"{MARK} waits", key=f"{MARK}-key")
    InputImage.objects.create(
        owner_id=owner.id, digest=b"d" * 32, mime="image/png", content=MARK.encode()
    )
    WebhookEndpoint.objects.create(
        id=UUID(int=1), owner_id=owner.id, url=f"https://{MARK}.example/",
        event_types=["video.completed"], sealed_secret=sealing.seal("whsec_c2VjcmV0"),
    )  # fmt: skip
    keys.create(owner.user, name=MARK)
    relay = Relay()
    relay.acquire_shards()
    relay.step()


def _everything() -> str:
    """Give all rows of all tables as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        names = [name for (name,) in cursor.fetchall()]
        rows = []
        for name in names:
            cursor.execute(f'select t::text from "{name}" t')
            rows += [f"{name}: {row}" for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def _lines(answer: Any) -> list[dict[str, Any]]:
    packed = b"".join(answer.streaming_content)
    return [json.loads(line) for line in gzip.decompress(packed).decode().splitlines()]


def test_a_copy_has_everything_of_one_person_and_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner, stranger = ann(), bob()
    _busy(owner)
    queued(stranger, "a stranger's prompt")
    assert _call(owner, "GET", "export").json()["state"] == "none"
    assert _call(owner, "GET", "export/content").status_code == 409

    asked = _call(owner, "POST", "export")
    assert asked.status_code == 202
    # One step after another, each in a transaction of its own.
    while exports.make(steps=1):
        continue

    told = _call(owner, "GET", "export").json()
    assert told["state"] == "finished"
    assert Client().get(told["url"], headers=stranger.headers).status_code == 409
    lines = _lines(Client().get(told["url"], headers=owner.headers))
    kinds = {line["kind"] for line in lines}
    assert kinds >= {"person", "address", "account", "job", "ledger_entry", "image", "api_key"}
    assert kinds >= {"notification", "webhook_endpoint"}
    jobs = [line["data"] for line in lines if line["kind"] == "job"]
    assert sorted(job["prompt"] for job in jobs) == [f"{MARK} a whale", f"{MARK} waits"]
    text = json.dumps(lines)
    assert "stranger" not in text
    assert "bob@example.com" not in text
    assert "sealed" not in text
    assert "digest" not in text


def test_a_copy_of_many_rows_is_made_in_steps_and_begins_again_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = ann()
    for number in range(5):
        queued(owner, f"prompt {number}")
    small = [exports.Section(**{**_fields(one), "batch": 2}) for one in exports.SECTIONS]
    monkeypatch.setattr(exports, "SECTIONS", tuple(small))
    exports.request(owner.id)

    while exports.make(steps=3):
        continue

    lines = _lines(_call(owner, "GET", "export/content"))
    prompts = [line["data"]["prompt"] for line in lines if line["kind"] == "job"]
    assert prompts == [f"prompt {number}" for number in range(5)]
    assert Export.objects.get().line_count == len(lines)


def _fields(section: exports.Section) -> dict[str, Any]:
    return {name: getattr(section, name) for name in section.__slots__}


def test_an_old_copy_is_dropped_and_a_fresh_one_is_not_made_twice() -> None:
    owner = ann()
    exports.request(owner.id)
    exports.make()
    first = exports.request(owner.id).requested_at
    assert exports.request(owner.id).requested_at == first
    assert exports.forget() == 0
    Export.objects.update(finished_at="2020-01-01T00:00:00Z")

    assert exports.forget() == 1
    assert not ExportPart.objects.exists()


def test_a_deletion_can_be_taken_back_and_needs_the_address() -> None:
    owner = ann()
    wrong = _call(owner, "POST", "deletion", {"email": "bob@example.com"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "deletion_refused")

    asked = _call(owner, "POST", "deletion", {"email": "ann@example.com"})
    assert asked.status_code == 202
    assert asked.json()["due_at"] > asked.json()["requested_at"]
    assert deletions.delete_due() == 0
    assert _call(owner, "DELETE", "deletion").status_code == 204

    assert _call(owner, "GET", "deletion").json()["state"] == "none"
    assert not Deletion.objects.exists()


def test_who_operates_the_service_does_not_delete_itself() -> None:
    staff = person("staff", tier="internal")
    staff.user.is_staff = True
    staff.user.save()

    assert _call(staff, "POST", "deletion", {"email": staff.user.email}).status_code == 409


def test_a_key_without_the_scope_neither_copies_nor_deletes() -> None:
    owner = ann()
    reader = Person(
        user=owner.user, api_key=keys.issue(owner.user, name="r", scopes=("read", "write"))[1]
    )

    assert _call(reader, "GET", "export").status_code == 403
    assert _call(reader, "POST", "deletion", {"email": owner.user.email}).status_code == 403


def test_after_a_deletion_the_ledger_is_whole_and_nothing_tells_whose_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner, stranger = ann(), bob()
    _busy(owner)
    queued(stranger, "a stranger's prompt")
    # A late result of the winning attempt cannot be; nothing else may be wrong afterwards.
    before = {one.name for one in invariants.violations(grace=-1)}
    money = list(LedgerEntry.objects.filter(account_id=owner.id).values_list("id", flat=True))
    exports.request(owner.id)
    exports.make()
    monkeypatch.setattr(deletions, "BATCH", 1)
    _call(owner, "POST", "deletion", {"email": "ann@example.com"})
    Deletion.objects.update(due_at="2020-01-01T00:00:00Z")

    while deletions.delete_due(steps=3):
        continue

    assert Deletion.objects.get().finished_at is not None
    assert _call(owner, "GET", "deletion").status_code == 401
    left = _everything()
    for word in (MARK, "ann@example.com"):
        assert word not in left, [line for line in left.splitlines() if word in line]
    assert not InputImage.objects.exists()
    kept = set(LedgerEntry.objects.filter(account_id=owner.id).values_list("id", flat=True))
    assert kept > set(money)
    assert set(Job.objects.filter(owner_id=owner.id).values_list("state", flat=True)) == {
        "succeeded",
        "canceled",
    }
    assert Job.objects.get(owner_id=stranger.id).prompt == "a stranger's prompt"
    assert User.objects.get(id=owner.id).email == f"{owner.id}@deleted.invalid"
    assert {one.name for one in invariants.violations(grace=-1)} <= before


def test_every_table_about_people_is_copied_and_erased_or_names_nobody() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.columns where table_schema = 'public'"
            " and column_name in ('owner_id', 'user_id', 'account_id')"
        )
        about = {name for (name,) in cursor.fetchall()}
    erased = " ".join(statement for _, statement in deletions._STATEMENTS)
    copied = {section.table for section in exports.SECTIONS}

    # The queue and its money, by an id that leads to nobody; and what ends with the account itself.
    nobody = {
        "lane", "lease", "backlog", "ticket", "feed_head", "outbox_event", "batch", "delivery_route", "idempotency_key",
        "account_access_change",
    }  # fmt: skip
    own = {"account_export", "account_deletion", "account_user_groups", "django_admin_log"}
    own |= {
        "account_user_user_permissions",
        "usersessions_usersession",
        "socialaccount_socialtoken",
    }
    assert about - copied - nobody - own == set()
    kept = {"account", "ledger_entry", "account_suspension", "lane", "lease", "backlog", "ticket"}
    kept |= {"feed_head", "delivery_route", "account_emailaddress", "account_api_key"}
    kept |= {"mfa_authenticator", "socialaccount_socialaccount"}
    # Gone within the hour.
    kept |= {"account_access_change"}
    assert {table for table in about - own - kept if f" {table} " not in f" {erased} "} == set()


def test_a_running_job_is_asked_to_stop_and_waited_for_while_others_go_on() -> None:
    owner, other = ann(), bob()
    job = running(owner)
    for one in (owner, other):
        deletions.request(one.user, email=one.user.email)
    Deletion.objects.filter(user=owner.user).update(due_at="2020-01-01T00:00:00Z")
    Deletion.objects.filter(user=other.user).update(due_at="2020-01-02T00:00:00Z")

    deletions.delete_due(steps=40)

    assert Deletion.objects.get(user=other.user).finished_at is not None
    assert Deletion.objects.get(user=owner.user).finished_at is None
    assert Job.objects.get(id=job.id).is_cancel_requested
    assert User.objects.get(id=owner.id).email == "ann@example.com"


def test_the_page_asks_for_a_copy_gives_it_and_lets_an_account_go_or_stay() -> None:
    owner = ann()
    queued(owner, "a whale")
    browser, page = Client(), "/account/data"
    browser.force_login(owner.user)
    # Whoever comes with a stolen session is asked for the password first.
    assert browser.get(page).headers["Location"].startswith("/account/confirm")
    browser.post("/account/confirm", {"password": "a long password"})

    browser.post(page, {"do": "copy"})
    assert "being made" in browser.get(page).content.decode()
    assert browser.get(f"{page}/copy").status_code == 404
    exports.make()
    assert "Download your copy" in browser.get(page).content.decode()
    kinds = {line["kind"] for line in _lines(browser.get(f"{page}/copy"))}
    assert kinds >= {"person", "job"}
    wrong = browser.post(page, {"do": "delete", "email": "bob@example.com"})
    assert (wrong.status_code, Deletion.objects.count()) == (400, 0)
    browser.post(page, {"do": "delete", "email": "ANN@example.com"})
    assert "Keep my account" in browser.get(page).content.decode()
    browser.post(page, {"do": "keep"})
    assert not Deletion.objects.exists()
