"""Fewer slots for now: what operators see before, what users are told, and the way back."""

import io
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from jobs import notices, outlooks, pools
from jobs.errors import InvalidField
from jobs.models import Pool, PoolChange
from scheduler import dispatch, foresight
from scheduler.publisher import Publisher
from tests.factories import Person, ann, bob, cy, queued
from tests.scheduler.staff import operator, viewer

pytestmark = pytest.mark.django_db(transaction=True)


def a_queue(slots: int = 8) -> tuple[Person, Person]:
    pro, free = ann(), bob()
    pools.change("preview", actor="ops", reason="a test", slots=slots)
    for owner in (pro, free):
        for _ in range(10):
            queued(owner)
    return pro, free


def published() -> None:
    Publisher().publish()
    outlooks.forget()


def capacity(*arguments: str) -> str:
    out = io.StringIO()
    call_command("capacity", *arguments, stdout=out)
    return out.getvalue()


def test_with_half_the_slots_everybody_is_foreseen_to_wait_twice_as_long() -> None:
    a_queue()

    found = {outcome.tier: outcome for outcome in foresight.foresee({"preview": 4})}

    before, then = found["pro"].now.wait, found["pro"].then.wait
    assert before
    assert then
    # Not just twice: the others want less of what is left.
    assert then > 1.8 * before
    assert found["enterprise"].then.wait == 0
    assert list(found) == ["enterprise", "pro", "free", "internal"]


def test_without_slots_doors_are_foreseen_closed_and_nothing_is_written() -> None:
    a_queue()

    found = {outcome.tier: outcome for outcome in foresight.foresee({"preview": 0})}

    assert foresight.in_words(found["pro"].then) == "closed"
    assert foresight.in_words(found["internal"].then) == "waits until there are slots again"
    assert Pool.objects.get().slots == 8


def test_a_cut_keeps_what_is_usual_and_the_way_back_is_one_step() -> None:
    ann()
    pools.set_capacity({"preview": 1}, actor="ops", reason="A node is down.")
    cut = Pool.objects.get()
    pools.set_capacity({"preview": 0}, actor="ops", reason="The other one too.")
    deeper = Pool.objects.get()

    given_back = pools.restore(["preview"], actor="ops", reason="Repaired.")

    whole = Pool.objects.get()
    assert (cut.slots, cut.usual_slots, deeper.usual_slots) == (1, 2, 2)
    assert cut.reduced_since == deeper.reduced_since
    assert given_back == {"preview": 2}
    assert (whole.slots, whole.usual_slots, whole.reduced_since) == (2, None, None)
    assert [change.changed["slots"] for change in PoolChange.objects.order_by("id")] == [
        [2, 1],
        [1, 0],
        [0, 2],
    ]


@pytest.mark.parametrize(
    ("slots", "reason", "field"),
    [
        ({"preview": 1}, " ", "reason"),
        ({"preview": -1}, "why", "slots"),
        ({"preview": 1, "nowhere": 1}, "why", "pool"),
    ],
)
def test_a_capacity_that_makes_no_sense_is_refused_by_its_field(
    slots: dict[str, int], reason: str, field: str
) -> None:
    ann()

    with pytest.raises(InvalidField) as refused:
        pools.set_capacity(slots, actor="ops", reason=reason)

    assert refused.value.field == field
    assert Pool.objects.get().slots == 2


def test_what_runs_goes_on_and_nothing_starts_above_the_cut() -> None:
    a_queue(slots=4)
    running = len(dispatch.grant_free_slots())

    pools.set_capacity({"preview": 2}, actor="ops", reason="why")

    assert running == 4
    assert dispatch.grant_free_slots() == []


def test_a_tier_is_told_since_when_and_how_long_new_videos_wait() -> None:
    pro, _ = a_queue()
    zone = ZoneInfo("UTC")
    published()
    usual = notices.of_capacity("pro", zone=zone)

    pools.set_capacity({"preview": 4}, actor="ops", reason="why")
    published()
    told = notices.of_capacity("pro", zone=zone)
    since = Pool.objects.get().reduced_since

    assert usual is None
    assert told is not None
    assert isinstance(since, datetime)
    assert told.headline == f"Fewer GPUs since {since:%H:%M} UTC, so videos start later."
    assert "We run 4 of 8. New videos start" in told.sentence
    client = Client()
    client.force_login(pro.user)
    assert told.headline in client.get("/").content.decode()
    assert told.headline in client.get("/waiting").json()["notice"]


