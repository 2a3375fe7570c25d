"""What a preview shows of more than its prompt: the image that it begins from, another look of a known scene."""

import io
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# How much of the picture is the image, and how far it is drawn nearer until the end.
_IMAGE_SHARE: Final = 0.82
_NEARER: Final = 0.12
# More points are an attack or a mistake.
_MOST_POINTS: Final = 50_000_000
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
# Orders of red, green and blue that look unlike the first.
_TINTS: Final = ((2, 1, 0), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1))

Frame = NDArray[np.uint8]


class BadImage(Exception):
    """The image cannot be decoded."""


class View:
    """Lays an image over the drawn scene and gives the whole another colour; does nothing without either."""

    def __init__(self, *, size: tuple[int, int], seconds: float, image: bytes) -> None:
        """Decode the image to cover `size` (pixels). Raises BadImage."""
        self._size, self._seconds = size, seconds
        self._image = _decoded(image, size) if image else None
        self._order: tuple[int, ...] | None = None

    def tint(self, seed: int) -> None:
        """Choose other colours."""
        self._order = _TINTS[seed % len(_TINTS)]

    def apply(self, picture: Frame, at: float) -> Frame:
        """Finish the moment `at`, seconds from the start."""
        if self._image is not None:
            nearer = 1 + _NEARER * at / self._seconds
            width, height = self._size
            left, top = (side * (1 - 1 / nearer) / 2 for side in self._size)
            box = (left, top, width - left, height - top)
            shown: Any = np.asarray(self._image.resize(self._size, box=box), dtype=np.float32)
            shown = _IMAGE_SHARE * shown + (1 - _IMAGE_SHARE) * picture
            # Levels stay clear of both ends, so that grain does not overflow.
            picture = np.clip(shown, 8, 246).astype(np.uint8)
        if self._order is not None:
            picture = np.ascontiguousarray(picture[:, :, self._order])
        return picture


def _decoded(content: bytes, size: tuple[int, int]) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=_FORMATS)
            if image.width * image.height > _MOST_POINTS:
                raise BadImage(f"The image has {image.width}x{image.height} points, too many.")
            upright = ImageOps.exif_transpose(image)
            return ImageOps.fit(upright.convert("RGB"), size, Image.Resampling.BILINEAR)
    except (
        OSError,
        SyntaxError,
        ValueError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        raise BadImage("The image cannot be decoded.") from None
