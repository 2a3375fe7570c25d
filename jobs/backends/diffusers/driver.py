"""Generates within the GPU worker by a diffusers pipeline, kept loaded between orders.

Nothing here imports torch: the packages of requirements-gpu.txt are needed where a generation runs, and
only from its beginning.
"""

import queue
from typing import Final

import av
from PIL import Image

from jobs.backends import local_files
from jobs.backends.backend import (
    BackendError,
    Control,
    Health,
    Order,
    Sighting,
    Site,
    Stopped,
    Video,
)
from jobs.backends.capabilities import Capabilities
from jobs.backends.clips import STILL_AT, ClipFiles, ClipWriter, Sheet
from jobs.backends.diffusers import shapes
from jobs.backends.diffusers.gpus import Gpus
from jobs.backends.diffusers.run import Began, Film, Run
from jobs.backends.diffusers.weights import check_packages, weights_of
from jobs.failures import FailureKind

# What of a generation's percent the model has; the rest is encoding.
_MODELS_SHARE: Final = 95


class DiffusersBackend:
    """Text to video by a model of this machine."""

    capabilities = Capabilities(runs_in_worker=True)

    def __init__(self) -> None:
        self._gpus = Gpus()

    def generate(self, order: Order, control: Control) -> Video:
        """Load the model where it is not loaded, generate, encode. Raises BackendError or Stopped."""
        shapes.check(width=order.width, height=order.height)
        check_packages()
        weights = weights_of(order.site, order.model)
        place = local_files.place(order)
        try:
            local_files.make_room()
            with ClipFiles(place.clip, place.still) as files:
                files.touch()
                _encode(self._film(order, weights, control), files, control)
                files.publish()
                files.keep()
        except (OSError, av.FFmpegError) as error:
            raise BackendError(
                FailureKind.INTERNAL, "The video could not be written.", detail=str(error)
            ) from None
        return local_files.video(order)

    def look(self, order: Order) -> Sighting:
        """Find the finished clip: a generation never outlives its worker."""
        return local_files.look(order)

    def health(self, site: Site) -> Health:
        """Say whether packages and weights are here, without loading either. Raises BackendError."""
        check_packages()
        if site.profile or site.url:
            weights_of(site, "")
        return Health()

    def _film(self, order: Order, weights: str, control: Control) -> Film:
        with Run(lambda run: self._gpus.film(order, weights, run)) as run:
            while True:
                if reason := control.stop_reason():
                    raise Stopped(reason)
                try:
                    message = run.next_message()
                except queue.Empty:
                    continue
                match message:
                    case Began():
                        control.began()
                    case int():
                        control.progressed(message * _MODELS_SHARE // 100)
                    case None:
                        return run.film()


def _encode(film: Film, files: ClipFiles, control: Control) -> None:
    pictures = film.pictures
    height, width = pictures[0].shape[:2]
    files.save_still(Image.fromarray(pictures[int(len(pictures) * STILL_AT)]))
    sheet = Sheet(len(pictures))
    with ClipWriter(
        files.clip, width=width, height=height, frame_rate=film.frame_rate, threads=0
    ) as clip:
        for number, picture in enumerate(pictures):
            if reason := control.stop_reason():
                raise Stopped(reason)
            clip.add(picture)
            sheet.add(number, Image.fromarray(picture))
            control.progressed(_MODELS_SHARE + (99 - _MODELS_SHARE) * (number + 1) // len(pictures))
    files.save_sheet(sheet)
