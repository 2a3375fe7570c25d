"""Shapes of the native API as JSON Schema (2020-12), by name: what the contract's `$ref`s point at."""

from typing import Final

from jobs import batches, cancellations, requests
from jobs.api import representation
from jobs.api.shapes import ID, Schema, a_list, an_object, moment, or_null, ref, text, whole
from jobs.cancellations import Outcome
from jobs.models import EntryKind
from jobs.states import JobState

_NUMBER: Final = {"type": "number"}
_LINK: Final = or_null(text("Address of the next page; null when this is the last."))
_RANGE: Final = or_null(a_list(moment(), minItems=2, maxItems=2))
_SEED: Final = whole("Same seed, same video.", minimum=0, maximum=2**32 - 1)
_WITHIN: Final = {
    "minimum": requests.SHORTEST_DEADLINE,
    "maximum": requests.LONGEST_DEADLINE,
}
_CREDITS: Final = an_object(
    "Credits of a job.",
    reserved=whole("Held while it lives."),
    charged=whole("Charged at its end."),
    cancel_fee=or_null(whole("What a cancel costs now; null once there is nothing to cancel.")),
)
_JOB_MEMBERS: Final[dict[str, Schema]] = {
    "id": ID,
    "state": text("See the states.", enum=list(JobState.values)),
    "version": whole("Grows with every change: drop what has a smaller one than you have."),
    "attempt": whole("Number of the current try; 0 before the first."),
    "prompt": text(),
    "model": text(),
    "seconds": whole(),
    "size": text("WIDTHxHEIGHT, pixels."),
    "seed": or_null(_SEED),
    "progress": whole("Percent.", minimum=0, maximum=100),
    "waiting": or_null(ref("Waiting")),
    "credits": _CREDITS,
    "video_url": or_null(text()),
    "video_expires_at": or_null(moment("When video_url stops working, where that is known.")),
    "thumbnail_url": or_null(text()),
    "late_result": or_null(
        an_object(
            "A video that came after the job had ended; not charged.",
            video_url=text(),
            thumbnail_url=or_null(text()),
        )
    ),
    "error": or_null(an_object("Why there is no video.", code=text(), message=text())),
    "retry_of": or_null(ID),
    "variation_of": or_null(ID),
    "batch_id": or_null(ID),
    "standby": {"type": "boolean", "description": "It runs when nobody else waits."},
    "cancel_requested_at": or_null(moment()),
    "start_by": or_null(moment("It expires when it has not started by then.")),
    "finish_by": or_null(moment("It expires when it has not finished by then.")),
    "created_at": moment(),
    "started_at": or_null(moment()),
    "finished_at": or_null(moment()),
}
_LIMIT: Final = an_object(
    "One limit of the plan.",
    name=text(),
    unit=text(),
    value=or_null(whole("Null: the plan has no limit of this kind.")),
    used=_NUMBER,
    left=or_null(_NUMBER),
    window_seconds=or_null(whole("Null: what counts is what there is at the moment.")),
    resets_at=or_null(moment()),
)
_BALANCE: Final = an_object(
    "Credits of the account.", balance=whole("Can be spent."), held=whole("Held by live jobs.")
)
_REFUSAL: Final = an_object(
    "Why a request of a batch was not accepted.",
    code=text(),
    message=text(),
    limit=or_null(text()),
    value=or_null(_NUMBER),
    retry_after_seconds=or_null(whole()),
)
_COUNTS: Final = an_object(
    "Jobs of the day by state.",
    **{name: whole() for name in [*JobState.values, "live", "ended"]},
)

