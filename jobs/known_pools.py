"""The pools as a submission needs to know them: what they make, how fast and for what price."""

from typing import Final

from django.db import DEFAULT_DB_ALIAS

from jobs.models import Pool
from notifications import prepared

# Every process reads these each second or two.
_NAMES: Final = frozenset(
    {
        "name",
        "url",
        "slots",
        "state",
        "state_since",
        "model_names",
        "seconds",
        "sizes",
        "image_input",
        "can_remix",
        "credits_per_second",
        "declared_speed",
    }
)
# In the order of the model's, as `from_db` wants them.
_FIELDS: Final = [field for field in Pool._meta.concrete_fields if field.name in _NAMES]  # noqa: SLF001 - documented API
_ATTRIBUTES: Final = [field.attname for field in _FIELDS]
_READ: Final = f"select {', '.join(str(field.column) for field in _FIELDS)} from pool order by name"  # noqa: S608 - our own names


def read() -> list[Pool]:
    """Read every pool, by name; other fields than these are read when somebody asks for them."""
    return [Pool.from_db(DEFAULT_DB_ALIAS, _ATTRIBUTES, row) for row in prepared.run(_READ, ())]
