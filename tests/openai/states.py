"""Jobs in states that take more than one move."""

from jobs import transitions
from jobs.failures import FailureKind
from jobs.models import Job
from scheduler import sweeps
from tests import factories
from tests.factories import Person, queued, running


def canceled(owner: Person) -> Job:
    job_id = queued(owner)
    transitions.cancel(job_id, owner_id=owner.id)
    return Job.objects.get(id=job_id)


def expired(owner: Person) -> Job:
    job_id = queued(owner)
    factories.past_deadline(job_id)
    sweeps.expire_waiting()
    return Job.objects.get(id=job_id)


def failed(owner: Person) -> Job:
    job = running(owner)
    factories.end_attempt(job, FailureKind.CONTENT_POLICY)
    return job


def waiting(owner: Person) -> Job:
    return Job.objects.get(id=queued(owner))
