"""Log lines: one line each, the message first, then what it is about as key=value."""

import logging
from contextvars import ContextVar
from typing import Final

from django.conf import settings

request_id: ContextVar[str] = ContextVar("request_id", default="")

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "data"}
# Django adds these objects to its records; they hold whole requests.
_NEVER: Final = frozenset({"request", "response", "status_code", "server_time"})


class LineFormatter(logging.Formatter):
    """Formats `extra` fields after the message. Line breaks of values are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line, and the traceback below it where there is one."""
        extras = {
            key: value
            for key, value in vars(record).items()
            if key not in _STANDARD and key not in _NEVER and not key.startswith("_")
        }
        if found := request_id.get():
            extras["request"] = found
        fields = "".join(f" {key}={_plain(value)}" for key, value in sorted(extras.items()))
        stamp = self.formatTime(record, "%H:%M:%S")
        line = f"{stamp} {record.levelname.lower():7} {settings.PROCESS} {_plain(record.getMessage())}{fields}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


def _plain(value: object) -> str:
    return str(value).replace("\r", "\\r").replace("\n", "\\n").replace("\x1b", "\\x1b")
