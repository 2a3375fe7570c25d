"""Which driver speaks to a pool's backend."""

from functools import cache

from jobs.backends.backend import Backend
from jobs.backends.preview.driver import PreviewBackend

_DRIVERS = {"preview": PreviewBackend}


@cache
def backend(driver: str) -> Backend:
    """Give the driver of this name, one for the whole process."""
    return _DRIVERS[driver]()


def drivers() -> tuple[str, ...]:
    """Name every driver there is."""
    return tuple(sorted(_DRIVERS))
