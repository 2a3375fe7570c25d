"""Webhooks as a receiver meets them; signatures are verified by a computation of the tests' own."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from tests.fake_gpu.receiver import Letter, Receiver
from tests.gpu import FakeGpu
from videogen.fake_gpu import ed25519

KEY = b"a key for the tests, 32 bytes---"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
QUICK = 0.02

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P


def predict(gpu: FakeGpu, receiver: Receiver, **more: Any) -> tuple[int, Any]:
    prediction = {"version": "v", "input": {"prompt": "A lighthouse"}, "webhook": receiver.url}
    return gpu.ask(
        "POST",
        "/v1/predictions",
        {**prediction, "webhook_events_filter": ["completed"], **more},
    )


def has_valid_mac(letter: Letter) -> bool:
    head = f"{letter.headers['webhook-id']}.{letter.headers['webhook-timestamp']}.".encode()
    mac = base64.b64encode(hmac.new(KEY, head + letter.body, hashlib.sha256).digest()).decode()
    return letter.headers["webhook-signature"] == f"v1,{mac}"


def test_a_prediction_tells_its_start_and_its_end() -> None:
    with (
        Receiver() as receiver,
        FakeGpu(dialect="replicate", speed=0.1, webhook_secret=SECRET) as gpu,
    ):
        predict(gpu, receiver, webhook_events_filter=["start", "completed"])
        letters = receiver.wait(2)
        token = gpu.wait_for("submitted")["token"]

    assert [letter.data["status"] for letter in letters] == ["processing", "succeeded"]
    assert all(has_valid_mac(letter) for letter in letters)
    assert token == "attempt-7"


def test_openai_sends_a_thin_event() -> None:
    with Receiver() as receiver:
        options = {"webhook_url": receiver.url, "webhook_secret": SECRET, "speed": QUICK}
        with FakeGpu(dialect="openai", **options) as gpu:
            _, video = gpu.ask("POST", "/v1/videos", form={"prompt": "A lighthouse"})
            letter = receiver.wait()[0]

    assert has_valid_mac(letter)
    assert (letter.data["type"], letter.data["data"]) == ("video.completed", {"id": video["id"]})


@pytest.mark.parametrize("fault", ["webhook_lost", "webhook_duplicated", "webhook_forged"])
def test_a_webhook_is_lost_repeated_or_forged(fault: str) -> None:
    with (
        Receiver() as receiver,
        FakeGpu(dialect="replicate", speed=QUICK, webhook_secret=SECRET, fault={fault: 1}) as gpu,
    ):
        predict(gpu, receiver)
        gpu.wait_for("finished")
        count = {"webhook_lost": 0, "webhook_duplicated": 5, "webhook_forged": 1}[fault]
        letters = receiver.wait(count)
        if fault == "webhook_forged":
            assert gpu.wait_for("webhook_sent")["forged"] is True
        else:
            gpu.wait_for(fault)

    assert len(letters) == count
    assert len({letter.headers["webhook-id"] for letter in letters}) <= 1
    assert all(has_valid_mac(letter) is (fault != "webhook_forged") for letter in letters)


def test_an_early_webhook_comes_before_the_create_is_answered() -> None:
    with (
        Receiver() as receiver,
        FakeGpu(dialect="replicate", speed=1, fault={"webhook_early": 1}) as gpu,
    ):
        _, answer = predict(gpu, receiver)
        count, data = len(receiver.letters), receiver.letters[0].data

    assert count == 1
    assert (data["id"], data["status"]) == (answer["id"], "succeeded")
    assert answer["status"] == "processing"


def test_a_late_webhook_waits() -> None:
    options = {"speed": QUICK, "late_seconds": 0.6, "fault": {"webhook_late": 1}}
    with Receiver() as receiver, FakeGpu(dialect="replicate", **options) as gpu:
        predict(gpu, receiver)
        finished = gpu.wait_for("finished")["at"]

        assert receiver.wait()[0].at - finished > 0.5


def test_the_start_may_be_told_after_the_end() -> None:
    with (
        Receiver() as receiver,
        FakeGpu(dialect="replicate", speed=QUICK, fault={"webhook_reordered": 1}) as gpu,
    ):
        predict(gpu, receiver, webhook_events_filter=["start", "completed"])
        letters = receiver.wait(2)
        gpu.wait_for("webhook_reordered")

    assert [letter.data["status"] for letter in letters] == ["succeeded", "processing"]


def test_a_stale_webhook_has_a_true_signature_of_ten_minutes_ago() -> None:
    with Receiver() as receiver:
        options = {"webhook_secret": SECRET, "fault": {"webhook_stale": 1}}
        with FakeGpu(dialect="replicate", speed=QUICK, **options) as gpu:
            predict(gpu, receiver)
            letter = receiver.wait()[0]

    assert has_valid_mac(letter)
    assert letter.at - int(letter.headers["webhook-timestamp"]) >= 600


def test_a_refused_webhook_comes_again_with_the_same_id() -> None:
    with Receiver(500) as receiver, FakeGpu(dialect="replicate", speed=QUICK) as gpu:
        predict(gpu, receiver)
        letters = receiver.wait(2)
        gpu.wait_for("webhook_sent", count=2)
        sent = gpu.journal("webhook_sent")

    assert len({letter.headers["webhook-id"] for letter in letters}) == 1
    assert [(one["attempt"], one["status"]) for one in sent] == [(1, 500), (2, 200)]


def test_fal_signs_with_a_key_that_it_publishes() -> None:
    with Receiver() as receiver, FakeGpu(dialect="fal", speed=QUICK) as gpu:
        gpu.ask("POST", f"/fal-ai/wan?fal_webhook={receiver.url}", {"prompt": "A lighthouse"})
        letter = receiver.wait()[0]
        _, keys = gpu.ask("GET", "/.well-known/jwks.json")

    headers = letter.headers
    message = "\n".join(
        (
            headers["x-fal-webhook-request-id"],
            headers["x-fal-webhook-user-id"],
            headers["x-fal-webhook-timestamp"],
            hashlib.sha256(letter.body).hexdigest(),
        )
    ).encode()
    public = base64.urlsafe_b64decode(keys["keys"][0]["x"] + "=")
    signature = bytes.fromhex(headers["x-fal-webhook-signature"])
    assert letter.data["status"] == "OK"
    assert has_valid_signature(public, message, signature)
    assert not has_valid_signature(public, message + b"!", signature)


def test_signatures_are_those_of_rfc_8032() -> None:
    # Section 7.1, TEST 2.
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )

    assert ed25519.sign(secret, b"\x72").hex() == signature


def has_valid_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify in affine coordinates: S B equals R + k A (RFC 8032, section 5.1.7)."""
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little")
    s = int.from_bytes(signature[32:], "little")
    right = add(point(signature[:32]), times(k, point(public)))
    return times(s, point(BASE_Y.to_bytes(32, "little"))) == right


def point(data: bytes) -> tuple[int, int]:
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return (P - x if x & 1 != data[31] >> 7 else x), y


def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = one, other
    t = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P


def times(scalar: int, base: tuple[int, int]) -> tuple[int, int]:
    product = (0, 1)
    while scalar:
        if scalar & 1:
            product = add(product, base)
        base, scalar = add(base, base), scalar >> 1
    return product
