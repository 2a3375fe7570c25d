"""Every table that a submit or a move touches."""

from jobs.models.account import Account
from jobs.models.attempt import Attempt, JobTransition, LearnedBy
from jobs.models.batch import Batch
from jobs.models.door import Door, Gate, Ticket
from jobs.models.idempotency_key import IdempotencyKey
from jobs.models.inbox import Orphan, WebhookMessage
from jobs.models.input_image import InputImage
from jobs.models.job import Job
from jobs.models.kind import Kind, Offering
from jobs.models.lease import Lease
from jobs.models.ledger import EntryKind, LedgerEntry
from jobs.models.line import Backlog, Lane, LaneState, Line
from jobs.models.outlook import Band, LineOutlook, RangeOutcome, ToldRange
from jobs.models.pool import Node, Pool, PoolChange, PoolState, RetryBudget, RunTime
from jobs.models.progress import Progress, SlotUse
from jobs.models.recovery import Cause, LateResult, Recovery, Truth
from jobs.models.tier import Tier

__all__ = [
    "Account",
    "Attempt",
    "Backlog",
    "Band",
    "Batch",
    "Cause",
    "Door",
    "EntryKind",
    "Gate",
    "IdempotencyKey",
    "InputImage",
    "Job",
    "JobTransition",
    "Kind",
    "Lane",
    "LaneState",
    "LateResult",
    "LearnedBy",
    "Lease",
    "LedgerEntry",
    "Line",
    "LineOutlook",
    "Node",
    "Offering",
    "Orphan",
    "Pool",
    "PoolChange",
    "PoolState",
    "Progress",
    "RangeOutcome",
    "Recovery",
    "RetryBudget",
    "RunTime",
    "SlotUse",
    "Ticket",
    "Tier",
    "ToldRange",
    "Truth",
    "WebhookMessage",
]
