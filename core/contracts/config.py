"""Configurations of heads and adapters, and the strings that stand for them.

A config string is a name and, in brackets, the fields that differ: `seq_bn`,
`seq_bn[reduction_factor=8]`, `classification[layers=1,dropout=0.2]`.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from polyhead.errors import ConfigError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "AdapterConfig",
    "HeadConfig",
    "HiddenSource",
    "explain",
    "field_names",
    "parse_config_string",
    "union_parts",
    "validate_config",
]

_STRING = re.compile(r"\s*(?P<name>[^\[\]\s]+)\s*(?:\[(?P<fields>.*)\])?\s*", re.DOTALL)
_FIELD_START = re.compile(r"\s*(?P<key>[A-Za-z_]\w*)\s*=")
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_LISTS = frozenset({"()", "[]"})


class _Config(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


def _check_hidden(value: object) -> object:
    """Before pydantic's own check of the union, which names every branch that fails."""
    is_layer = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_layer and value not in {"last", "mix"}:
        raise ValueError("must be 'last', 'mix' or a layer's number")
    return value


HiddenSource = Annotated[Literal["last", "mix"] | int, BeforeValidator(_check_hidden)]
"""The type of `HeadConfig.hidden`, for a kind of head with another default."""


class HeadConfig(_Config):
    """Base of every head's configuration: immutable, unknown fields refused.

    What a head reads is chosen here for every kind: a head finds it in the `Hidden` it is given.
    """

    hidden: HiddenSource = Field(
        default="last",
        description="What the head reads: the last layer, one layer by its number (0 for the "
        "embeddings), or 'mix', a learned mix of all of them.",
    )


class AdapterConfig(_Config):
    """Base of every adapter's configuration: immutable, unknown fields refused."""


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def field_names(config_class: type[BaseModel]) -> list[str]:
    """The fields in the order in which people look for them.

    First those that have no default, then a class's own before inherited ones, which pydantic keeps
    the other way round.
    """

    def place(name: str) -> tuple[bool, int]:
        n_owners = sum(name in getattr(owner, "model_fields", ()) for owner in config_class.__mro__)
        return not config_class.model_fields[name].is_required(), n_owners

    return sorted(config_class.model_fields, key=place)


def validate_config(config_class: type[ConfigT], fields: Mapping[str, Any], what: str) -> ConfigT:
    """The config that `fields` describe.

    Args:
        config_class: The pydantic model to build.
        fields: Its fields by name.
        what: What is configured, for the message: "head kind 'classification'".

    Raises:
        ConfigError: A field is unknown, missing or out of range; the message names each.
    """
    try:
        return config_class.model_validate(dict(fields))
    except ValidationError as error:
        known = ", ".join(field_names(config_class))
        unknown = any(problem["type"] == "extra_forbidden" for problem in error.errors())
        hint = f" The fields of {what} are: {known}." if unknown else ""
        raise ConfigError(f"{what}: {explain(error)}.{hint}") from None


def explain(error: ValidationError) -> str:
    """What is wrong, in one line: `layers: Input should be greater than 0 (got -1)`."""
    return "; ".join(_problems(error))


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"unknown field {shown(place)}"
        elif problem["type"] == "missing":
            yield f"field {place!r} is missing"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = f" (got {shown(problem['input'])})" if place else ""
            yield f"{place}: {message}{given}" if place else message


def parse_config_string(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the fields that a config string gives.

    Values are Python literals; a bare word is a string, also in a list as `(no,yes)`, and `true`,
    `false`, `none` are understood.

    Returns:
        The name in front of the brackets, and the fields inside them (none without brackets).

    Raises:
        ConfigError: The string is not of that form.
    """
    match = _STRING.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{text!r} is not a config string; write a name, or name[field=value,field=value]."
        )
    fields: dict[str, Any] = {}
    for part in _split(match["fields"] or ""):
        start = _FIELD_START.match(part)
        if start is None:
            raise ConfigError(f"{text!r}: {part.strip()!r} is not of the form field=value.")
        if start["key"] in fields:
            raise ConfigError(f"{text!r}: the field {start['key']!r} is given twice.")
        fields[start["key"]] = _value(part[start.end() :].strip())
    return match["name"], fields


def union_parts(text: str) -> list[str]:
    """The config strings that a union such as `prefix[prefix_length=10]|par_bn` joins."""
    return [part.strip() for part in _split(text, "|")]


def _split(fields: str, separator: str = ",") -> Iterator[str]:
    """`fields` cut where `separator` stands outside brackets and quotes."""
    depth, quote, start = 0, "", 0
    for place, character in enumerate(fields):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == separator and depth == 0:
            yield fields[start:place]
            start = place + 1
    if fields[start:].strip():
        yield fields[start:]


def _value(text: str) -> object:
    value = _word(text)
    is_list = value == text and text[:1] + text[-1:] in _LISTS
    return tuple(_word(part.strip()) for part in _split(text[1:-1])) if is_list else value


def _word(text: str) -> object:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
