"""Standard Webhooks: what is believed, what is not, and what comes from the reference server."""

import base64
import time
from dataclasses import replace

import pytest

from jobs.backends.backend import Forged, Hint, Site
from jobs.backends.openai_videos.driver import OpenAIVideosBackend
from jobs.backends.standard_webhooks import verify
from tests.fake_gpu.receiver import Receiver
from tests.gpu import FakeGpu
from videogen.fake_gpu.signing import StandardWebhooks, new_secret

SECRET = new_secret()
NOW = 1_800_000_000
BODY = b'{"type": "video.completed", "data": {"id": "video_1"}}'
SITE = Site(pool="gpus", driver="openai_videos", profile="openai", url="", webhook_secret=SECRET)


def signed(body: bytes = BODY, *, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    return dict(StandardWebhooks(secret)(body, message_id="wh_1", timestamp=at, forged=False))


def test_the_published_example_verifies() -> None:
    # The test vector of the standardwebhooks libraries.
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    assert verify(secret, headers, b'{"test": 2432232314}', now=1614265330) == headers["webhook-id"]


@pytest.mark.parametrize("skew", [-300, 0, 300])
def test_a_message_within_five_minutes_is_believed(skew: int) -> None:
    assert verify(SECRET, signed(), BODY, now=NOW + skew) == "wh_1"


def test_one_right_signature_of_several_is_enough() -> None:
    headers = signed()
    right = headers["webhook-signature"]
    headers["webhook-signature"] = f"v1a,{right[3:]} v1,AAAA v1 v1,* {right}"

    assert verify(SECRET, headers, BODY, now=NOW) == "wh_1"
    assert verify(SECRET.removeprefix("whsec_"), headers, BODY, now=NOW) == "wh_1"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "wh_2"},
        {"webhook-id": ""},
        {"webhook-id": "w" * 256},
        {"webhook-id": "wh\n1"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": f"{NOW}.5"},
        {"webhook-timestamp": f"-{NOW}"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2," + signed()["webhook-signature"][3:]},
        {"webhook-signature": signed()["webhook-signature"][3:]},
        {"webhook-signature": signed(secret=new_secret())["webhook-signature"]},
        {"webhook-signature": "v1,AAAA " * 8 + signed()["webhook-signature"]},
    ],
)
def test_a_changed_header_is_forged(change: dict[str, str]) -> None:
    with pytest.raises(Forged):
        verify(SECRET, signed() | change, BODY, now=NOW)


@pytest.mark.parametrize("skew", [-301, 301])
def test_an_old_or_future_message_is_forged(skew: int) -> None:
    with pytest.raises(Forged, match="old"):
        verify(SECRET, signed(), BODY, now=NOW + skew)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_*", "whsec_é"])
def test_without_a_secret_nothing_is_believed(secret: str) -> None:
    empty = dict(StandardWebhooks("whsec_")(BODY, message_id="m", timestamp=NOW, forged=False))

    for headers in (signed(), empty, {}):
        with pytest.raises(Forged):
            verify(secret, headers, BODY, now=NOW)


def test_a_changed_body_is_forged() -> None:
    with pytest.raises(Forged):
        verify(SECRET, signed(), BODY + b" ", now=NOW)


def test_a_hint_names_the_video() -> None:
    driver = OpenAIVideosBackend()

    found = driver.hint(SITE, signed(), BODY, now=NOW)

    assert found == Hint(message_id="wh_1", backend_job_id="video_1")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 9999, b"[]", b'{"data": 1}', b'{"data": {}}', b'{"data": {"id": ""}}'],
)
def test_a_signed_message_about_nothing_is_no_hint(body: bytes) -> None:
    with pytest.raises(Forged, match="names no video"):
        OpenAIVideosBackend().hint(SITE, signed(body), body, now=NOW)


@pytest.mark.parametrize(
    ("fault", "is_believed"),
    [("webhook_duplicated", True), ("webhook_forged", False), ("webhook_stale", False)],
)
def test_the_webhooks_of_the_reference_server(fault: str, *, is_believed: bool) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    site = replace(SITE, webhook_secret=f"whsec_{key}")
    with (
        Receiver() as receiver,
        FakeGpu(
            dialect="openai",
            speed=0.001,
            webhook_url=receiver.url,
            webhook_secret=site.webhook_secret,
            fault={fault: 1},
        ) as gpu,
    ):
        _, found = gpu.ask("POST", "/v1/videos", form={"prompt": "A lighthouse"})
        gpu.wait_for("webhook_sent", found["id"])

    driver = OpenAIVideosBackend()
    for letter in receiver.letters:
        if is_believed:
            hint = driver.hint(site, letter.headers, letter.body, now=time.time())
            assert hint.backend_job_id == found["id"]
        else:
            with pytest.raises(Forged):
                driver.hint(site, letter.headers, letter.body, now=time.time())
    assert receiver.letters
