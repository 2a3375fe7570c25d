"""Why each defence is there: a driver without it is wrong about the reference server, whose journal tells the truth.

Every fault that the server has is met twice, by a naive driver that is wrong and by ours that is not.
"""

import json

import httpx
import pytest

from jobs.backends.backend import Cancellation, Failed, Finished, StillRunning
from jobs.failures import FailureKind
from tests.jobs.backends import fault_handling as ours
from tests.jobs.backends import fault_mistakes as naives
from tests.jobs.backends.dialects import DIALECTS
from tests.jobs.backends.fault_scenes import Case, Scene
from tests.jobs.backends.naive import Naive
from tests.jobs.backends.video_servers import Servers, struck
from videogen.fake_gpu import faults

HANG = ("hang",)
POLICY, REQUEST = FailureKind.CONTENT_POLICY, FailureKind.INVALID_REQUEST
AWAY, BROKEN = FailureKind.BACKEND_UNAVAILABLE, FailureKind.BACKEND_ERROR
DONE, UNDONE = "video.completed", "video.failed"

CASES = [
    # Of a generation.
    Case(fault="slow", seconds=500, wrong=naives.gives_up_and_sends_again, right=ours.RUNNING),
    Case(
        fault="hang",
        wrong=naives.gives_up_and_sends_again,
        right=ours.stops(Cancellation.GOES_ON),
    ),
    Case(fault="failure", wrong=naives.tells_the_servers_inside, right=ours.fails_discreetly),
    Case(
        fault="refused_content",
        wrong=naives.tries_the_refused_again,
        right=ours.ends(Failed, kind=POLICY),
    ),
    Case(fault="failed_as_500", wrong=naives.ends_broken, right=ours.ends(Failed, kind=BROKEN)),
    Case(
        fault="success_twice",
        dialect="openai",
        wrong=naives.hears(DONE, DONE),
        right=ours.is_told_of(2),
    ),
    Case(
        fault="success_then_failure",
        dialect="openai",
        wrong=naives.hears(DONE, UNDONE),
        right=ours.is_told_of(2),
    ),
    Case(
        fault="webhook_lost",
        dialect="openai",
        wrong=naives.hears_nothing,
        right=ours.learns_by_asking,
    ),
    Case(
        fault="webhook_late",
        dialect="openai",
        wrong=naives.hears_nothing,
        right=ours.learns_by_asking,
    ),
    Case(
        fault="webhook_duplicated",
        dialect="openai",
        wrong=naives.hears(*[DONE] * 5),
        right=ours.is_told_of(5),
    ),
    Case(
        fault="webhook_early",
        dialect="openai",
        wrong=naives.hears_of_what_it_does_not_know,
        right=ours.is_told_of(1),
    ),
    Case(
        fault="webhook_reordered",
        dialect="replicate",
        wrong=naives.hears_the_start_last,
        right=ours.is_told_of(1),
    ),
    Case(
        fault="webhook_forged",
        dialect="openai",
        wrong=naives.believes_what_is_unsigned,
        right=ours.refuses_what_came,
    ),
    Case(
        fault="webhook_stale",
        dialect="openai",
        wrong=naives.believes_what_is_old,
        right=ours.refuses_what_came,
    ),
    Case(
        fault="delete_frees_nothing",
        along=HANG,
        wrong=naives.frees_nothing,
        right=ours.stops(Cancellation.GOES_ON),
    ),
    Case(
        fault="delete_conflict",
        dialect="vllm_omni",
        along=HANG,
        wrong=naives.forgets_what_was_not_stopped,
        right=ours.asks_later_to_stop,
    ),
    Case(
        fault="cancel_ignored",
        dialect="vllm_omni",
        along=HANG,
        wrong=naives.frees_nothing,
        right=ours.stops(Cancellation.GOES_ON),
    ),
    Case(fault="unknown_status", along=HANG, wrong=naives.breaks(KeyError), right=ours.RUNNING),
    Case(
        fault="null_progress",
        along=HANG,
        wrong=naives.breaks(TypeError),
        right=ours.sees(StillRunning, percent=None),
    ),
    Case(fault="no_progress", along=HANG, wrong=naives.divides_by_nothing, right=ours.RUNNING),
    Case(
        fault="faked_progress",
        dialect="aquiles",
        along=HANG,
        wrong=naives.advances_while_it_waits,
        right=ours.sees(StillRunning, percent=None),
    ),
    Case(fault="progress_falls", seconds=500, wrong=naives.goes_back, right=ours.ends(Finished)),
    Case(
        fault="in_progress_while_queued",
        dialect="vllm_omni",
        along=HANG,
        wrong=naives.runs_while_it_waits,
        right=ours.sees(StillRunning, percent=None),
    ),
    Case(
        fault="bad_result_url",
        dialect="replicate",
        wrong=naives.fetches_from_anywhere,
        right=ours.ends(Failed, kind=BROKEN),
    ),
    Case(
        fault="result_by_url",
        wrong=naives.asks_in_the_wrong_place,
        right=ours.is_opened_where_it_is,
    ),
    Case(
        fault="no_result",
        dialect="replicate",
        wrong=naives.opens_what_is_not_there,
        right=ours.ends(Failed, kind=BROKEN),
    ),
    Case(
        fault="empty_result",
        wrong=naives.pays_for_nothing,
        right=ours.ends(Failed, kind=BROKEN),
    ),
    Case(
        fault="page_for_result",
        dialect="vllm_omni",
        wrong=naives.pays_for_a_page,
        right=ours.ends(Failed, kind=BROKEN),
    ),
    # Of an answer.
    Case(
        fault="error_500_on_poll",
        along=HANG,
        wrong=naives.sends_twice_while_it_runs,
        right=ours.gives_no_answer,
    ),
    Case(
        fault="garbage_on_poll",
        along=HANG,
        wrong=naives.breaks(json.JSONDecodeError),
        right=ours.gives_no_answer,
    ),
    Case(fault="huge_on_poll", along=HANG, wrong=naives.reads_for_ever, right=ours.gives_no_answer),
    Case(
        fault="drip_on_poll",
        along=HANG,
        wrong=naives.waits_byte_by_byte,
        right=ours.gives_no_answer,
    ),
    Case(fault="mute_on_submit", wrong=naives.sends_twice, right=ours.is_found_again),
    Case(
        fault="wrong_content_type_on_poll",
        along=HANG,
        wrong=naives.breaks(TypeError),
        right=ours.RUNNING,
    ),
    # Of a request.
    Case(fault="reject_402", wrong=naives.asks_again_for_the_same, right=ours.is_refused(AWAY)),
    Case(fault="reject_429", wrong=naives.asks_again_for_the_same, right=ours.is_refused(AWAY)),
    Case(
        fault="reject_content",
        wrong=naives.asks_again_for_the_same,
        right=ours.is_refused(POLICY),
    ),
    Case(
        fault="drop_after_accept",
        dialect="vllm_omni",
        wrong=naives.sends_twice,
        right=ours.is_found_again,
    ),
    Case(
        fault="error_500_after_accept",
        dialect="vllm_omni",
        wrong=naives.sends_twice,
        right=ours.is_found_again,
    ),
    Case(
        fault="forget_on_poll",
        along=HANG,
        wrong=naives.sends_twice_while_it_runs,
        right=ours.gives_no_answer,
    ),
    Case(
        fault="forget_on_delete",
        along=HANG,
        wrong=naives.forgets_what_was_not_stopped,
        right=ours.asks_later_to_stop,
    ),
    Case(
        fault="restart_on_poll",
        along=HANG,
        wrong=naives.breaks(httpx.HTTPStatusError),
        right=ours.GONE,
    ),
    Case(
        fault="drop_on_poll",
        along=HANG,
        wrong=naives.sends_twice_while_it_runs,
        right=ours.gives_no_answer,
    ),
    Case(
        fault="unhealthy",
        dialect="vllm_omni",
        wrong=naives.takes_any_answer_for_health,
        right=ours.is_ill,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda one: f"{one.fault}-{one.dialect}")
@pytest.mark.parametrize("who", ["naive", "ours"])
def test_a_driver_without_the_defence_is_wrong_and_ours_is_not(
    servers: Servers, case: Case, who: str
) -> None:
    gpu = servers.get(case.dialect)
    gpu.control("late", {"seconds": 600})
    spoken = next(one for one in DIALECTS if one.name == case.dialect)
    patience = 0.3 if case.fault == "mute_on_submit" else 2
    naive = Naive(gpu, seconds=case.seconds, patience=patience)
    scene = Scene(
        gpu=gpu, receiver=servers.receiver, spoken=spoken, naive=naive, seconds=case.seconds
    )
    before = len(gpu.journal())
    with struck(gpu, case.fault, *case.along):
        (case.wrong if who == "naive" else case.right)(scene)
    # A fault is in the journal: of the generation that met it, or of the answer.
    told = {
        name
        for fact in gpu.journal()[before:]
        for name in (*fact.get("faults", ()), fact.get("name", ""))
    }

    assert {case.fault, case.fault.partition("_on_")[0]} & told


def test_every_fault_is_met_both_ways() -> None:
    known = {*faults.OF_GENERATION, *faults.OF_ANSWER, *faults.OF_REQUEST}

    met = {one.fault if one.fault in known else one.fault.partition("_on_")[0] for one in CASES}

    assert met == known
    assert len(CASES) == len(known)
