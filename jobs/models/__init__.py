"""Every table that a submit or a move touches."""

from jobs.models.account import Account
from jobs.models.attempt import Attempt, JobTransition, LearnedBy
from jobs.models.idempotency_key import IdempotencyKey
from jobs.models.inbox import Orphan, WebhookMessage
from jobs.models.job import Job
from jobs.models.kind import Kind, Offering
from jobs.models.lease import Lease
from jobs.models.ledger import EntryKind, LedgerEntry
from jobs.models.line import Backlog, Lane, LaneState, Line
from jobs.models.pool import Node, Pool, PoolChange, PoolState, RetryBudget, RunTime
from jobs.models.recovery import Cause, LateResult, Recovery, Truth
from jobs.models.sharing import PoolFloor, Share, SlotUse, Turn
from jobs.models.tier import Tier

__all__ = [
    "Account",
    "Attempt",
    "Backlog",
    "Cause",
    "EntryKind",
    "IdempotencyKey",
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
    "Node",
    "Offering",
    "Orphan",
    "Pool",
    "PoolChange",
    "PoolFloor",
    "PoolState",
    "Recovery",
    "RetryBudget",
    "RunTime",
    "Share",
    "SlotUse",
    "Tier",
    "Truth",
    "Turn",
    "WebhookMessage",
]
