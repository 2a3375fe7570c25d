"""The pages without JavaScript: a form is posted, and the page that answers says what happened."""

import html
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from jobs import late_results, transitions
from jobs.ids import JobId
from jobs.models import Account, Job, LedgerEntry
from tests.factories import VIDEO, Person, ann, bob, dispatched, queued, running, succeeded
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)

_SETTINGS = {"model": "preview", "seconds": "4", "size": "854x480", "seed": ""}


def _browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def _text(answer: Any) -> str:
    """Give what a page says, without its markup."""
    main = answer.content.decode().partition("<main")[2].partition("</main>")[0]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


def _compose(client: Client, prompt: str, token: str) -> Any:
    return client.post("/", {"prompt": prompt, "token": token, **_SETTINGS})


def _canceled(owner: Person) -> Job:
    job_id = queued(owner)
    transitions.cancel(job_id, owner_id=owner.id)
    return Job.objects.get(id=job_id)


def _canceled_while_running(owner: Person) -> Job:
    job = running(owner)
    transitions.cancel(JobId(job.id), owner_id=owner.id)
    transitions.confirm_stop(JobId(job.id), attempt=job.attempt)
    return Job.objects.get(id=job.id)


def test_the_same_prompt_again_leads_to_the_first_job_and_says_so() -> None:
    client = _browser(ann())
    first = _compose(client, "a whale", "token-1")
    again = _compose(client, "a whale", "token-2")
    job = Job.objects.get()

    assert (first.status_code, first.headers["Location"]) == (303, "/")
    assert (again.status_code, again.headers["Location"]) == (303, f"/jobs/{job.id}/?repeated")
    assert "Already submitted. This is the same video" in _text(
        client.get(again.headers["Location"])
    )


def test_an_old_form_with_another_prompt_is_refused_once_and_then_taken() -> None:
    client = _browser(ann())
    _compose(client, "a whale", "token-1")
    refused = _compose(client, "a heron", "token-1")
    token = refused.context["form"]["token"].value()
    taken = _compose(client, "a heron", token)

    assert refused.status_code == 409
    assert "Press Generate once more" in _text(refused)
    assert taken.status_code == 303
    assert Job.objects.count() == 2


def test_a_retry_leads_to_the_new_job_and_a_second_one_to_the_same() -> None:
    owner = ann()
    client = _browser(owner)
    job = _canceled(owner)
    first = client.post(f"/jobs/{job.id}/retry")
    again = client.post(f"/jobs/{job.id}/retry")
    new = Job.objects.get(retry_of=job.id)

    assert first.headers["Location"] == f"/jobs/{new.id}/"
    assert again.headers["Location"] == f"/jobs/{new.id}/?repeated"


def test_a_retry_of_a_ready_video_is_refused_on_its_page() -> None:
    owner = ann()
    job = succeeded(owner)

    answer = _browser(owner).post(f"/jobs/{job.id}/retry")

    assert answer.status_code == 409
    assert "This job has its video." in _text(answer)
    assert Job.objects.count() == 1


def test_a_cancel_at_an_outdated_price_cancels_nothing_and_names_the_new_one() -> None:
    owner = ann()
    job = running(owner)

    answer = _browser(owner).post(f"/jobs/{job.id}/cancel", {"fee": "0"})

    assert answer.status_code == 409
    assert "cancelling now costs 2 credits. Nothing was cancelled." in _text(answer)
    assert "Cancel · 2 credits" in _text(answer)
    assert not Job.objects.get(id=job.id).is_cancel_requested


def test_a_cancel_says_what_it_charges_while_the_gpu_has_not_confirmed() -> None:
    owner = ann()
    job = running(owner)
    client = _browser(owner)

    answer = client.post(f"/jobs/{job.id}/cancel", {"fee": "2"}, follow=True)

    assert answer.redirect_chain == [("/", 303)]
    assert "2 of 4 credits are charged; the other 2 come back." in _text(answer)


def test_a_cancel_of_a_ready_video_is_too_late_and_says_so() -> None:
    owner = ann()
    job = succeeded(owner)

    answer = _browser(owner).post(f"/jobs/{job.id}/cancel", {"fee": "2"})

    assert answer.status_code == 409
    assert "Too late: it had already ended." in _text(answer)


def test_a_video_that_came_after_a_free_cancel_is_shown_and_not_charged() -> None:
    owner = ann()
    job = dispatched(owner)
    transitions.cancel(JobId(job.id), owner_id=owner.id)
    transitions.confirm_stop(JobId(job.id), attempt=job.attempt)
    late_results.keep(JobId(job.id), attempt=job.attempt, video=VIDEO)
    client = _browser(owner)

    page, studio = client.get(f"/jobs/{job.id}/"), client.get("/")

    assert "Arrived late" in _text(studio)
    assert VIDEO.url in studio.content.decode()
    assert VIDEO.url in page.content.decode()
    assert "You keep the video, and it is not charged." in _text(page)
    assert "Retry" not in _text(page)


