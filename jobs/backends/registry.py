"""Which driver speaks to a pool's backend."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import cast

from jobs.backends.backend import AsynchronousBackend, Backend, SynchronousBackend, is_asynchronous
from jobs.backends.diffusers.driver import DiffusersBackend
from jobs.backends.fal import FalBackend
from jobs.backends.openai_videos.driver import OpenAIVideosBackend
from jobs.backends.preview.driver import PreviewBackend
from jobs.backends.replicate import ReplicateBackend

_DRIVERS: Mapping[str, Callable[[], Backend]] = {
    "diffusers": DiffusersBackend,
    "fal": FalBackend,
    "openai_videos": OpenAIVideosBackend,
    "preview": PreviewBackend,
    "replicate": ReplicateBackend,
}


@cache
def backend(driver: str) -> Backend:
    """Give the driver of this name, one for the whole process."""
    return _DRIVERS[driver]()


def synchronous(driver: str) -> SynchronousBackend:
    """Give a driver that generates within the call. Raises TypeError for any other."""
    found = backend(driver)
    if is_asynchronous(found):
        raise TypeError(f"The driver {driver!r} does not generate within a call.")
    return cast("SynchronousBackend", found)


def asynchronous(driver: str) -> AsynchronousBackend:
    """Give a driver that takes orders and is asked later. Raises TypeError for any other."""
    found = backend(driver)
    if not is_asynchronous(found):
        raise TypeError(f"The driver {driver!r} generates within a call.")
    return found


def drivers() -> tuple[str, ...]:
    """Name every driver there is."""
    return tuple(sorted(_DRIVERS))


def profiles(driver: str) -> tuple[str, ...]:
    """Name the dialects that a driver knows; empty when there is only one."""
    return backend(driver).capabilities.profiles
