"""What the journal and the memory of a server keep over a restart and over kill -9."""

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gpu import FakeGpu
from videogen.fake_gpu import journal

FORM = {"prompt": "A lighthouse"}


def test_the_journal_survives_kill_9_and_goes_on() -> None:
    with FakeGpu(dialect="vllm_omni", fault={"hang": 1}) as gpu:
        gpu.ask("POST", "/v1/videos", form=FORM)
        gpu.kill()
        before = gpu.journal()
        gpu.start()
        gpu.ask("POST", "/v1/videos", form=FORM)
        after = gpu.journal()

    assert after[: len(before)] == before
    assert [line["n"] for line in after] == list(range(1, len(after) + 1))
    assert len([line for line in after if line["fact"] == "submitted"]) == 2


@pytest.mark.parametrize("dialect", ["vllm_omni", "sglang", "aquiles", "trtllm_visualgen"])
def test_a_server_of_ones_own_forgets_everything_at_a_restart(dialect: str) -> None:
    with FakeGpu(dialect=dialect, fault={"hang": 1}) as gpu:
        ids = [gpu.ask("POST", "/v1/videos", form=FORM)[1]["id"] for _ in range(2)]

        gpu.restart()

        assert [gpu.ask("GET", f"/v1/videos/{one}")[0] for one in ids] == [404, 404]
        assert [one["id"] for one in gpu.journal("forgotten")] == ids
        # What ran has cost something; what waited has not.
        assert [one["id"] for one in gpu.journal("billed")] == ids[:1]


def test_what_died_with_a_process_is_written_down_by_the_next() -> None:
    with FakeGpu(dialect="aquiles", fault={"hang": 1}) as gpu:
        first, second = (gpu.ask("POST", "/v1/videos", form=FORM)[1]["id"] for _ in range(2))
        gpu.kill()
        gpu.start()
        told = [(one["id"], one["phase"]) for one in gpu.journal("forgotten")]
        gpu.kill()
        gpu.start()

        assert told == [(first, "running"), (second, "queued")]
        assert len(gpu.journal("forgotten")) == 2


def test_a_hosted_service_signs_with_the_same_key_after_a_restart() -> None:
    with FakeGpu(dialect="replicate") as gpu:
        before = gpu.state()["webhook_secret"]
        gpu.kill()
        gpu.start()

        assert gpu.state()["webhook_secret"] == before


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first = journal.Journal(path, node="one")

    with pytest.raises(BlockingIOError):
        journal.Journal(path, node="two")
    first.close()
    journal.Journal(path, node="two").close()


def test_a_hosted_service_remembers_even_over_kill_9() -> None:
    with FakeGpu(dialect="replicate", speed=0.02, slots=2) as gpu:
        prediction = {"version": "abc", "input": {"prompt": "A lighthouse"}}
        _, first = gpu.ask("POST", "/v1/predictions", prediction)
        gpu.wait_for("finished", first["id"])
        gpu.fault("hang")
        _, second = gpu.ask("POST", "/v1/predictions", prediction)
        gpu.kill()

        gpu.start()

        _, recalled = gpu.ask("GET", f"/v1/predictions/{first['id']}")
        assert (recalled["status"], recalled["input"]) == ("succeeded", prediction["input"])
        assert gpu.ask("GET", f"/v1/predictions/{second['id']}")[1]["status"] == "processing"
        gpu.release()
        gpu.wait_for("finished", second["id"])


def test_a_submission_tells_who_asked() -> None:
    with FakeGpu(dialect="sglang", node="gpu-3") as gpu:
        headers = {"Idempotency-Key": "job-1/2", "X-Client-Request-Id": "tag"}
        gpu.ask("POST", "/v1/videos", form=FORM, headers=headers)
        line = gpu.wait_for("submitted")

    assert (line["token"], line["idempotency_key"], line["client_tag"]) == (
        "job-1/2",
        "job-1/2",
        "tag",
    )
    assert (line["node"], line["prompt"]) == ("gpu-3", "A lighthouse")


def test_a_submission_is_written_down_as_it_came() -> None:
    form = {**FORM, "num_frames": "81", "loras[]": "a", "flow_shift": "5.5"}
    with FakeGpu(dialect="vllm_omni") as gpu:
        gpu.ask("POST", "/v1/videos", form=form)

        assert gpu.wait_for("submitted")["fields"] == form


def test_half_a_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps({"n": 41, "fact": "started"}) + '\n{"n": 42, "fa')

    reopened = journal.Journal(path, node="gpu")
    reopened.write("finished", "v1")
    reopened.close()

    assert [(line["n"], line["fact"]) for line in journal.read(path)] == [
        (41, "started"),
        (42, "finished"),
    ]


def test_slots_can_change_while_it_works() -> None:
    with FakeGpu(dialect="vllm_omni", fault={"hang": 1}) as gpu:
        for _ in range(5):
            gpu.ask("POST", "/v1/videos", form=FORM)
        gpu.slots(3)

        state = gpu.state()

    assert (len(state["running"]), len(state["waiting"])) == (3, 2)


def test_the_control_face_may_ask_for_a_token() -> None:
    with FakeGpu(dialect="openai", control_token="sesame") as gpu:
        key = {"Authorization": "Bearer sesame"}

        assert gpu.ask("GET", "/_control/state")[0] == 401
        assert gpu.ask("GET", "/_control/state", headers=key)[0] == 200


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "videogen.fake_gpu", *arguments]
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert run.returncode != 0
        assert "Traceback" not in run.stderr
        return run.stderr

    path = tmp_path / "journal.jsonl"
    with FakeGpu(dialect="openai", journal=path) as gpu:
        port = gpu.url.rpartition(":")[2]

        assert "Cannot listen" in told(f"--port={port}")
        assert "Another server writes" in told(f"--journal={path}")
        assert "no fault 'hnag'" in told("--fault=hnag")
        assert "no probability" in told("--fault=hang=2")


def test_a_server_stops_in_silence_and_at_once_though_callers_wait(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "videogen.fake_gpu", f"--ready-file={ready}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        while not ready.exists():
            assert server.poll() is None
            time.sleep(0.02)
        idle = http.client.HTTPConnection(ready.read_text().removeprefix("http://"))
        idle.request("GET", "/_control/state")
        idle.getresponse().read()
        server.terminate()
        said, complained = server.communicate(timeout=20)
        idle.close()

    assert said.startswith(b"openai listens at http://127.0.0.1:")
    assert (server.returncode, complained) == (0, b"")
