"""Text of strangers where a line is a line: subjects, headers, log lines."""

import re
from typing import Final

# What ends a line or changes how the rest is read: controls, marks of direction, invisible fillers. Joiners stay:
# emoji and several scripts need them.
_NOT_IN_A_LINE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]"
)
_BLANKS: Final = re.compile(r"\s+")


def one_line(text: str, *, limit: int = 120) -> str:
    """Make one line of bounded length, read in the order in which it is written."""
    plain = _BLANKS.sub(" ", _NOT_IN_A_LINE.sub(" ", text)).strip()
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"
