"""500 requests to both APIs that the contract allows, and that it does not, as two users on the running stack."""

import requests

from proofs import api_fuzz
from tests.journeys import client
from tests.stack import RunningStack

_CASES = 500


def test_whatever_is_sent_is_answered_as_the_contract_says(running_stack: RunningStack) -> None:
    keys = api_fuzz.add_users(running_stack.manage)
    users = api_fuzz.settle(running_stack.url, keys)
    try:
        tally = api_fuzz.run(running_stack.url, users, cases=_CASES, number=0)
    finally:
        for key in keys:
            _cancel_all(running_stack, key)
        running_stack.manage(
            "shell", "-c", "from jobs.models import Pool; Pool.objects.update(state='active')"
        )
        client.wait_for_room(running_stack)

    assert tally.count >= _CASES * 0.9
    assert tally.across >= 20
    assert tally.reached >= 0.4, tally.valid
    assert {200, 202, 400, 404} <= set(tally.statuses)


def _cancel_all(stack: RunningStack, key: str) -> None:
    more = True
    while more:
        answer = requests.post(
            f"{stack.url}/api/v1/jobs/cancellations",
            json={"filter": {}},
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        more = answer.json()["more"]
