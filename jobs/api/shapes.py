"""Words to describe JSON with: objects, lists, text, numbers, moments, as JSON Schema (2020-12)."""

from collections.abc import Iterable
from typing import Any, Final

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Point at a shape."""
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(description: str, /, *, optional: Iterable[str] = (), **members: Any) -> Schema:
    """Describe an object whose members are all there, save the optional ones."""
    return {
        "type": "object",
        "description": description,
        "properties": members,
        "required": [name for name in members if name not in optional],
        "additionalProperties": False,
    }


def a_list(items: Schema, **more: Any) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": items, **more}


def text(description: str = "", **more: Any) -> Schema:
    """Describe text."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def whole(description: str = "", **more: Any) -> Schema:
    """Describe a whole number."""
    return {"type": "integer", **({"description": description} if description else {}), **more}


def or_null(schema: Schema) -> Schema:
    """Allow null too."""
    if "type" not in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def moment(description: str = "") -> Schema:
    """Describe a time in UTC."""
    return text(description, format="date-time")


ID: Final = text(format="uuid")
