"""What plugins register, checked and on its shelf."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from polyhead.contracts import Adapter, AdapterConfig, Head, NamedBackbone
from polyhead.errors import ContractError, DuplicateKindError, shown
from polyhead.host import PluginRecord, Shelf

__all__ = ["Catalogue"]

# what a config string can start with, and a command line needs no quotes for
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class Catalogue:
    """The shelves, and for each registration hook what puts things on them.

    Attributes:
        heads: Classes by kind.
        adapters: Likewise.
        presets: Adapter configurations with a name.
        backbones: By name.
        registrars: By hook; each takes the record of the plugin and the thing.
    """

    def __init__(self) -> None:
        self.heads: Shelf[type[Head]] = Shelf("head")
        self.adapters: Shelf[type[Adapter]] = Shelf("adapter")
        self.presets: Shelf[AdapterConfig | str] = Shelf("preset")
        self.backbones: Shelf[NamedBackbone] = Shelf("backbone")
        self.registrars: Mapping[str, Callable[[PluginRecord, Any], None]] = {
            "polyhead_register_heads": self._add_head,
            "polyhead_register_adapters": self._add_adapter,
            "polyhead_register_backbones": self._add_backbone,
        }

    def _add_head(self, record: PluginRecord, cls: type[Head]) -> None:
        _check_class(cls, Head)
        _check_config(cls, self.heads)
        self.heads.add(cls.kind, cls, record)

    def _add_adapter(self, record: PluginRecord, cls: type[Adapter]) -> None:
        _check_class(cls, Adapter)
        _check_config(cls, self.adapters)
        _check_meaning(cls.kind, self.presets, record)
        self.adapters.add(cls.kind, cls, record)
        for name, config in cls.presets.items():
            if type(config) is not cls.Config and not isinstance(config, str):
                raise ContractError(f"the preset {name!r} of {cls.__qualname__} is not its Config.")
            _check_name(name, f"a preset of {cls.__qualname__}")
            _check_meaning(name, self.adapters, record)
            self.presets.add(name, config, record)

    def _add_backbone(self, record: PluginRecord, backbone: NamedBackbone) -> None:
        if not isinstance(backbone, NamedBackbone):
            raise ContractError(f"{backbone!r} is not a polyhead.NamedBackbone.")
        _check_name(backbone.name, "the name of a backbone")
        self.backbones.add(backbone.name, backbone, record)

    def forget(self, record: PluginRecord) -> None:
        """Takes out everything that the plugin with that record registered."""
        for shelf in (self.heads, self.adapters, self.presets, self.backbones):
            shelf.forget(record)


def _check_class(cls: type, base: type) -> None:
    """Refuses what cannot be registered.

    Raises:
        ContractError: It is not a concrete subclass of `base`, or its kind cannot be written in a
            config string.
    """
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ContractError(f"{cls!r} is not a subclass of polyhead.{base.__name__}.")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise ContractError(f"{cls.__qualname__} is abstract; it lacks: {missing}.")
    _check_name(getattr(cls, "kind", ""), f"the kind of {cls.__qualname__}")


def _check_config(cls: type[Head | Adapter], shelf: Shelf[Any]) -> None:
    """Refuses a class by whose config another kind is found: it would be built in its place."""
    for kind, other in shelf.values():
        if other.Config is cls.Config and kind != cls.kind:
            raise ContractError(
                f"the Config of {cls.__qualname__} is that of the {shelf.what} kind {kind!r}; give "
                f"it a subclass of its own: class Config({cls.Config.__qualname__}): ..."
            )


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ContractError(
            f"{what} cannot be {shown(name)}: use letters, digits, '_', '.', '+' and '-', the "
            "first one a letter or digit."
        )


def _check_meaning(name: str, others: Shelf[Any], record: PluginRecord) -> None:
    """A config string starts with a kind or a preset: one plugin's must not hide another's."""
    taken = [other for other in others.records(name) if other is not record]
    if taken:
        raise DuplicateKindError(
            f"{record} uses {name!r}, the name of the {others.what} of {taken[0]}; rename it."
        )
