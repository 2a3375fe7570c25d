"""Identifiers: time-ordered UUIDs (RFC 9562, version 7), and the readings of what a caller sends."""

from typing import NewType
from uuid import UUID

import uuid_utils.compat

JobId = NewType("JobId", UUID)
OwnerId = NewType("OwnerId", UUID)


def new_id() -> UUID:
    """Make an identifier that sorts by the time of its making."""
    return uuid_utils.compat.uuid7()


def new_job_id() -> JobId:
    """Make a job's identifier. Lines serve an owner's jobs in this order."""
    return JobId(new_id())
