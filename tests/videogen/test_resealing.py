"""Changing the sealing key: everything opens before, during and after, and then without the old key."""

from typing import Any
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.db import connection

from jobs.models import Pool
from notifications import sealing
from notifications.models import WebhookEndpoint
from tests.factories import ann
from videogen import resealing

pytestmark = pytest.mark.django_db

OLD, NEW = "the old key of forty characters and more", "the new key of forty characters and more"


@pytest.fixture(autouse=True)
def _sealed_with_the_old_key(settings: Any) -> None:
    settings.SEALING_KEYS = [OLD]
    user = ann().user
    Pool.objects.filter(name="preview").update(sealed_key=sealing.seal("sk-pool"))
    for number in range(5):
        WebhookEndpoint.objects.create(
            id=UUID(int=number + 1),
            owner_id=user.id,
            url=f"https://hooks.example/{number}",
            event_types=[],
            sealed_secret=sealing.seal(f"secret {number}"),
        )
    data = {"seed": sealing.seal("codes"), "used_mask": 3}
    Authenticator.objects.create(user=user, type="recovery_codes", data=data)
    settings.SEALING_KEYS = [NEW, OLD]


def _opened() -> list[str]:
    found = [Pool.objects.get(name="preview").sealed_key]
    found += WebhookEndpoint.objects.order_by("id").values_list("sealed_secret", flat=True)
    found.append(Authenticator.objects.get().data["seed"])
    return [sealing.unseal(one) for one in found]


WANTED = ["sk-pool", *(f"secret {number}" for number in range(5)), "codes"]


def test_after_it_the_old_key_is_not_needed(settings: Any) -> None:
    assert _opened() == WANTED

    outcomes = list(resealing.reseal(batch=2))
    settings.SEALING_KEYS = [NEW]

    assert _opened() == WANTED
    assert [one.renewed for one in outcomes] == [1, 5, 1]
    assert Authenticator.objects.get().data["used_mask"] == 3


def test_it_goes_on_where_it_was_stopped_and_repeats_nothing() -> None:
    run = resealing.reseal(batch=2)
    next(run)
    del run

    assert [one.renewed for one in resealing.reseal(batch=2)] == [0, 5, 1]
    before = list(WebhookEndpoint.objects.order_by("id").values_list("sealed_secret", flat=True))
    assert [one.renewed for one in resealing.reseal()] == [0, 0, 0]
    assert before == list(
        WebhookEndpoint.objects.order_by("id").values_list("sealed_secret", flat=True)
    )


def test_a_trial_writes_nothing_and_a_lost_key_is_told(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("reseal", "--trial")
    assert "webhook_endpoint: 5 of 5" in capsys.readouterr().out
    settings.SEALING_KEYS = [NEW]

    with pytest.raises(SystemExit):
        call_command("reseal")

    assert "pool preview: none of SEALING_KEYS opens it" in capsys.readouterr().out
    settings.SEALING_KEYS = [OLD]
    assert _opened() == WANTED
    call_command("reseal")
    # Nobody takes a key away on the word of a command that knew one only.
    assert "There is one key" in capsys.readouterr().out


def test_every_sealed_column_is_renewed() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = 'public' and column_name like 'sealed%'"
        )
        stored = set(cursor.fetchall())

    renewed = {(one.table, column) for one in resealing.EVERYTHING for column in one.columns}
    assert stored == {pair for pair in renewed if pair[0] != "mfa_authenticator"}
