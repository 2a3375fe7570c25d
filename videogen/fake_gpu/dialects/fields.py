"""Reads and checks the fields of a create; what is wrong is refused with the dialect's status."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from videogen.fake_gpu.server import Refused

_LARGEST: Final = 10_000


class Fields:
    """The fields of one create."""

    def __init__(self, values: Mapping[str, Any], *, status: int, code: str = "") -> None:
        self._values = values
        self._status = status
        self._code = code

    def refuse(self, name: str, message: str, *, code: str = "") -> Refused:
        """Make the refusal of one field."""
        return Refused(self._status, message, code=code or self._code, param=name)

    def refuse_unknown(self, known: Collection[str], *, code: str = "") -> None:
        """Refuse a field that is not known; of `a[b]` the name is `a`."""
        for name in self._values:
            if name.partition("[")[0] not in known:
                raise self.refuse(name, f"Unknown parameter: '{name}'.", code=code)

    def has(self, name: str) -> bool:
        """Say whether a field was given, and not left empty."""
        return self._values.get(name) not in {None, ""} if self._is_plain(name) else True

    def required(self, name: str) -> str:
        """Give a text that must be there."""
        if not self.text(name):
            raise self.refuse(name, f"Missing required parameter: '{name}'.")
        return self.text(name)

    def text(self, name: str, default: str = "") -> str:
        """Give a text."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise self.refuse(name, f"Invalid type for '{name}': a string is expected.")
        return value or default

    def one_of(self, name: str, choices: Collection[str], default: str) -> str:
        """Give a text that must be one of the choices."""
        value = self.text(name, default)
        if value not in choices:
            expected = ", ".join(f"'{choice}'" for choice in sorted(choices))
            message = f"Invalid value: '{value}'. Supported values are: {expected}."
            raise self.refuse(name, message, code="invalid_value")
        return value

    def whole(self, name: str, default: int, *, low: int = 1, high: int = _LARGEST) -> int:
        """Give a whole number, also from digits."""
        value = self._values.get(name, default)
        if value is None or value == "":
            return default
        try:
            number = int(str(value))
        except ValueError:
            raise self.refuse(name, f"'{name}' must be an integer.") from None
        if not low <= number <= high:
            raise self.refuse(name, f"'{name}' must be from {low} to {high}.")
        return number

    def number(self, name: str, default: float) -> float:
        """Give a number above 0 and not absurd, also from text such as `5s`."""
        value = self._values.get(name, default)
        try:
            number = float(str(value).removesuffix("s"))
        except ValueError:
            raise self.refuse(name, f"'{name}' must be a number.") from None
        if not 0 < number <= _LARGEST:
            raise self.refuse(name, f"'{name}' must be above 0 and at most {_LARGEST}.")
        return number

    def size(self, default: str) -> str:
        """Give `WxH` from size, or from width and height."""
        size = self.text("size")
        if not size and self.has("width") and self.has("height"):
            size = f"{self.whole('width', 0)}x{self.whole('height', 0)}"
        width, _, height = (size or default).partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise self.refuse("size", f"Invalid size '{size}': expected WIDTHxHEIGHT.")
        return size or default

    def length(self, *, default_seconds: int, fps: int) -> tuple[float, int, int]:
        """Give seconds, frames and frames per second; num_frames wins over seconds."""
        rate = self.whole("fps", fps, high=240)
        if self.has("num_frames"):
            frames = self.whole("num_frames", 0)
        else:
            frames = self.whole("seconds", default_seconds) * rate
        return frames / rate, frames, rate

    def json_text(self, name: str) -> None:
        """Refuse a field that is text but not JSON."""
        value = self._values.get(name)
        if isinstance(value, str) and value:
            try:
                json.loads(value)
            except ValueError:
                raise self.refuse(name, f"'{name}' must be a JSON string.") from None

    def _is_plain(self, name: str) -> bool:
        return not isinstance(self._values.get(name), (list, dict))
