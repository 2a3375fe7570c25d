"""What a poller asks an asynchronous server, what may come back, and how questions share requests. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobs.backends.backend import (
    Cancellation,
    Failed,
    Finished,
    Gone,
    Order,
    StillRunning,
    StillWaiting,
    Submitted,
)
from jobs.models import LearnedBy

# Orders that one page of a server's list may cover.
PER_PAGE: Final = 100
# An order of which nothing was heard for so many seconds is asked about alone.
LISTED_WITHIN: Final = 20.0
# With one request to spend, a list that was read so lately leaves it to a question of its own, seconds.
_LIST_IS_FRESH: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One order to ask about, and what its next step depends on."""

    order: Order
    # The job's state, whether it shall stop, and whether the server was told so.
    state: str
    is_unwanted: bool
    is_stop_asked: bool
    # A webhook brought it forward.
    is_hinted: bool
    # How long it ran, how long such videos take, and how long ago the server last said something, seconds.
    ran_for: float
    expected: float
    silent_for: float = 0.0
    # A list did not name it, so that it is asked about alone: absence proves nothing.
    is_unlisted: bool = False

    @property
    def must_stop(self) -> bool:
        """Say whether the server is to be told that nobody wants it any more."""
        return self.is_unwanted and not self.is_stop_asked

    @property
    def learned_by(self) -> LearnedBy:
        """Say how an end that this question finds was learned."""
        return LearnedBy.WEBHOOK if self.is_hinted else LearnedBy.POLL


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an order whose create was not answered may be on its server; empty when nothing there may be it."""

    candidates: tuple[Submitted, ...]


class Deferred:
    """The budget ended before this question: it comes again."""


class NotListed(Deferred):
    """The list that was read does not name it. That proves nothing: it comes again."""


# What came back for a question: what the server said, None for silence.
Said = (
    Finished | Failed | StillWaiting | StillRunning | Gone | Found | Cancellation | Deferred | None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question and what the server said to it; `reason` says why it said nothing."""

    question: Question
    said: Said
    reason: str = ""
    # One request may answer many questions; the first of them counts it.
    counts_request: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Questions to one server; several are answered by its list, of which so many pages may be read."""

    pool: str
    questions: tuple[Question, ...]
    pages: int = 1

    @property
    def is_list(self) -> bool:
        """Tell a list from a question about one."""
        return len(self.questions) > 1


def plan(
    pool: str, questions: Sequence[Question], *, requests: int, asks_many: bool, in_flight: int
) -> tuple[list[Batch], list[Question]]:
    """Share so many requests among questions; give the batches, and the questions that must come again.

    A list is read where its pages are fewer than the questions. What the server has of ours (`in_flight`) is
    among the newest; what has ended stands between, so that twice as many pages may be read.
    """
    listed = [one for one in questions if not _must_be_asked_alone(one)]
    pages = pages_of(in_flight)
    if not asks_many or len(listed) <= pages:
        return [_alone(pool, one) for one in questions[:requests]], list(questions[requests:])
    alone = [one for one in questions if _must_be_asked_alone(one)]
    spared = min(len(alone), requests - 1)
    if requests == 1 and alone and max(one.silent_for for one in listed) < _LIST_IS_FRESH:
        return [_alone(pool, alone[0])], [*alone[1:], *listed]
    batches = [_alone(pool, one) for one in alone[:spared]]
    return [*batches, Batch(pool=pool, questions=tuple(listed), pages=2 * pages)], alone[spared:]


def pages_of(in_flight: int) -> int:
    """Say how many pages of a list hold so many orders."""
    return max(1, -(-in_flight // PER_PAGE))


def _alone(pool: str, question: Question) -> Batch:
    return Batch(pool=pool, questions=(question,))


def _must_be_asked_alone(question: Question) -> bool:
    return (
        not question.order.backend_job_id
        or question.must_stop
        or question.is_unlisted
        or question.silent_for > LISTED_WITHIN
    )
