"""What import-linter cannot see: one writer of a job's state, queues of tasks, sizes of files."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from jobs import ledger
from jobs.events import BATCH_ENDED
from notifications import announcements, subscriptions, webhook_endpoints
from videogen import beat
from videogen.accounts import keys
from videogen.celery import app

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("videogen", "scheduler", "jobs", "notifications")
LONGEST = 350


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            if "migrations" not in path.parts:
                yield path


@pytest.mark.parametrize(
    "path", list(_sources(*ROOMS, "videogen_cli", "tests")), ids=lambda path: path.name
)
def test_a_file_is_one_concept(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def test_only_the_moves_write_a_jobs_state() -> None:
    writers = {
        path.relative_to(ROOT).as_posix()
        for path in _sources(*ROOMS)
        if re.search(
            r"update job set\s+state|insert into job \(|^\s*job\.state = ",
            path.read_text(),
            re.MULTILINE,
        )
    }

    # The statements of moves, of batches of grants, and the one that makes a job.
    assert writers == {"jobs/moves.py", "jobs/grants.py", "jobs/submit_statement.py"}


def test_only_the_grant_inserts_leases() -> None:
    writers = {path.name for path in _sources(*ROOMS) if "insert into lease" in path.read_text()}

    assert writers == {"grants.py"}


@pytest.mark.parametrize(
    "path",
    [*_sources("jobs/api", "jobs/openai", "notifications/api"), ROOT / "videogen/accounts/api.py"],
    ids=lambda path: path.name,
)
def test_no_view_of_an_api_holds_a_try(path: Path) -> None:
    # What a situation is answered with stands in one table; a view that catches would be a second.
    for view in ast.walk(ast.parse(path.read_text())):
        if isinstance(view, ast.ClassDef) and any("View" in ast.unparse(b) for b in view.bases):
            held = [node.lineno for node in ast.walk(view) if isinstance(node, ast.Try)]
            assert held == [], view.name


def test_no_foreign_key_points_up() -> None:
    rank = {"notifications": 0, "jobs": 1, "scheduler": 2, "accounts": 3, "videogen": 3}
    for model in apps.get_models():
        here = rank.get(model._meta.app_label)
        if here is None:
            continue
        for field in model._meta.get_fields():
            target = getattr(field, "related_model", None)
            if target is None or field.auto_created or isinstance(target, str):
                continue
            label = target._meta.app_label
            # The user model is named by a settings string: the one reference that may point up.
            if label in rank and target._meta.label != settings.AUTH_USER_MODEL:
                assert rank[label] <= here, f"{model.__name__}.{field.name}"


def test_every_beat_entry_is_a_task_with_a_queue() -> None:
    app.loader.import_default_modules()

    for entry in beat.SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert entry["options"] == {"queue": "upkeep", "expires": 2 * entry["schedule"]}


def test_every_task_has_a_name_of_its_own_and_forgets_its_result() -> None:
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]

    assert ours
    for task in ours:
        assert task.name.split(".")[0] in ROOMS
        assert task.ignore_result


def test_every_subscription_names_an_event_of_ours() -> None:
    events = {
        *import_module("jobs.events").OF_STATE.values(),
        *(BATCH_ENDED, ledger.GIVEN, keys.CREATED, webhook_endpoints.DISABLED),
    }

    assert set(subscriptions._table()) <= events


def test_every_announced_event_is_heard_and_has_its_words() -> None:
    for name in announcements.table():
        # A summary is made of deliveries, not of an event.
        assert name in subscriptions._table() or name == announcements.SUMMARY
        for part in ("subject.txt", "body.txt", "body.html"):
            assert (ROOT / "templates" / "notifications" / name / part).exists()


def test_only_three_modules_write_deliveries() -> None:
    writers = {
        path.relative_to(ROOT).as_posix()
        for path in _sources(*ROOMS)
        if re.search(r"(update|insert into|delete from) delivery\b", path.read_text())
    }

    assert writers == {
        "notifications/deliveries.py",
        "notifications/holds.py",
        "notifications/results.py",
    }
