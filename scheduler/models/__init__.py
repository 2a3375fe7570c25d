"""What the scheduler remembers beside the jobs' own tables."""

from scheduler.models.tick import Tick

__all__ = ["Tick"]
