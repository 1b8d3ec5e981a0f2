"""Which linear layers of the encoder a configuration of PEFT means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from polyhead.convert.peft.modules import all_places, module_name
from polyhead.convert.peft.patterns import Pattern
from polyhead.errors import ArtifactError, shown

__all__ = ["Targets", "matches_end", "pattern_of"]

_ALL: Final = "all-linear"
_MOST_PATTERNS: Final = 500
_LAYER: Final = re.compile(r"(?P<above>(?:distilbert\.)?transformer\.layer)\.(?P<number>[0-9]+)\.")


@dataclass(frozen=True)
class Targets:
    """The modules that an adapter acts on.

    Attributes:
        meant: Whether `target_modules` and its like mean a module, by its name.
        feedforward: Whether `feedforward_modules` of IA3 do.
    """

    meant: Callable[[str], bool]
    feedforward: Callable[[str], bool]

    @classmethod
    def read(cls, fields: Mapping[str, Any], source: Path) -> Targets:
        """From the fields of `adapter_config.json`.

        Raises:
            ArtifactError: One of them is damaged.
        """
        wanted = _names_or_pattern(fields.get("target_modules"), "target_modules", source)
        excluded = _names_or_pattern(fields.get("exclude_modules"), "exclude_modules", source)
        saved = _strings(fields.get("modules_to_save"), "modules_to_save", source)
        _check_few(saved, "modules_to_save", source)
        own = [pattern_of(rf"(.*\.)?({name})(\..*)?", "modules_to_save", source) for name in saved]
        if wanted is None:
            raise ArtifactError(f"{source}: target_modules is missing, so it acts nowhere.")
        in_layer = _layers(fields, source)

        def meant(name: str) -> bool:
            if (excluded and _is_meant(excluded, name)) or any(each.is_whole(name) for each in own):
                return False
            if isinstance(wanted, Pattern) or wanted == _ALL or name in wanted:
                return _is_meant(wanted, name)
            return _is_meant(wanted, name) and in_layer(name)

        return cls(meant, _feedforward(fields, source))

    def places(self, prefix: str, n_layers: int) -> list[tuple[int, str]]:
        """The layers and sites that are meant.

        Args:
            prefix: In front of the encoder's modules: "distilbert." or "".
            n_layers: Of the encoder.
        """
        return [place for place in all_places(n_layers) if self.meant(module_name(prefix, *place))]


def pattern_of(text: str, name: str, source: Path) -> Pattern:
    """A regular expression out of a configuration.

    Raises:
        ArtifactError: It is damaged, or uses what is not understood.
    """
    try:
        return Pattern(text)
    except ValueError as error:
        raise ArtifactError(
            f"{source}: {name} holds the expression {shown(text)}, which cannot be used: {error}."
        ) from None


def matches_end(patterns: Mapping[str, Any], field: str, source: Path) -> Callable[[str], Any]:
    """What a pattern field gives for a module's name: the value of its first key that matches.

    Raises:
        ArtifactError: A key cannot be used.
    """
    _check_few(patterns, field, source)
    read = [(pattern_of(key, field, source), value) for key, value in patterns.items()]

    def value_of(name: str) -> Any:
        return next((value for pattern, value in read if pattern.is_tail(name)), None)

    return value_of


def _check_few(patterns: Sequence[str] | Mapping[str, Any], name: str, source: Path) -> None:
    """Refuses far more expressions than an encoder has linear layers: each takes its time."""
    if len(patterns) > _MOST_PATTERNS:
        raise ArtifactError(
            f"{source}: {name} has {len(patterns):,} entries, more than {_MOST_PATTERNS}."
        )


def _is_meant(wanted: Pattern | str | Sequence[str], name: str) -> bool:
    if isinstance(wanted, Pattern):
        return wanted.is_whole(name)
    if isinstance(wanted, str):
        return True  # all linear layers
    return any(name == each or name.endswith(f".{each}") for each in wanted)


def _names_or_pattern(
    value: object, name: str, source: Path
) -> Pattern | str | tuple[str, ...] | None:
    """What a field means: names of modules, all linear layers, a pattern, or nothing."""
    if value is None:
        return None
    if isinstance(value, str):
        is_all = value.lower() == _ALL and name == "target_modules"
        return _ALL if is_all else pattern_of(value, name, source)
    return _strings(value, name, source)


def _strings(value: object, name: str, source: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ArtifactError(f"{source}: {name} is {shown(value)}, not a list of names.")
    return tuple(value)


def _feedforward(fields: Mapping[str, Any], source: Path) -> Callable[[str], bool]:
    value = fields.get("feedforward_modules")
    if isinstance(value, str):
        return pattern_of(value, "feedforward_modules", source).is_whole
    ends = _strings(value, "feedforward_modules", source)
    return lambda name: name.endswith(ends)  # without a dot, as PEFT has it


def _layers(fields: Mapping[str, Any], source: Path) -> Callable[[str], bool]:
    """Whether a module lies in a layer of `layers_to_transform`."""
    chosen = fields.get("layers_to_transform")
    if chosen is None or chosen == []:
        return lambda _: True
    numbers = chosen if isinstance(chosen, list) else [chosen]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ArtifactError(
            f"{source}: layers_to_transform is {shown(chosen)}, not numbers of layers."
        )
    named = fields.get("layers_pattern") or []
    names = [named] if isinstance(named, str) else _strings(named, "layers_pattern", source)
    _check_few(names, "layers_pattern", source)
    patterns = [pattern_of(name, "layers_pattern", source) for name in names]

    def in_layer(name: str) -> bool:
        match = _LAYER.match(name)
        if match is None or (
            patterns and not any(each.is_tail(match["above"]) for each in patterns)
        ):
            return False
        return int(match["number"]) in numbers

    return in_layer
