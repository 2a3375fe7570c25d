"""Which driver speaks to a pool's backend."""

from collections.abc import Mapping
from functools import cache
from typing import Final, cast

from django.utils.module_loading import import_string

from jobs.backends.backend import AsynchronousBackend, Backend, SynchronousBackend, is_asynchronous

# Imported when first asked for: a process that renders nothing needs neither codecs nor tensors.
_DRIVERS: Final[Mapping[str, str]] = {
    "diffusers": "jobs.backends.diffusers.driver.DiffusersBackend",
    "fal": "jobs.backends.fal.FalBackend",
    "openai_videos": "jobs.backends.openai_videos.driver.OpenAIVideosBackend",
    "preview": "jobs.backends.preview.driver.PreviewBackend",
    "replicate": "jobs.backends.replicate.ReplicateBackend",
}


@cache
def backend(driver: str) -> Backend:
    """Give the driver of this name, one for the whole process."""
    made: Backend = import_string(_DRIVERS[driver])()
    return made


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
