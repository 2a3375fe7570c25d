"""Rules of rows whose text PostgreSQL does not read anew: it does so for each constraint, statement and table."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db.models import BooleanField, Func, PositiveIntegerField, PositiveSmallIntegerField


class Breaks(Func):
    """True where a function of a row's columns finds no rule broken; it gives the name of the first one that is."""

    template = "%(function)s(%(expressions)s) is null"

    def __init__(self, *columns: Any, function: str) -> None:
        super().__init__(*columns, function=function, output_field=BooleanField())


class GuardedIntegerField(PositiveIntegerField):  # type: ignore[type-arg]  # takes none when it runs
    """A number from zero on. In the database the table's function refuses others, not a constraint of the column."""

    default_validators = [MinValueValidator(0)]

    def get_internal_type(self) -> str:
        return "IntegerField"


class GuardedSmallIntegerField(PositiveSmallIntegerField):  # type: ignore[type-arg]  # as above
    """As `GuardedIntegerField`, up to 32,767."""

    default_validators = [MinValueValidator(0)]

    def get_internal_type(self) -> str:
        return "SmallIntegerField"
