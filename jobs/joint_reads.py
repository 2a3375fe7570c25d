"""Reads that arrive while one is under way are one statement: what each costs beside its rows is paid once (ADR 41)."""

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from jobs.combining import Combiner
from notifications import prepared

logger: Final = logging.getLogger(__name__)

# Twice the threads that a web process has if nobody says otherwise.
_MOST: Final = 16
# Connections of a process for reads (docs/scaling.md).
_CONNECTIONS: Final = 3
# Classes of errors that end a connection (PostgreSQL, appendix A): none was told, connection exception, operator.
_LOST: Final = frozenset({"", "08", "57"})
# A statement that took too long is of that last class, and its connection lives.
_CANCELED: Final = "57014"
_PLACES: Final = re.compile(r"%\((\w+)\)s")

Values = Mapping[str, Any]


class Answer:
    """Rows of a statement, of which no value was made yet."""

    __slots__ = ("_cursor", "_numbers", "_result", "_turns")

    def __init__(
        self,
        cursor: psycopg.Cursor[tuple[Any, ...]],
        numbers: Sequence[int] | None = None,
        turns: AbstractContextManager[object] | None = None,
    ) -> None:
        self._cursor = cursor
        result: Any = cursor.pgresult
        self._result: Final = result
        # Which of the cursor's rows are ours, where others asked with us, and who may move it.
        self._numbers: Sequence[int] = range(result.ntuples) if numbers is None else numbers
        self._turns = turns

    def __len__(self) -> int:
        return len(self._numbers)

    def text(self, row: int, column: int) -> str:
        """Give a value as the server wrote it, with nothing for null."""
        value: bytes | None = self._result.get_value(self._numbers[row], column)
        return value.decode() if value else ""

    def rows(self) -> list[tuple[Any, ...]]:
        """Give the rows."""
        if self._turns is None:
            return [self._row(number) for number in self._numbers]
        with self._turns:
            # What comes last tells whose a row is.
            return [self._row(number)[:-1] for number in self._numbers]

    def _row(self, number: int) -> tuple[Any, ...]:
        self._cursor.scroll(number, mode="absolute")
        return self._cursor.fetchone() or ()


class JointRead:
    """A statement that changes and locks nothing, with places `%(name)s`, for one who asks and for several together.

    `types` are those of its values, which are written without quotes and backslashes: ids, numbers, moments, and
    lists of these as PostgreSQL writes them. What is asked inside a transaction is asked by the caller's connection,
    which sees what that transaction wrote; nothing else waits for more than the statement that is under way.
    """

    def __init__(self, statement: str, types: Mapping[str, str]) -> None:
        self._names: Final = [name for name in types if f"%({name})s" in statement]
        self.statement: Final = statement
        self.together: Final = _together(statement, {name: types[name] for name in self._names})
        self._combiner: Final[Combiner[Values, Answer | DatabaseError]] = Combiner(
            self._try, most=_MOST
        )

    def ask(self, values: Values) -> Answer:
        """Ask, together with whoever asks meanwhile. Raises DatabaseError, also of what was tried for all."""
        if not connection.in_atomic_block:
            found = self._combiner.call(values)
            if isinstance(found, Answer):
                return found
            if found is not None:
                # Each raises its own, of which a thread may write what it likes.
                raise type(found)(*found.args) from found.__cause__
        return alone(self.statement, values)

    def ask_together(self, asked: Sequence[Values]) -> list[Answer]:
        """Ask several questions at once; give their answers in order. Raises DatabaseError."""
        if len(asked) == 1:
            return [Answer(_led(self.statement, asked[0]))]
        arrays = {name: _array([values[name] for values in asked]) for name in self._names}
        cursor = _led(self.together, arrays)
        result: Any = cursor.pgresult
        last = result.nfields - 1
        numbers: list[list[int]] = [[] for _ in asked]
        for at in range(result.ntuples):
            numbers[int(result.get_value(at, last)) - 1].append(at)
        turns = threading.Lock()
        return [Answer(cursor, each, turns) for each in numbers]

    def _try(self, asked: Sequence[Values]) -> Sequence[Answer | DatabaseError | None]:
        try:
            return self.ask_together(asked)
        except DatabaseError as error:
            if not _is_connection_lost(error):
                return [error] * len(asked)
            # A read may be made twice, and each has a connection of its own.
            logger.info("reads_go_alone", extra={"reason": type(error.__cause__).__name__})
            return [None] * len(asked)


def alone(statement: str, values: Values) -> Answer:
    """Ask on the caller's own connection, in its transaction where one is open."""
    return Answer(prepared.look(statement, values))


# Connections of this process; the one that was used last is used next.
_shared: Final = [prepared.Shared() for _ in range(_CONNECTIONS)]
_free: Final = threading.Semaphore(_CONNECTIONS)


def _led(statement: str, values: Values) -> psycopg.Cursor[tuple[Any, ...]]:
    with _free:
        shared = _shared.pop()
        try:
            return shared.look(statement, values)
        finally:
            _shared.append(shared)


def _is_connection_lost(error: DatabaseError) -> bool:
    """Tell whether a statement broke with its connection, not by a limit of time."""
    code = getattr(error.__cause__, "sqlstate", None) or ""
    is_lost = code[:2] in _LOST and code != _CANCELED
    return is_lost and isinstance(error, OperationalError | InterfaceError)


def _together(statement: str, types: Mapping[str, str]) -> str:
    """Write a statement for several: what are values of one question are columns of what they ask."""
    arrays = ", ".join(f"%({name})s::text::{kind}[]" for name, kind in types.items())
    columns = ", ".join(f'"{name}"' for name in types)
    of_each = _PLACES.sub(lambda found: f'asked."{found[1]}"', statement)
    return f"""
        select found.*, asked.number from unnest({arrays}) with ordinality asked ({columns}, number)
        cross join lateral ({of_each}) found
    """  # noqa: S608 - our own names


def _array(values: Sequence[object]) -> str:
    texts = ["null" if value is None else str(value) for value in values]
    if any('"' in text or "\\" in text for text in texts):
        raise ValueError("A value of a read that goes with others is an id, a number or a moment.")
    return "{" + ",".join([text if text == "null" else f'"{text}"' for text in texts]) + "}"
