"""Several takes of one prompt: one form, one batch, and what is said when they do not all fit."""

from typing import Any

import pytest
from django.test import Client

from jobs.models import Account, Batch, Job, Tier
from tests.factories import Person, ann
from tests.jobs.test_web_of_batches import JSON, _browser, _text

pytestmark = pytest.mark.django_db(transaction=True)

_SETTINGS = {"prompt": "a whale", "model": "preview", "seconds": "4", "size": "854x480", "seed": ""}


@pytest.fixture
def owner() -> Person:
    return ann()


def _generate(client: Client, form: str = "form-1", **more: str) -> Any:
    return client.post("/", {**_SETTINGS, "token": form, **more}, headers=JSON)


def test_takes_are_one_batch_with_a_seed_of_their_own_each(owner: Person) -> None:
    client = _browser(owner)
    answer = _generate(client, takes="3", seed="7").json()
    again = _generate(client, takes="3", seed="7").json()

    jobs = Job.objects.order_by("id")
    assert [job.seed for job in jobs] == [7, 8, 9]
    assert {job.batch_id for job in jobs} == {Batch.objects.get().id}
    assert (answer["repeated"], again["repeated"]) == (False, True)
    assert "Batch of 3" in answer["card"]


def test_takes_without_a_seed_get_one_each_so_that_no_two_are_alike(owner: Person) -> None:
    client = _browser(owner)
    _generate(client, takes="4")
    again = _generate(client, takes="4").json()

    seeds = set(Job.objects.values_list("seed", flat=True))
    assert len(seeds) == 4
    assert None not in seeds
    assert again["repeated"]


def test_one_take_is_no_batch_and_nonsense_is_one_take(owner: Person) -> None:
    client = _browser(owner)
    for number, takes in enumerate(("1", "", "x", "900", "-2")):
        _generate(client, f"form-{number}", takes=takes, prompt=f"shot {number}")

    assert Job.objects.count() == 5
    assert not Batch.objects.exists()


def test_takes_that_do_not_fit_are_told_and_the_others_stay(owner: Person) -> None:
    Account.objects.update(balance=9)

    answer = _generate(_browser(owner), takes="4")

    assert answer.status_code == 202
    assert answer.json()["left"] == (
        "2 of 4 takes were submitted. This video costs 4 credits and 1 are left."
    )
    assert Job.objects.count() == 2


def test_without_scripts_what_did_not_fit_is_told_on_the_page(owner: Person) -> None:
    Account.objects.update(balance=9)

    page = _browser(owner).post("/", {**_SETTINGS, "token": "t", "takes": "4"}, follow=True)

    assert "2 of 4 takes were submitted." in _text(page)


def test_where_no_take_fits_the_prompt_is_kept_and_the_limit_is_named(owner: Person) -> None:
    Account.objects.update(balance=3)

    answer = _generate(_browser(owner), takes="2")

    assert answer.status_code == 429
    assert answer.json()["detail"] == (
        "This video costs 4 credits and 3 are left. Your prompt is kept."
    )
    assert not Job.objects.exists()


def test_a_quote_counts_the_takes_and_says_what_one_more_takes_of_the_plan(owner: Person) -> None:
    Tier.objects.filter(name="pro").update(jobs_per_day=3)
    client = _browser(owner)
    fields = {**_SETTINGS, "prompt": ""}
    first = client.post("/quote", {**fields, "takes": "3"}).json()
    _generate(client, takes="2")
    Account.objects.update(balance=9)
    later = client.post("/quote", {**fields, "takes": "4"}).json()
    page = _text(client.get("/"))

    assert first["credits"] == "12 credits"
    assert first["plan"] == "0 of 6 running"
    assert later["plan"] == "0 of 6 running, 2 of 3 today"
    assert later["in_the_way"] == "4 takes cost 16 credits and 9 are left."
    # The page comes with the quote of its form, for who has no scripts.
    assert "Your plan 0 of 6 running, 2 of 3 today" in page
