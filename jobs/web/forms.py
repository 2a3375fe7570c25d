"""The composer's form: choices come from what the pools offer; `requests.read` checks the values."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms

from jobs import catalog
from jobs.requests import PROMPT_LIMIT

# What of the form is read as a request.
FIELDS: Final = ("prompt", "model", "seconds", "size", "seed", "standby")
MOST_TAKES: Final = 4


class Composer(forms.Form):
    prompt = forms.CharField(max_length=PROMPT_LIMIT)
    model = forms.ChoiceField()
    seconds = forms.ChoiceField()
    size = forms.ChoiceField()
    # So many videos of the same request, submitted in one call.
    takes = forms.ChoiceField(
        required=False, choices=[(str(n), str(n)) for n in range(1, MOST_TAKES + 1)]
    )
    seed = forms.IntegerField(required=False, min_value=0)
    standby = forms.BooleanField(required=False)
    # An image that it begins from; or the earlier video of the same person that begins from it.
    input_reference = forms.FileField(required=False)
    image_of = forms.UUIDField(required=False, widget=forms.HiddenInput)
    # Made new for each page; the same form sent twice is one job.
    token = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offers = catalog.offers().values()
        self._choose("model", [(offer.model, offer.model.capitalize()) for offer in offers])
        lengths = sorted({length for offer in offers for length in offer.seconds})
        self._choose("seconds", [(str(length), f"{length} seconds") for length in lengths])
        sizes = dict.fromkeys(size for offer in offers for size in offer.sizes)
        self._choose("size", [(size, _frame(size)) for size in sizes])

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices


def _frame(size: str) -> str:
    width, height = (int(side) for side in size.split("x"))
    shape = "16:9" if width > height else "9:16" if height > width else "1:1"
    return f"{shape} · {min(width, height)}p"


def takes_of(values: Mapping[str, Any]) -> int:
    """Read how many videos of the same request are wanted; anything but a number on offer is one."""
    text = str(values.get("takes") or "1")
    return int(text) if text in {str(n) for n in range(1, MOST_TAKES + 1)} else 1
