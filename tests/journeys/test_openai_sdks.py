"""The official OpenAI SDKs against the running stack: nothing is changed but the address and the key."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from proofs.sinks.running import Sink, sink
from tests.gpu import FakeGpu
from tests.journeys import client
from tests.journeys.sdks import environments
from tests.openai.pictures import png
from tests.stack import RunningStack

_HERE = Path(__file__).parent / "sdks"
_PYTHONS = ("2.54.0", "3.54.0")
_JAVASCRIPT = "7.57.0"
_SECRET = b"a secret that only two know"
_PATIENCE = 120
_MP4, _WEBP = b"ftyp".hex(), b"RIFF".hex()
# By the name of the call: class, status, code. Each takes one request: no retry would help.
_REFUSALS = {
    "deleted": ("NotFoundError", 404, "not_found"),
    "unknown": ("NotFoundError", 404, "not_found"),
    "no_key": ("AuthenticationError", 401, "invalid_api_key"),
    "no_model": ("BadRequestError", 400, "invalid_request"),
    "field": ("BadRequestError", 400, "invalid_request"),
    "reused": ("UnprocessableEntityError", 422, "idempotency_key_reused"),
    "no_image": ("BadRequestError", 400, "invalid_request"),
    "large": ("APIStatusError", 413, "too_large"),
    "edit": ("BadRequestError", 400, "not_supported"),
    "extend": ("BadRequestError", 400, "not_supported"),
    "character": ("BadRequestError", 400, "not_supported"),
    "no_character": ("NotFoundError", 404, "not_found"),
}


@dataclass(frozen=True)
class Stage:
    """The running stack with a model of a server that opens its videos to us alone, and one finished preview."""

    stack: RunningStack
    model: str
    preview_id: str
    receiver: Sink

    def given(self) -> str:
        """Give what a program is told."""
        return json.dumps(
            {
                "url": self.stack.url,
                "key": self.stack.account("enterprise")["api_key"],
                "png": png(side=64).hex(),
                "served_model": self.model,
                "preview_id": f"video_{self.preview_id.replace('-', '')}",
                "webhook": _webhook(),
                "receiver": f"http://127.0.0.1:{self.receiver.port}/ok",
                "journal": str(self.receiver.journal),
            }
        )


@pytest.fixture(scope="module")
def stage(running_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Add the server's pool and a receiver of webhooks, and make one preview."""
    wanted = {"prompt": "A whale", "model": "preview", "seconds": 2, "size": "480x854"}
    preview_id = client.post(running_stack, "jobs", wanted).json["id"]
    with (
        FakeGpu(dialect="vllm_omni", slots=2, speed=0.05, jitter=0) as gpu,
        sink("http", tmp_path_factory.mktemp("http")) as receiver,
    ):
        running_stack.manage(
            "add_pool", "--name", "served", "--driver", "openai_videos", "--profile", "vllm_omni",
            "--url", gpu.url, "--slots", "2", "--models", "served", "--image-input", "--no-test",
        )  # fmt: skip
        (preview,) = client.wait(running_stack, [preview_id])
        assert preview["state"] == "succeeded", preview
        _wait_until_offered(running_stack, "served")
        yield Stage(stack=running_stack, model="served", preview_id=preview_id, receiver=receiver)
        running_stack.manage("remove_pool", "--name", "served")


@pytest.fixture(scope="module", params=list(product(_PYTHONS, ("sync", "async"))), ids=" ".join)
def facts(request: pytest.FixtureRequest, stage: Stage) -> Any:
    """Run the program once in each environment and manner, and give what it found."""
    version, mode = request.param
    program = environments.python(version)
    found = _run([str(program), str(_HERE / "program.py"), mode], stage.given(), cwd=_HERE)
    assert found["version"] == version
    return found


def _wait_until_offered(stack: RunningStack, model: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while client.get(stack, f"{stack.url}/v1/models/{model}").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _webhook() -> dict[str, Any]:
    """Sign an event as Standard Webhooks say, with a library of nobody's."""
    body = json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "created_at": int(time.time()),
            "type": "video.completed",
            "data": {"id": "video_1"},
        }
    )
    moment = str(int(time.time()))
    signature = hmac.digest(_SECRET, f"evt_1.{moment}.{body}".encode(), hashlib.sha256)
    return {
        "body": body,
        "secret": f"whsec_{base64.b64encode(_SECRET).decode()}",
        "headers": {
            "webhook-id": "evt_1",
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        },
    }


