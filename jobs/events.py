"""What jobs announce. Payloads carry the job's version, so that a reader drops what it has seen."""

from typing import Final

from jobs.states import JobState

SUBMITTED: Final = "job.submitted"
DISPATCHED: Final = "job.dispatched"
RETRYING: Final = "job.retrying"
CANCEL_REQUESTED: Final = "job.cancel_requested"
# Of all jobs of one call: the last of them has ended.
BATCH_ENDED: Final = "batch.ended"
# It waits, and its owner gave it other words.
EDITED: Final = "job.edited"
LATE_RESULT: Final = "job.late_result"
# Its owner deleted it: it is nowhere to be seen any more.
REMOVED: Final = "job.removed"

# The event of a move, by the state it leads to.
OF_STATE: Final = {
    JobState.QUEUED: RETRYING,
    JobState.DISPATCHED: DISPATCHED,
    JobState.RUNNING: "job.started",
    JobState.SUCCEEDED: "job.succeeded",
    JobState.FAILED: "job.failed",
    JobState.CANCELED: "job.canceled",
    JobState.EXPIRED: "job.expired",
}
