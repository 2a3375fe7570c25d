"""What the scheduler remembers beside the jobs' own tables."""

from scheduler.models.act import Act
from scheduler.models.canary import Canary
from scheduler.models.operation import Doing, Operation, OperationState
from scheduler.models.reading import Reading
from scheduler.models.tick import Tick

__all__ = ["Act", "Canary", "Doing", "Operation", "OperationState", "Reading", "Tick"]
