"""Identifiers: time-ordered UUIDs (RFC 9562, version 7), and the readings of what a caller sends."""

import re
from typing import Final, NewType
from uuid import UUID

import uuid_utils.compat

JobId = NewType("JobId", UUID)
OwnerId = NewType("OwnerId", UUID)

# A UUID with or without its dashes, or 32 digits behind the word that the OpenAI API puts there.
JOB_ID_PATTERN: Final = (
    "(?:video_)?[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)
_JOB_ID: Final = re.compile(JOB_ID_PATTERN, re.ASCII)


def new_id() -> UUID:
    """Make an identifier that sorts by the time of its making."""
    return uuid_utils.compat.uuid7()


def new_job_id() -> JobId:
    """Make a job's identifier. Lines serve an owner's jobs in this order."""
    return JobId(new_id())


def read_job_id(text: str) -> JobId | None:
    """Read a job's identifier in any form that one of our faces shows; None for anything else."""
    if not _JOB_ID.fullmatch(text):
        return None
    return JobId(UUID(hex=text.removeprefix("video_")))


def shown_to_openai(job_id: UUID) -> str:
    """Write a job's identifier as the OpenAI API does."""
    return f"video_{job_id.hex}"


class JobIdConverter:
    """A job's identifier in an address, in any of its forms."""

    regex = JOB_ID_PATTERN

    def to_python(self, value: str) -> JobId:
        """Read it. The pattern let nothing else through."""
        return JobId(UUID(hex=value.removeprefix("video_")))

    def to_url(self, value: UUID) -> str:
        """Write it as our own pages do."""
        return str(value)
