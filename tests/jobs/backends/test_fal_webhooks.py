"""fal's webhooks as its server signs them, and the keys that are fetched to verify them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobs.backends import fal_signature
from jobs.backends.backend import BackendError, Forged, Order, Site
from jobs.backends.fal import FalBackend
from tests.fake_gpu.receiver import Letter, Receiver
from tests.gpu import FakeGpu
from tests.jobs.backends.hosted_orders import QUICK, order_for, placed, spoiled
from videogen.fake_gpu.signing import FalSignature

DAY = 24 * 3600
USER = "fake-gpu-user"
BODY = b'{"request_id": "one", "status": "OK"}'


def signed(secret: str, *, at: float, body: bytes = BODY) -> dict[str, str]:
    """Give the headers of a webhook of one's own, in lower case."""
    sign = FalSignature(secret, user_id=USER)
    headers = sign(body, message_id="one", timestamp=int(at), forged=False)
    return {name.lower(): value for name, value in headers.items()}


def sent(gpu: FakeGpu, receiver: Receiver, count: int = 1) -> tuple[Order, list[Letter]]:
    """Give a placed order and the webhooks that came about it."""
    order = order_for(gpu.url, driver="fal", callback_url=receiver.url)
    return placed(FalBackend(), order), receiver.wait(count)


def hint(driver: FalBackend, order: Order, headers: Mapping[str, str], body: bytes) -> Any:
    return driver.hint(order.site, headers, body, now=time.time())


def is_believed(driver: FalBackend, site: Site, headers: Mapping[str, str], *, now: float) -> bool:
    try:
        return bool(driver.hint(site, headers, BODY, now=now))
    except Forged:
        return False


def until(holds: Callable[[], bool]) -> None:
    """Wait for what is done beside."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def keys_asked_for(gpu: FakeGpu) -> int:
    return int(gpu.state()["requests"].get("other", {"total": 0})["total"])


def test_a_true_webhook_names_its_request_and_only_as_it_was_sent() -> None:
    driver = FalBackend()
    with Receiver() as receiver, FakeGpu(dialect="fal", speed=QUICK) as gpu:
        order, [letter] = sent(gpu, receiver)

        found = hint(driver, order, letter.headers, letter.body)

        assert found.backend_job_id == found.message_id == order.backend_job_id
        signed_parts = ("request-id", "user-id", "timestamp", "signature")
        changed = [
            (letter.headers, letter.body + b" "),
            ({}, letter.body),
            ({**letter.headers, "x-fal-webhook-signature": "not hex"}, letter.body),
            *((spoiled(letter, f"x-fal-webhook-{part}"), letter.body) for part in signed_parts),
        ]
        for headers, body in changed:
            with pytest.raises(Forged):
                hint(driver, order, headers, body)
        for later in (-302, 302):
            with pytest.raises(Forged):
                driver.hint(order.site, letter.headers, letter.body, now=time.time() + later)
        # However many are forged, the keys are asked for once in a minute.
        assert keys_asked_for(gpu) == 1


def test_a_new_key_is_learned_within_a_minute() -> None:
    driver, now = FalBackend(), time.time()
    with FakeGpu(dialect="fal", webhook_secret="old") as gpu:
        site = order_for(gpu.url, driver="fal").site
        assert driver.hint(site, signed("old", at=now), BODY, now=now)
        port = urlsplit(gpu.url).port
    with FakeGpu(dialect="fal", webhook_secret="new", port=port) as gpu:
        with pytest.raises(Forged):
            driver.hint(site, signed("new", at=now), BODY, now=now + 59)
        assert keys_asked_for(gpu) == 0
        # What shows that there is a new key is refused still; the key is fetched beside it.
        with pytest.raises(Forged):
            driver.hint(site, signed("new", at=now), BODY, now=now + 60)
        until(lambda: is_believed(driver, site, signed("new", at=now), now=now + 60))
        with pytest.raises(Forged):
            driver.hint(site, signed("old", at=now), BODY, now=now + 61)


def test_keys_are_believed_for_a_day() -> None:
    driver, now = FalBackend(), time.time()
    with FakeGpu(dialect="fal", webhook_secret="key") as gpu:
        site = order_for(gpu.url, driver="fal").site
        driver.hint(site, signed("key", at=now), BODY, now=now)
    soon, later = now + DAY - 1, now + DAY

    assert driver.hint(site, signed("key", at=soon), BODY, now=soon)
    # A forged one is refused also when the keys cannot be asked for again.
    with pytest.raises(Forged):
        driver.hint(site, signed("other", at=soon), BODY, now=soon)
    for at in (later + 60, later + 61):
        with pytest.raises(BackendError):
            driver.hint(site, signed("key", at=at), BODY, now=at)


def test_a_true_webhook_about_nothing_is_no_hint() -> None:
    with FakeGpu(dialect="fal", webhook_secret="key") as gpu:
        order = order_for(gpu.url, driver="fal")
        for body in (b"[]", b"{", b'{"request_id": 7}'):
            with pytest.raises(BackendError):
                hint(FalBackend(), order, signed("key", at=time.time(), body=body), body)


def test_fals_own_keys_stand_on_another_host() -> None:
    site = order_for("https://queue.fal.run", driver="fal").site
    ours = replace(site, url="https://gpu.test/")

    assert fal_signature.key_set_address(site).startswith("https://rest.alpha.fal.ai/")
    assert fal_signature.key_set_address(ours) == "https://gpu.test/.well-known/jwks.json"