SCHEMAS: Final[dict[str, Schema]] = {
    "Job": {
        **an_object(
            "One requested video.", **{name: _JOB_MEMBERS[name] for name in representation.NAMES}
        ),
    },
    # With ?fields= any subset of a job's members.
    "JobFields": {
        **an_object("A job, or those of its members that were asked for.", **_JOB_MEMBERS),
        "required": [],
    },
    "Waiting": an_object(
        "Why it waits, and what is known of when it starts.",
        reason=text("A stable code."),
        sentence=text("For people."),
        position=or_null(whole("About how many start before it.")),
        start_range=_RANGE,
        finish_range=_RANGE,
    ),
    "JobRequest": {
        **an_object(
            "A video to make.",
            optional=(
                "model",
                "seconds",
                "size",
                "seed",
                "start_within",
                "finish_within",
                "input_reference",
                "standby",
            ),
            prompt=text(minLength=1, maxLength=requests.PROMPT_LIMIT),
            model=or_null(text("The first of /models without it.")),
            seconds={
                "type": ["integer", "string", "null"],
                "description": "A length of the model.",
            },
            size=or_null(text("A size of the model.")),
            seed={"type": ["integer", "string", "null"], "description": "A whole number, 32 bits."},
            start_within={"type": ["integer", "string", "null"], **_WITHIN},
            finish_within={"type": ["integer", "string", "null"], **_WITHIN},
            input_reference={
                "type": ["string", "object", "null"],
                "description": "The image that it begins from, as a data URI or an object with"
                " image_url; in a form, a file.",
            },
            standby={
                "type": ["boolean", "string", "null"],
                "description": "Accept it without a promise: it runs when nobody else waits.",
            },
        ),
    },
    "JobPage": an_object(
        "Jobs, newest first.",
        day=or_null(text(format="date")),
        time_zone=text(),
        jobs=a_list(ref("JobFields")),
        next=_LINK,
    ),
    "Batch": an_object(
        "What became of each request, in their order.",
        id=ID,
        accepted=whole(),
        refused=whole(),
        results=a_list(
            an_object(
                "Its job, or why there is none.", job=or_null(ref("Job")), error=or_null(_REFUSAL)
            ),
            maxItems=batches.LARGEST,
        ),
    ),
    "Cancellations": an_object(
        "What became of each wish.",
        results=a_list(
            an_object("One job.", job_id=ID, outcome=text(enum=[one.value for one in Outcome])),
            maxItems=cancellations.MOST,
        ),
        more={"type": "boolean", "description": "There may be more that fit: send it again."},
    ),
    "Quote": an_object(
        "What a request would cost and wait.",
        credits=whole(),
        balance=whole(),
        is_affordable={"type": "boolean"},
        gpu_seconds=_NUMBER,
        waiting=or_null(ref("Waiting")),
        refusal=or_null(
            an_object(
                "What it would be refused for now.",
                code=text(),
                limit=text(),
                value=or_null(_NUMBER),
                used=or_null(_NUMBER),
                detail=text("For people."),
                retry_after=or_null(whole()),
                standby_offered={"type": "boolean"},
            )
        ),
        cancel=an_object("What cancelling it costs.", waiting=whole(), running=whole()),
    ),
    "Timeline": an_object(
        "What happened to a job, and when.",
        job_id=ID,
        state=text(enum=list(JobState.values)),
        events=a_list(
            an_object(
                "One move.",
                at=moment(),
                event=text(),
                attempt=or_null(whole()),
                cause=or_null(text()),
                seconds=or_null({"type": "number", "description": "Until the next one."}),
            )
        ),
        attempts=a_list(
            an_object(
                "One try.",
                number=whole(),
                outcome=or_null(text()),
                granted_at=moment(),
                started_at=or_null(moment()),
                ended_at=or_null(moment()),
                starting_seconds=or_null(_NUMBER),
                running_seconds=or_null(_NUMBER),
            )
        ),
        credits=a_list(
            an_object(
                "One entry of the ledger.",
                at=moment(),
                kind=text(enum=list(EntryKind.values)),
                balance_delta=whole(),
                held_delta=whole(),
            )
        ),
        durations=an_object(
            "Seconds up to the end, or to now.",
            waiting_seconds=_NUMBER,
            starting_seconds=_NUMBER,
            running_seconds=_NUMBER,
            total_seconds=_NUMBER,
        ),
    ),
    "Today": an_object(
        "Everything that a status page shows.",
        day=text(format="date"),
        time_zone=text(),
        follow=an_object(
            "Where to follow from: events after this number are newer than this answer.",
            after=whole(),
            push_url=text("Origin of long polls, streams and sockets."),
        ),
        counts=_COUNTS,
        credits=an_object(
            "Credits of the account.",
            balance=whole(),
            held=whole(),
            charged_today=whole("By jobs that were submitted on this day."),
        ),
        tier=text(),
        limits=a_list(_LIMIT),
        unread_notifications=whole(),
        jobs=a_list(ref("JobFields")),
        next=_LINK,
        earlier=a_list(ref("JobFields"), description="Jobs of earlier days that still live."),
    ),
    "Limits": an_object(
        "Limits of the account's plan.", tier=text(), limits=a_list(_LIMIT), credits=_BALANCE
    ),
    "Credits": _BALANCE,
    "Ledger": an_object(
        "The ledger, newest first.",
        entries=a_list(
            an_object(
                "One entry.",
                id=whole(),
                at=moment(),
                kind=text(enum=list(EntryKind.values)),
                job_id=or_null(ID),
                balance_delta=whole(),
                held_delta=whole(),
                reason=text(),
            )
        ),
        next=_LINK,
    ),
    "Notification": an_object(
        "One thing that its owner was told.",
        id=whole(),
        name=text("As an event's name, such as job.succeeded."),
        subject_id=ID,
        payload={"type": "object"},
        at=moment(),
        read_at=or_null(moment()),
    ),
    "Notifications": an_object(
        "Newest first.", unread=whole(), notifications=a_list(ref("Notification")), next=_LINK
    ),
    "Marked": an_object("How many were marked, and are left.", marked=whole(), unread=whole()),
    "Event": an_object(
        "One change.",
        sequence=whole("Without gaps for each owner."),
        name=text(),
        subject_id=ID,
        payload={"type": "object"},
        at=moment(),
    ),
    "Events": an_object(
        "What changed after a number.",
        events=a_list(ref("Event")),
        head=whole("The last number there is."),
        reset={
            "type": "boolean",
            "description": "Your number is not of this feed any more: read /today, go on from head.",
        },
        more={"type": "boolean"},
    ),
    "Models": an_object(
        "What can be asked for.",
        models=a_list(
            an_object(
                "One model.",
                id=text(),
                seconds=a_list(whole()),
                sizes=a_list(an_object("One size.", size=text(), credits_per_second=whole())),
            )
        ),
    ),
    "Tiers": an_object(
        "The plans, the smallest first. Null: no limit, or no promise.",
        tiers=a_list(
            an_object(
                "One plan.",
                id=text(),
                running=or_null(whole()),
                queued=or_null(whole()),
                submissions_per_minute=or_null(whole()),
                jobs_per_day=or_null(whole()),
                gpu_seconds_per_day=or_null(whole()),
                start_promise_seconds=or_null(whole()),
                monthly_credits=whole(),
            )
        ),
    ),
    "Problem": {
        **an_object(
            "RFC 9457. `code` is stable; docs/api.md says for each what to do next.",
            optional=("errors", "limit", "value", "used", "fits_at", "standby_offered"),
            type=text(),
            title=text(),
            status=whole(),
            code=text(),
            detail=text("For people."),
            errors=a_list(an_object("One fault.", field=text(), message=text())),
            limit=text("Which limit refused."),
            value=_NUMBER,
            used=_NUMBER,
            fits_at=or_null(moment("When it would fit.")),
            standby_offered={"type": "boolean"},
        ),
        "additionalProperties": True,
    },
}
