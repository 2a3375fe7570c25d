"""Rules of rows whose text PostgreSQL does not read anew: it does so for each constraint, statement and table."""

from typing import Any

from django.db.models import BooleanField, Func


class Breaks(Func):
    """True where a function of a row's columns finds no rule broken; it gives the name of the first one that is."""

    template = "%(function)s(%(expressions)s) is null"

    def __init__(self, *columns: Any, function: str) -> None:
        super().__init__(*columns, function=function, output_field=BooleanField())
