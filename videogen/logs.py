"""Log lines: JSON for machines, one line each for a person in development; both say what they are about.

What belongs to the work in hand (request, job, attempt, pool, worker) is bound once where that work begins, and is in
every line until it ends. Of what people wrote and of what opens anything nothing gets into a line: fields of such names
are hidden, and addresses, keys and signed parts are cut out of texts of others.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
import structlog
from django.conf import settings
from structlog.contextvars import get_contextvars

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "data"}
# Django adds these objects to its records; they hold whole requests.
_NEVER: Final = frozenset({"request", "response", "status_code", "server_time"})
# Names of fields that hold what people wrote, or what opens something.
PRIVATE: Final = frozenset(
    {
        *("prompt", "email", "username", "password", "secret", "token", "key", "api_key", "cookie"),
        *(
            "authorization",
            "idempotency_key",
            "body",
            "url",
            "video_url",
            "thumbnail_url",
            "session",
        ),
    }
)
_HIDDEN: Final = "[hidden]"
_ADDRESS: Final = re.compile(r"[^\s@<>'\"=(,;:]+@[^\s@<>'\"),;]+\.[^\s@<>'\"),;]+")
_SECRETS: Final = re.compile(
    r"\b(?:vg|whsec|sk)_[A-Za-z0-9_\-+/=]+|(?i:\b(?:bearer|key|token|basic)\s+)[A-Za-z0-9_\-.~+/=]{12,}"
)
# The query of an address may be its signature, and a password may stand before its host.
_QUERY: Final = re.compile(r"(https?://)(?:[^\s/@]*@)?([^\s?#\"']*)[?#][^\s\"']*")
_USER_INFO: Final = re.compile(r"(\w+://)[^\s/@]+@")


def clean(text: str) -> str:
    """Cut e-mail addresses, keys and signed parts of addresses out of a text."""
    text = _QUERY.sub(r"\1\2?" + _HIDDEN, text)
    text = _USER_INFO.sub(r"\1", text)
    text = _SECRETS.sub(_HIDDEN, text)
    return _ADDRESS.sub(_HIDDEN, text) if "@" in text else text


class LineFormatter(logging.Formatter):
    """For a person: the message first, then what it is about as key=value. Line breaks of values are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line, and the traceback below it where there is one."""
        fields = "".join(f" {key}={_plain(value)}" for key, value in sorted(_told(record)))
        stamp = self.formatTime(record, "%H:%M:%S")
        said = _plain(clean(record.getMessage()))
        line = f"{stamp} {record.levelname.lower():7} {settings.PROCESS} {said}{fields}"
        if record.exc_info:
            line = f"{line}\n{clean(self.formatException(record.exc_info))}"
        return line


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """For machines: one JSON object a line; `at` is UTC, `event` is what happened."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
            processors=[
                _add_fields,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _clean_texts,
                structlog.processors.JSONRenderer(serializer=_written),
            ],
        )


def _add_fields(_: Any, __: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
    line["process"] = settings.PROCESS
    for name, value in _told(line["_record"]):
        line.setdefault(name, value)
    return line


def _clean_texts(_: Any, __: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
    for name in ("event", "exception"):
        if name in line:
            line[name] = clean(str(line[name]))
    return line


def _told(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """Give what a record is about: what is bound to the work in hand, and its own fields over it."""
    bound = get_contextvars()
    own = {
        key: value
        for key, value in vars(record).items()
        if key not in _STANDARD and key not in _NEVER and not key.startswith("_")
    }
    for name, value in {**bound, **own}.items():
        if name in PRIVATE:
            yield name, _HIDDEN
        else:
            yield name, clean(value) if isinstance(value, str) else value


def _written(line: Mapping[str, Any], **_: Any) -> str:
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: object) -> str:
    """Write what does not print as an escape: breaks of lines, colours of terminals, marks of direction."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
