"""Replicate's webhooks as its server signs them: true ones, repeated, changed, stale and forged."""

import base64
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from jobs.backends import standard_webhooks
from jobs.backends.backend import BackendError, Forged, Order
from jobs.backends.replicate import ReplicateBackend
from tests.fake_gpu.receiver import Letter, Receiver
from tests.gpu import FakeGpu
from tests.jobs.backends.hosted_orders import QUICK, order_for, placed, spoiled
from videogen.fake_gpu.signing import StandardWebhooks

SECRET = "whsec_" + base64.b64encode(b"a key for the tests, 32 bytes---").decode()
OTHER = "whsec_" + base64.b64encode(b"another key, also of 32 bytes---").decode()


def sent(count: int = 1, **options: Any) -> tuple[Order, list[Letter]]:
    """Give a placed order and the webhooks that came about it."""
    with (
        Receiver() as receiver,
        FakeGpu(dialect="replicate", speed=QUICK, webhook_secret=SECRET, **options) as gpu,
    ):
        site = {"webhook_secret": SECRET}
        order = order_for(gpu.url, driver="replicate", site=site, callback_url=receiver.url)
        return placed(ReplicateBackend(), order), receiver.wait(count)


def hint(order: Order, headers: Mapping[str, str], body: bytes, *, later: float = 0) -> Any:
    return ReplicateBackend().hint(order.site, headers, body, now=time.time() + later)


def test_a_true_webhook_names_its_prediction_and_only_as_it_was_sent() -> None:
    order, [letter] = sent()

    found = hint(order, letter.headers, letter.body)

    assert found.backend_job_id == order.backend_job_id
    assert found.message_id == letter.headers["webhook-id"]
    changed = {
        "body": (letter.headers, letter.body + b" "),
        "id": (spoiled(letter, "webhook-id"), letter.body),
        "time": (spoiled(letter, "webhook-timestamp"), letter.body),
        "signature": (spoiled(letter, "webhook-signature"), letter.body),
        "nothing": ({}, letter.body),
    }
    for headers, body in changed.values():
        with pytest.raises(Forged):
            hint(order, headers, body)
    for later in (-302, 302):
        with pytest.raises(Forged):
            hint(order, letter.headers, letter.body, later=later)
    for secret in (OTHER, "whsec_", "whsec_!", "~"):
        with pytest.raises(Forged):
            standard_webhooks.verify(secret, letter.headers, letter.body, now=time.time())


def test_an_empty_secret_is_nobodys() -> None:
    now = int(time.time())
    headers = StandardWebhooks("")(b"{}", message_id="msg_1", timestamp=now, forged=False)

    for secret in ("", "whsec_"):
        with pytest.raises(Forged):
            standard_webhooks.verify(secret, headers, b"{}", now=now)


def test_one_of_several_signatures_is_enough() -> None:
    order, [letter] = sent()
    true = letter.headers["webhook-signature"]
    headers = {**letter.headers, "webhook-signature": f"v1,AAAA v2,x {true} ü"}

    assert hint(order, headers, letter.body).backend_job_id == order.backend_job_id


def test_without_a_secret_of_the_pool_the_accounts_is_asked_for_once() -> None:
    driver = ReplicateBackend()
    with (
        Receiver() as receiver,
        FakeGpu(dialect="replicate", speed=QUICK, api_key="r8_key") as gpu,
    ):
        site = {"key": "r8_key"}
        order = order_for(gpu.url, driver="replicate", site=site, callback_url=receiver.url)
        placed(driver, order)
        [letter] = receiver.wait()
        asked = []
        for _ in range(3):
            assert driver.hint(order.site, letter.headers, letter.body, now=time.time())
            asked.append(gpu.state()["requests"])

        assert asked[0] == asked[2]
        stranger = replace(order.site, key="r8_other")
        with pytest.raises(BackendError):
            driver.hint(stranger, letter.headers, letter.body, now=time.time())


def test_a_true_webhook_about_nothing_is_no_hint() -> None:
    now = int(time.time())
    order = order_for("http://127.0.0.1:1", driver="replicate", site={"webhook_secret": SECRET})
    for body in (b"[]", b"{", b'{"id": "../secrets"}'):
        headers = StandardWebhooks(SECRET)(body, message_id="msg_1", timestamp=now, forged=False)
        with pytest.raises(BackendError):
            hint(order, headers, body)
