"""The bodies of allauth's addresses have the fields that each takes at this moment, and no others.

allauth ignores what it does not know. A form takes fields away as settings ask, so the instance is asked.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from allauth.headless.account.inputs import MarkAsPrimaryEmailInput
from allauth.headless.internal.restkit.inputs import Input
from allauth.headless.internal.restkit.views import RESTView
from django.http import HttpRequest, HttpResponseBase

from jobs import bodies
from jobs.requests import InvalidFields

_LONGEST_NAME: Final = 64
# What allauth documents and no form of its own has, with the only value that it may have.
_BESIDE: Final[Mapping[type[Input], Mapping[str, object]]] = {
    MarkAsPrimaryEmailInput: {"primary": True}
}


@cache
def strict(view: type[RESTView]) -> type[RESTView]:
    """Give a view that refuses what it does not know, before anything is done."""
    return type(view.__name__, (_KnownFields, view), {"__module__": view.__module__})


class _KnownFields(RESTView):
    def handle(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.handle_json_input and request.body:
            _refuse(bodies.read_json(request.body))
        answer: HttpResponseBase = super().handle(request, *args, **kwargs)
        return answer

    def get_input_class(self) -> type[Input] | None:
        found: Any = super().get_input_class()
        return None if found is None else _strict_input(found)

    def handle_input(self, data: Mapping[str, Any] | None) -> Any:
        if data and self.get_input_class() is None:
            _refuse(data)
        return super().handle_input(data)


@cache
def _strict_input(found: Any) -> Any:
    beside = _BESIDE.get(found, {})

    class Strict(found):
        def full_clean(self) -> None:
            """Check the names before allauth counts a try. Raises InvalidFields."""
            _refuse(name for name in self.data if name not in self.fields and name not in beside)
            for name, value in beside.items():
                if self.data.get(name, value) is not value:
                    raise InvalidFields({name: f"It can only be {str(value).lower()}."})
            super().full_clean()

    return Strict


def _refuse(names: Iterable[str]) -> None:
    if unknown := [str(name)[:_LONGEST_NAME] for name in names]:
        raise InvalidFields(dict.fromkeys(unknown, "This field is not known. Remove it."))
