"""What an OpenAPI document has that a later one has not: what would break a client's script.

What is sent may only be widened: no field, value or call is taken away, and none is asked for that
was not. What is answered may only grow: no field disappears, may be missing or has another type.
Errors and descriptions may change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

Schema = dict[str, Any]

# Of a schema of what is sent: a number that may not become smaller, or larger.
_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_ANYTHING: Final[Schema] = {}


def breaks(released: Schema, current: Schema) -> list[str]:
    """A sentence for everything that a client of `released` would miss in `current`."""
    found: list[str] = []
    for path, methods in released["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            now = current["paths"].get(path, {}).get(method)
            if now is None:
                found.append(f"{name}: the call is gone")
            else:
                compared = _Compared(released, current)
                found += [f"{name}: {told}" for told in compared.operation(operation, now)]
    return found


class _Compared:
    """Two documents, one operation at a time."""

    def __init__(self, released: Schema, current: Schema) -> None:
        self._documents = released, current
        self._open: set[tuple[str, int, int]] = set()

    def operation(self, old: Schema, new: Schema) -> Iterator[str]:
        yield from self._parameters(old, new)
        yield from self._body(old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            if status.startswith(("4", "5")):
                continue
            now = new["responses"].get(status)
            if now is None:
                yield f"{status} is not answered any more"
                continue
            for kind, media in answer.get("content", {}).items():
                if kind not in now.get("content", {}):
                    yield f"{status} is not answered as {kind} any more"
                else:
                    yield from self._answered(
                        f"the answer {status}", media["schema"], now["content"][kind]["schema"]
                    )
            for header in answer.get("headers", {}):
                if header not in now.get("headers", {}):
                    yield f"{status} has no header {header} any more"

    def _parameters(self, old: Schema, new: Schema) -> Iterator[str]:
        before = {(one["in"], one["name"]): one for one in old.get("parameters", ())}
        after = {(one["in"], one["name"]): one for one in new.get("parameters", ())}
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"the {key[0]} parameter {key[1]} is required now"
        for key, parameter in before.items():
            if key not in after:
                yield f"the {key[0]} parameter {key[1]} is gone"
            else:
                name = f"the {key[0]} parameter {key[1]}"
                yield from self._sent(name, parameter["schema"], after[key]["schema"])

    def _body(self, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if new is not None and new.get("required") and not (old or {}).get("required"):
            yield "a body is required now"
        if old is None:
            return
        for kind, media in old["content"].items():
            now = (new or {"content": {}})["content"].get(kind)
            if now is None:
                yield f"a body of {kind} is not taken any more"
            else:
                yield from self._sent("the body", media["schema"], now["schema"])

    def _sent(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """What `old` allowed to send and `new` does not."""
        candidates = self._variants(new, 1)
        for variant in self._variants(old, 0):
            tried = [list(self._sent_as(where, variant, one)) for one in candidates]
            same = [
                told
                for told, one in zip(tried, candidates, strict=True)
                if one.get("type") == variant.get("type")
            ]
            if not any(not told for told in tried):
                kind = variant.get("type", "value")
                yield from min(same, key=len, default=[f"{where} may not be of type {kind}"])

    def _sent_as(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        kinds = old.get("type"), new.get("type")
        if kinds[1] is not None and kinds[0] != kinds[1] and kinds != ("integer", "number"):
            yield f"{where} may not be of type {kinds[0] or 'any'} any more"
            return
        if "enum" in new:
            gone = [value for value in old.get("enum", ["any"]) if value not in new["enum"]]
            if gone:
                yield f"{where} may not be {', '.join(map(str, gone))} any more"
        for names, is_less in ((_MOST, True), (_LEAST, False)):
            for name in names:
                if name in new and _is_tighter(old.get(name), new[name], is_less=is_less):
                    yield f"{where}: {name} is {new[name]} now, and was {old.get(name, 'not set')}"
        for name in ("pattern", "uniqueItems"):
            if name in new and new[name] != old.get(name):
                yield f"{where} must obey another {name}"
        if kinds[0] == "object":
            with self._first("sent", old, new) as first:
                if first:
                    yield from self._sent_fields(where, old, new)
        elif kinds[0] == "array":
            yield from self._sent(
                f"{where}[]", old.get("items", _ANYTHING), new.get("items", _ANYTHING)
            )

    def _sent_fields(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        others, others_now = (one.get("additionalProperties", True) for one in (old, new))
        if "oneOf" in new and new["oneOf"] != old.get("oneOf"):
            yield f"{where} must obey another oneOf"
        for name in new.get("required", ()):
            if name not in old.get("required", ()):
                yield f"{where} needs the field {name} now"
        for name, schema in before.items():
            if name in after:
                yield from self._sent(f"{where}.{name}", schema, after[name])
            elif others_now is False:
                yield f"{where}: the field {name} is gone"
        if others is not False and others_now is False:
            yield f"{where} may have no further fields any more"
        elif isinstance(others, dict) and isinstance(others_now, dict):
            yield from self._sent(f"{where}.*", others, others_now)

    def _answered(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """What `new` may answer and `old` did not."""
        candidates = self._variants(old, 0)
        for variant in self._variants(new, 1):
            tried = [list(self._answered_as(where, one, variant)) for one in candidates]
            same = [
                told
                for told, one in zip(tried, candidates, strict=True)
                if one.get("type") == variant.get("type")
            ]
            if not any(not told for told in tried):
                kind = variant.get("type", "value")
                yield from min(same, key=len, default=[f"{where} may be of type {kind} now"])

    def _answered_as(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        kinds = old.get("type"), new.get("type")
        if kinds[0] is not None and kinds[0] != kinds[1] and kinds != ("number", "integer"):
            yield f"{where} may be of type {kinds[1] or 'any'} now"
            return
        if kinds[0] == "array":
            yield from self._answered(
                f"{where}[]", old.get("items", _ANYTHING), new.get("items", _ANYTHING)
            )
        if kinds[0] == "object":
            with self._first("answered", old, new) as first:
                if first:
                    yield from self._answered_fields(where, old, new)

    def _answered_fields(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        after = new.get("properties", {})
        for name, schema in old.get("properties", {}).items():
            if name not in after:
                yield f"{where}: the field {name} is gone"
            else:
                yield from self._answered(f"{where}.{name}", schema, after[name])
        for name in old.get("required", ()):
            if name in after and name not in new.get("required", ()):
                yield f"{where}: the field {name} may be missing now"
        others, others_now = (one.get("additionalProperties") for one in (old, new))
        if isinstance(others, dict) and isinstance(others_now, dict):
            yield from self._answered(f"{where}.*", others, others_now)

    @contextmanager
    def _first(self, side: str, old: Schema, new: Schema) -> Iterator[bool]:
        """False while this very pair is being compared: schemas may hold themselves."""
        key = side, id(old), id(new)
        if key in self._open:
            yield False
            return
        self._open.add(key)
        try:
            yield True
        finally:
            self._open.discard(key)

    def _variants(self, schema: Schema, document: int) -> list[Schema]:
        """The schemas of which a value must match one, each of one type."""
        while "$ref" in schema:
            found: Any = self._documents[document]
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        for word in ("anyOf", "oneOf"):
            if word in schema and "type" not in schema:  # beside a type it is a rule of its own
                return [v for one in schema[word] for v in self._variants(one, document)]
        if "const" in schema:
            schema = {**schema, "enum": [schema["const"]]}
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": one} for one in schema["type"]]
        return [schema]


def _is_tighter(old: float | None, new: float, *, is_less: bool) -> bool:
    if old is None:
        return True
    return new < old if is_less else new > old