def _run(command: list[str], given: str, *, cwd: Path) -> Any:
    ended = subprocess.run(
        command,
        input=given,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_video_is_made_from_an_image_polled_and_retrieved(facts: Any) -> None:
    made = facts["made"]

    assert (made["status"], made["progress"], made["error"]) == ("completed", 100, None)
    assert (made["model"], made["seconds"]) == ("served", "4")
    assert facts["retrieved"] == made


def test_files_are_downloaded_and_our_key_goes_to_nobody_else(facts: Any, stage: Stage) -> None:
    files = facts["files"]
    first, *others = facts["hops"]

    assert files["None"] == files["video"]
    assert files["video"][8:16] == _MP4
    assert files["thumbnail"].startswith(_WEBP)
    assert files["spritesheet"].startswith(_WEBP)
    assert files["spritesheet"] != files["thumbnail"]
    assert facts["streamed"] == _MP4
    assert first == f"{urlsplit(stage.stack.url).netloc} True"
    assert [hop.split()[1] for hop in others] == ["False"]


def test_remixes_repeats_and_deletes_work(facts: Any, stage: Stage) -> None:
    remixed = facts["remix"]["remixed_from_video_id"]

    assert remixed == f"video_{stage.preview_id.replace('-', '')}"
    assert facts["same"]
    assert facts["first"]["model"] == "preview"
    assert (facts["deleted"]["deleted"], facts["deleted"]["object"]) == (True, "video.deleted")
    assert facts["after_delete"]["status"] == "failed"
    assert facts["after_delete"]["error"]["code"] == "canceled"


def test_lists_models_and_webhooks_work(facts: Any) -> None:
    assert facts["listed"][: len(facts["ids"])] == facts["ids"]
    assert len(set(facts["listed"])) == len(facts["listed"])
    assert {"preview", "served"} <= set(facts["models"])
    assert facts["event"] == ["video.completed", "video_1"]


def test_answers_are_of_the_types_that_the_sdk_publishes(facts: Any) -> None:
    assert facts["strict"] == [True] * 4


def test_webhook_endpoints_are_managed(facts: Any) -> None:
    found = facts["endpoints"]
    if facts["version"].startswith("2."):
        assert found is None
        return

    assert found["strict"] == [True] * 3
    assert found["made"]["signing_secret"].startswith("whsec_")
    assert found["is_listed"]
    assert (found["changed"]["name"], found["changed"]["event_types"]) == (
        "store",
        ["video.failed"],
    )
    assert found["rotated"]["signing_secret"] != found["made"]["signing_secret"]
    assert (found["tested"]["success"], found["tested"]["status_code"]) == (True, 204)
    assert found["events"] == ["video.completed"] * 2
    assert found["deleted"]["object"] == "webhook_endpoint.deleted"
    after = found["after"]
    assert (after["kind"], after["sent"]) == ("NotFoundError", 1)


def test_refusals_are_the_classes_that_programs_catch_and_cost_one_request(facts: Any) -> None:
    live = facts["live_remix"]

    for name, expected in _REFUSALS.items():
        found = facts["refusals"][name]
        assert (found["kind"], found["status"], found["code"]) == expected, name
        assert (found["sent"], found["has_request_id"]) == (1, True), name
    assert facts["refusals"]["field"]["param"] == "num_frames"
    assert (live["kind"], live["status"], live["sent"]) == ("ConflictError", 409, 1)


def test_the_javascript_sdk_works(stage: Stage) -> None:
    folder = environments.node(_JAVASCRIPT)
    program = folder / "program.mjs"
    program.write_text((_HERE / "program.mjs").read_text())

    facts = _run(["node", str(program)], stage.given(), cwd=folder)

    assert facts["made"]["status"] == "completed"
    assert facts["head"] == "RIFF"
    assert facts["remix"]["remixed_from_video_id"].startswith("video_")
    assert facts["same"]
    assert facts["deleted"]["deleted"]
    assert facts["listed"][:3] == facts["ids"]
    assert facts["event"] == ["video.completed", "video_1"]
    assert facts["hook"]["signing_secret"].startswith("whsec_")
    assert facts["rotated"]["signing_secret"] != facts["hook"]["signing_secret"]
    assert (facts["tested"]["status_code"], facts["renamed"]["name"]) == (204, "store")
    assert facts["hook"]["id"] in facts["hooks"]
    assert facts["unhooked"]["deleted"]
    assert facts["event_types"] == ["video.completed", "video.failed"]
    assert facts["unknown"] == {
        "kind": "NotFoundError",
        "status": 404,
        "code": "not_found",
        "has_request_id": True,
        "sent": 1,
    }
    assert (facts["no_model"]["kind"], facts["no_model"]["sent"]) == ("BadRequestError", 1)
    assert (facts["live_remix"]["kind"], facts["live_remix"]["sent"]) == ("ConflictError", 1)
