"""JSON to dataclasses, by the type of each field."""

import dataclasses
import functools
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from unlearnable.errors import UnexpectedAnswer

T = TypeVar("T")
Converter = Callable[[Any], Any]
RAW = "raw"


def decode(kind: type[T], value: Any) -> T:
    """An object of `kind`. Members that it does not know are in its `raw`, if it has that.

    Raises:
        UnexpectedAnswer: a member is missing that has no default, or is something else.
    """
    if not isinstance(value, Mapping):
        raise UnexpectedAnswer(f"The answer is no {kind.__name__}: it is no JSON object.")
    given, described = {}, _described(cast(Hashable, kind))
    for name, convert in described.converters.items():
        if name not in value:
            continue
        try:
            given[name] = convert(value[name])
        except (TypeError, ValueError) as error:
            raise UnexpectedAnswer(
                f"{name} of the {kind.__name__} cannot be read; a newer client may be needed."
            ) from error
    if described.has_raw:
        given[RAW] = value
    try:
        return kind(**given)
    except TypeError as error:
        raise UnexpectedAnswer(f"The answer is no {kind.__name__}: {error}.") from error


@dataclass(frozen=True)
class _Described:
    """How the fields of a dataclass are read."""

    converters: dict[str, Converter]
    has_raw: bool


@functools.cache
def _described(kind: Any) -> _Described:
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return _Described(
        {name: _converter(hints[name]) for name in names if name != RAW}, RAW in names
    )


def _converter(hint: Any) -> Converter:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        some = [argument for argument in arguments if argument is not type(None)]
        if len(some) > 1:
            return _same
        convert = _converter(some[0])
        return lambda value: None if value is None else convert(value)
    if origin is list:
        item = _converter(arguments[0])
        return lambda value: [item(one) for one in value]
    if origin is dict:
        member = _converter(arguments[1])
        return lambda value: {name: member(one) for name, one in value.items()}
    if hint is datetime:
        return datetime.fromisoformat
    if hint in (str, int, float):
        return _checked(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(decode, hint)
    return _same


def _same(value: Any) -> Any:
    return value


def _checked(kind: type) -> Converter:
    """A number or a text as it is, and null nowhere."""

    def convert(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (kind, int) if kind is float else kind):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return kind(value)

    return convert