def test_a_pause_is_told_as_a_pause() -> None:
    cy()
    pools.change("preview", actor="ops", reason="Power.", state="paused")
    published()

    told = notices.of_capacity("enterprise", zone=ZoneInfo("Asia/Tokyo"))

    assert told is not None
    assert told.headline.startswith("GPUs are paused since ")


def test_the_command_says_what_it_would_mean_then_does_it_and_takes_it_back() -> None:
    a_queue()

    shown = capacity()
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    done = capacity(
        "--percent=50", "--reason=Half the rack is dark.", f"--restore-at={soon}", "--yes"
    )
    named = Pool.objects.get().restore_at
    restored = capacity("--restore", "--yes")
    again = capacity("--restore", "--yes")

    assert "preview (active): 8 slots\n" in shown
    assert "preview (active): 8 slots -> 4" in done
    assert "  pro          waits about" in done
    assert "preview (active): 4 of 8 slots -> 8" in restored
    assert "Every pool has its usual slots already." in again
    assert list(PoolChange.objects.order_by("id").values_list("reason", flat=True)) == [
        "a test",
        "Half the rack is dark.",
        "Back to usual.",
    ]
    assert named is not None
    assert Pool.objects.get().slots == 8


def test_the_command_says_what_it_would_mean_without_a_reason_and_asks_nobody() -> None:
    a_queue()

    shown = capacity("--percent=50")

    assert "preview (active): 8 slots -> 4" in shown
    assert 'Nothing was changed. With --reason "..." it asks' in shown
    assert Pool.objects.get().slots == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--percent=101"], "--percent must be from 0 to 100."),
        (["--slots=3"], "--slots needs --pool."),
        (["--pool=nowhere"], "There is no pool 'nowhere'."),
        (["--percent=50", "--yes"], "--reason: Say why"),
    ],
)
def test_the_command_refuses_in_words(arguments: list[str], said: str) -> None:
    ann()

    with pytest.raises(CommandError, match=said):
        capacity(*arguments)

    assert not PoolChange.objects.exists()


def test_the_command_changes_nothing_where_nobody_can_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    with pytest.raises(CommandError, match=r"nobody answered\. --yes asks nobody"):
        capacity("--percent=50", "--reason=Half the rack is dark.")

    assert not PoolChange.objects.exists()


def test_an_operator_writes_only_the_slots_that_they_changed() -> None:
    ann()
    client = operator()
    preview = Pool.objects.get()
    Pool.objects.filter(name="preview").update(slots=8)
    preview.name, preview.slots = "other", 2
    preview.save(force_insert=True)
    before = 8
    form = {
        **{f"{field}-preview": str(before) for field in ("slots", "was")},
        "slots-other": "7",
        "was-other": "2",
        "reason": "More power.",
    }
    pools.set_capacity({"preview": before - 1}, actor="somebody else", reason="A fan broke.")

    client.post("/console/capacity", form)

    assert Pool.objects.get(name="preview").slots == before - 1
    assert Pool.objects.get(name="other").slots == 7


def test_an_operator_previews_confirms_with_a_reason_and_takes_it_back() -> None:
    client = operator()

    preview = client.get("/console/capacity", {"slots-preview": "1"})
    forgot = client.post("/console/capacity", {"slots-preview": "1"})
    before = Pool.objects.get().slots
    done = client.post("/console/capacity", {"slots-preview": "1", "reason": "A fan <b>broke</b>."})
    cut = Pool.objects.get()
    page = client.get("/console/capacity").content.decode()
    client.post("/console/capacity", {"restore": "1"})

    assert "If you do this" in preview.content.decode()
    assert (forgot.status_code, before) == (422, 2)
    assert "Say why" in forgot.content.decode()
    assert (done.status_code, cut.slots, cut.usual_slots) == (302, 1, 2)
    assert "A fan &lt;b&gt;broke&lt;/b&gt;." in page
    assert "Back to usual" in page
    assert Pool.objects.get().slots == 2
    assert {change.actor for change in PoolChange.objects.all()} == {"staff2@example.com"}


def test_who_may_only_look_changes_nothing() -> None:
    client = viewer()

    seen = client.get("/console/capacity")
    refused = client.post("/console/capacity", {"slots-preview": "1", "reason": "why"})

    assert (seen.status_code, refused.status_code) == (200, 403)
    assert Pool.objects.get().slots == 2


def test_others_do_not_see_the_console() -> None:
    client = Client()
    client.force_login(bob().user)

    answer = client.get("/console/capacity")

    assert answer.status_code == 403
