"""Pure: what of one contract a later one breaks for programs that keep to the first.

Requests may only be asked for less, answers may only say more: a route, parameter, field or value that is gone,
a thing that is newly required in a request, and a type, choice or bound that allows less in a request or more in an
answer, break.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Node = Mapping[str, Any]

_METHODS: Final = ("get", "put", "post", "delete", "patch")
_NOTHING: Final[Node] = {}
# What bounds a value: whoever has the bound must keep it at least as tight as it was.
_AT_MOST: Final = ("maximum", "maxLength", "maxItems")
_AT_LEAST: Final = ("minimum", "minLength", "minItems")


def broken(before: Node, now: Node) -> list[str]:
    """Give a sentence for everything that is broken."""
    return sorted(set(_paths(before, now)))


def _paths(before: Node, now: Node) -> Iterator[str]:
    for path, item in before.get("paths", _NOTHING).items():
        for method in _METHODS:
            if method not in item:
                continue
            where = f"{method.upper()} {path}"
            later = now.get("paths", _NOTHING).get(path, _NOTHING).get(method)
            if later is None:
                yield f"{where} is gone"
                continue
            yield from _parameters(where, item[method], later, before, now)
            yield from _body(where, item[method], later, before, now)
            yield from _answers(where, item[method], later, before, now)


def _parameters(where: str, before: Node, now: Node, old: Node, new: Node) -> Iterator[str]:
    def named(operation: Node) -> dict[tuple[str, str], Node]:
        return {(one["in"], one["name"]): one for one in operation.get("parameters", ())}

    known, later = named(before), named(now)
    for (place, name), parameter in known.items():
        if (place, name) not in later:
            yield f"{where}: the {place} parameter {name} is gone"
        elif later[place, name].get("required") and not parameter.get("required"):
            yield f"{where}: the {place} parameter {name} is required now"
        else:
            yield from _narrower(
                f"{where} {name}",
                later[place, name].get("schema", _NOTHING),
                parameter.get("schema", _NOTHING),
                new,
                old,
                is_answer=False,
            )
    for (place, name), parameter in later.items():
        if parameter.get("required") and (place, name) not in known:
            yield f"{where}: the new {place} parameter {name} is required"


def _body(where: str, before: Node, now: Node, old: Node, new: Node) -> Iterator[str]:
    known = before.get("requestBody", _NOTHING)
    later = now.get("requestBody", _NOTHING)
    if later.get("required") and not known.get("required"):
        yield f"{where}: a body is required now"
    for kind, content in known.get("content", _NOTHING).items():
        following = later.get("content", _NOTHING).get(kind)
        if following is None:
            yield f"{where}: a body of {kind} is not taken any more"
        else:
            # What a request may be must still be taken: the sides change places.
            yield from _narrower(
                f"{where} body", following["schema"], content["schema"], new, old, is_answer=False
            )


def _answers(where: str, before: Node, now: Node, old: Node, new: Node) -> Iterator[str]:
    for status, answer in before.get("responses", _NOTHING).items():
        later = now.get("responses", _NOTHING).get(status)
        if later is None:
            if status.startswith("2"):
                yield f"{where}: the answer {status} is gone"
            continue
        for kind, content in answer.get("content", _NOTHING).items():
            following = later.get("content", _NOTHING).get(kind)
            if following is None:
                yield f"{where}: {status} is not answered as {kind} any more"
            else:
                yield from _narrower(
                    f"{where} {status}",
                    content["schema"],
                    following["schema"],
                    old,
                    new,
                    is_answer=True,
                )


def _narrower(
    where: str, wide: Node, narrow: Node, wide_in: Node, narrow_in: Node, *, is_answer: bool
) -> Iterator[str]:
    """Hold that everything `narrow` allows was allowed by `wide`; in answers, what is new is no harm."""
    yield from _compare(where, wide, narrow, (wide_in, narrow_in), is_answer=is_answer, seen=())


def _compare(
    where: str,
    wide: Node,
    narrow: Node,
    documents: tuple[Node, Node],
    *,
    is_answer: bool,
    seen: tuple[tuple[str, str], ...],
) -> Iterator[str]:
    pair = str(wide.get("$ref", "")), str(narrow.get("$ref", ""))
    if any(pair) and pair in seen:
        return
    seen = (*seen, pair)
    wide, narrow = _resolved(wide, documents[0]), _resolved(narrow, documents[1])
    before, now = (wide, narrow) if is_answer else (narrow, wide)
    if extra := _types(narrow) - _types(wide):
        what = "may be" if is_answer else "may not be"
        yield f"{where} {what} {', '.join(sorted(extra))} now" + ("" if is_answer else " any more")
    yield from _choices(where, wide, narrow, is_answer=is_answer)
    yield from _bounds(where, wide, narrow, is_answer=is_answer)
    for name, member in before.get("properties", _NOTHING).items():
        inner = f"{where}.{name}"
        later = now.get("properties", _NOTHING).get(name)
        if later is None:
            yield f"{inner} is gone"
            continue
        sides = (member, later) if is_answer else (later, member)
        yield from _compare(inner, *sides, documents, is_answer=is_answer, seen=seen)
    required = set(before.get("required", ())), set(now.get("required", ()))
    if is_answer:
        gone = required[0] - required[1]
        yield from (f"{where}.{name} may be missing now" for name in sorted(gone))
    else:
        added = required[1] - required[0]
        yield from (f"{where}.{name} is required now" for name in sorted(added))
    if "items" in wide and "items" in narrow:
        yield from _compare(
            f"{where}[]", wide["items"], narrow["items"], documents, is_answer=is_answer, seen=seen
        )


def _choices(where: str, wide: Node, narrow: Node, *, is_answer: bool) -> Iterator[str]:
    if "enum" not in wide:
        return
    if "enum" not in narrow:
        yield f"{where} may be anything now" if is_answer else f"{where} is one of a few now"
    elif extra := set(narrow["enum"]) - set(wide["enum"]):
        names = ", ".join(sorted(map(str, extra)))
        yield f"{where} may be {names} now" if is_answer else f"{where} may not be {names} any more"


def _bounds(where: str, wide: Node, narrow: Node, *, is_answer: bool) -> Iterator[str]:
    what = "is looser" if is_answer else "is tighter"
    for name in (*_AT_MOST, *_AT_LEAST):
        if name not in wide:
            continue
        sign = 1 if name in _AT_MOST else -1
        if name not in narrow or sign * narrow[name] > sign * wide[name]:
            yield f"{where}: {name} {what} now"
    if "pattern" in wide and narrow.get("pattern") != wide["pattern"]:
        yield f"{where}: pattern {what} now"


def _resolved(schema: Node, document: Node) -> Node:
    # Null beside a shape is the shape, for whoever reads its members.
    for part in schema.get("oneOf", ()):
        if "$ref" in part:
            return {**_resolved(part, document), "is_nullable": True}
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rsplit("/", 1)[-1]
    found: Node = document["components"]["schemas"][name]
    return found


def _types(schema: Node) -> set[str]:
    kind = schema.get("type", ())
    found = {kind} if isinstance(kind, str) else set(kind)
    if schema.get("is_nullable"):
        found.add("null")
    return found