def test_a_video_that_came_after_a_paid_cancel_names_what_the_cancel_cost() -> None:
    owner = ann()
    job = _canceled_while_running(owner)
    late_results.keep(JobId(job.id), attempt=job.attempt, video=VIDEO)

    said = _text(_browser(owner).get(f"/jobs/{job.id}/"))

    assert "Cancelling had cost 2 credits; nothing is added." in said
    assert "not charged" not in said


def test_a_stranger_can_neither_cancel_nor_retry() -> None:
    job = _canceled(ann())
    stranger = _browser(bob())

    answers = [stranger.post(f"/jobs/{job.id}/{verb}") for verb in ("cancel", "retry")]

    assert [answer.status_code for answer in answers] == [404, 404]


def _operator(*, may_give: bool) -> Client:
    user = User.objects.create_user("op@example.com", "a long password", tier="internal")
    user.is_staff = True
    user.save()
    wanted = ["view_account", *(["change_account"] if may_give else [])]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client = Client()
    client.force_login(user)
    return client


def _gifts(owner_id: UUID) -> list[int]:
    entries = LedgerEntry.objects.filter(account_id=owner_id, reference__startswith="admin ")
    return list(entries.values_list("balance_delta", flat=True))


def test_the_same_gift_sent_twice_is_given_and_logged_once() -> None:
    owner = ann()
    before = Account.objects.get(owner_id=owner.id).balance
    client = _operator(may_give=True)
    address = reverse("admin:jobs_account_give_credits", args=[owner.id])
    form = {
        "amount": "1500",
        "reason": "Sorry for the outage",
        "reference": str(client.get(address).context["form"]["reference"].value()),
    }

    first, again = client.post(address, form, follow=True), client.post(address, form, follow=True)

    assert "1,500 credits given." in first.content.decode()
    assert "They were given already, by this form." in again.content.decode()
    assert _gifts(owner.id) == [1500]
    assert Account.objects.get(owner_id=owner.id).balance == before + 1500
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("amount", ["0", "-5", "many", "1.5", "1000001", ""])
def test_a_gift_that_is_no_number_of_credits_is_refused(amount: str) -> None:
    owner = ann()
    client = _operator(may_give=True)
    address = reverse("admin:jobs_account_give_credits", args=[owner.id])

    answer = client.post(address, {"amount": amount, "reason": "A slip", "reference": uuid4()})

    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {"amount"}
    assert _gifts(owner.id) == []


def test_who_may_only_look_at_accounts_cannot_give() -> None:
    owner = ann()
    client = _operator(may_give=False)
    address = reverse("admin:jobs_account_give_credits", args=[owner.id])
    account = client.get(reverse("admin:jobs_account_change", args=[owner.id]))

    answer = client.post(address, {"amount": "5", "reason": "A gift", "reference": uuid4()})

    assert account.status_code == 200
    assert address not in account.content.decode()
    assert answer.status_code == 403
    assert _gifts(owner.id) == []


def test_the_use_of_the_last_days_is_a_file_for_spreadsheets() -> None:
    owner = ann()
    job = succeeded(owner)

    answer = _browser(owner).get("/usage.csv")

    lines = answer.content.decode().splitlines()
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert lines[0] == "day,videos,ready,gpu_minutes,charged,given_back"
    assert len(lines) == 1 + 30
    today = lines[-1].split(",")
    assert [today[1], today[2], today[4], today[5]] == ["1", "1", str(job.credits_charged), "0"]


def test_a_job_that_we_cancelled_says_so_and_not_that_its_owner_did() -> None:
    owner = ann()
    ours, theirs = queued(owner, "Taken back by us"), queued(owner, "Taken back by its owner")
    transitions.withdraw(ours, why="Cancelled by an operator: the pool was removed.")
    transitions.cancel(theirs, owner_id=owner.id)
    client = _browser(owner)

    said, own = (_text(client.get(f"/jobs/{one}/")) for one in (ours, theirs))
    studio = _text(client.get("/"))

    assert "We cancelled it. Cancelled by an operator: the pool was removed. Not charged." in said
    assert "You cancelled it." not in said
    assert "Cancelled by us" in said
    assert "You cancelled it. Not charged." in own
    assert studio.count("You cancelled it.") == studio.count("We cancelled it.") == 1
