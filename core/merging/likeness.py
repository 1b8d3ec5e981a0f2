"""Whether adapters or heads are alike, so that weights of one name mean the same in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from polyhead.errors import ConfigError, shown

if TYPE_CHECKING:
    from polyhead.contracts import Adapter, Head

__all__ = ["check_alike"]

_TRAINING_ONLY: Final = ("dropout", "first_dropout", "dropout_prob", "stochastic_depth")
_AT_THE_START: Final = ("init_", "prompt_init", "random_uniform_scale")
"""How fields begin that say what fresh weights are drawn from."""


def check_alike(parts: Mapping[str, Adapter] | Mapping[str, Head], what: str) -> None:
    """Refuses parts whose weights do not correspond.

    What matters in training alone, and where weights started, may differ.

    Args:
        parts: By name.
        what: "adapter" or "head".

    Raises:
        ConfigError: They are of different kinds, or a field of their configurations differs.
    """
    (first_name, first), *others = parts.items()
    for name, part in others:
        if type(part) is not type(first):
            raise ConfigError(
                f"the {what}s {first_name!r} of kind {first.kind!r} and {name!r} of kind "
                f"{part.kind!r} cannot be merged: weights add up only within one kind."
            )
        own, theirs = _computing(first.config.model_dump()), _computing(part.config.model_dump())
        differing = next((field for field in own if own[field] != theirs.get(field)), None)
        if differing is not None:
            raise ConfigError(
                f"the {what}s {first_name!r} and {name!r} cannot be merged: {differing} is "
                f"{shown(own[differing])} in one and {shown(theirs.get(differing))} in the other"
                f"{_why(differing)}."
            )


def _computing(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say what is computed, also those of configurations inside this one."""
    return {
        name: _bare(value)
        for name, value in fields.items()
        if name not in _TRAINING_ONLY and not name.startswith(_AT_THE_START)
    }


def _bare(value: object) -> object:
    if isinstance(value, Mapping):
        return _computing({str(name): each for name, each in value.items()})
    if isinstance(value, list | tuple):
        return [_bare(each) for each in value]
    return value


def _why(field: str) -> str:
    """What a difference in some fields means."""
    match field:
        case "labels" | "outputs":
            return ", so their outputs do not stand for the same in the same order"
        case "adapters":
            return ", so they put different things together"
        case _:
            return ""
