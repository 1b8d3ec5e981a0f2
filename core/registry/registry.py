"""The kinds of heads and adapters, and the named backbones, that plugins provide.

The host imports the plugins; this calls their registration hooks and looks things up. Built-in
plugins come first, so that looking up a built-in kind never imports foreign code.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from typing import Any, Final, TypeVar

from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    Head,
    HeadConfig,
    NamedBackbone,
    parse_config_string,
    union_parts,
    validate_config,
)
from polyhead.errors import ConfigError, UnknownBackboneError, UnknownKindError
from polyhead.host import Claim, Host, PluginRecord, Provider, Shelf, host
from polyhead.registry.catalogue import Catalogue

__all__ = ["Registry", "registry"]

_BUILTIN: Final = 1
_EVERYTHING: Final = 2
_UNION: Final = "union"

T = TypeVar("T")


class Registry:
    """Look-up of kinds, presets and named backbones."""

    def __init__(self, *, entry_points: bool = True, host: Host | None = None) -> None:
        """Makes an empty registry; plugins are loaded at the first look-up.

        Args:
            entry_points: Whether to load installed plugins besides the built-in ones.
            host: What loads them, for one registry alone; one of its own when None.
        """
        self._host = Host(entry_points=entry_points) if host is None else host
        self._catalogue = Catalogue()
        self._stage = 0
        self._heads = self._catalogue.heads
        self._adapters = self._catalogue.adapters
        self._presets = self._catalogue.presets
        self._backbones = self._catalogue.backbones

    def plugins(self) -> list[PluginRecord]:
        """A record of every plugin, built-in ones first."""
        self._load_all()
        self._host.load_commands()
        return self._host.records()

    def unknown_switches(self) -> list[str]:
        """Names that were switched off and that no plugin has."""
        return self._host.unknown_switches()

    def head_kinds(self) -> list[str]:
        """The kinds of heads there are, sorted."""
        self._load_all()
        return self._heads.names()

    def adapter_kinds(self) -> list[str]:
        """The kinds of adapters there are, sorted."""
        self._load_all()
        return self._adapters.names()

    def adapter_presets(self) -> dict[str, AdapterConfig]:
        """The adapter configurations that have a name, by name."""
        self._load_all()
        found = {}
        for name, config in self._presets.undisputed().items():
            try:
                found[name] = self._preset(config)
            except (UnknownKindError, ConfigError):  # a part of it comes from a plugin that is off
                continue
        return found

    def backbones(self) -> list[NamedBackbone]:
        """The named backbones, sorted by name."""
        self._load_all()
        return list(self._backbones.undisputed().values())

    def head(self, kind: str) -> type[Head]:
        """The head class of `kind`.

        Raises:
            UnknownKindError: No plugin provides it.
            DuplicateKindError: Two do.
        """
        return self._find(self._heads, kind).value

    def adapter(self, kind: str) -> type[Adapter]:
        """The adapter class of `kind`.

        Raises:
            UnknownKindError: No plugin provides it.
            DuplicateKindError: Two do.
        """
        return self._find(self._adapters, kind).value

    def provider_of_head(self, kind: str) -> Provider:
        """The distribution that the head class of `kind` came from."""
        return self._find(self._heads, kind).record.provider

    def provider_of_adapter(self, kind: str) -> Provider:
        """The distribution that the adapter class of `kind` came from."""
        return self._find(self._adapters, kind).record.provider

    def head_for(self, config: HeadConfig) -> type[Head]:
        """The head class that `config` configures."""
        return self._class_for(self._heads, config)

    def adapter_for(self, config: AdapterConfig) -> type[Adapter]:
        """The adapter class that `config` configures."""
        return self._class_for(self._adapters, config)

    def adapter_config(self, spec: str | AdapterConfig) -> AdapterConfig:
        """The adapter configuration that `spec` stands for.

        Args:
            spec: A configuration, or a config string: a preset's or kind's name, and the fields
                that differ in brackets; or several with '|' between them, a union.

        Raises:
            UnknownKindError: No preset and no kind of that name.
            ConfigError: The string or one of its fields is not understood.
        """
        if isinstance(spec, AdapterConfig):
            return spec
        if not isinstance(spec, str):
            raise ConfigError(
                "an adapter config is a config string or an AdapterConfig, not "
                f"{type(spec).__name__}."
            )
        if "|" in spec and len(parts := union_parts(spec)) > 1:
            return validate_config(self.adapter(_UNION).Config, {"parts": parts}, f"{spec!r}")
        name, fields = parse_config_string(spec)
        preset = self._search(self._presets, name)
        if preset is not None:
            base = self._preset(preset.value)
            return validate_config(
                type(base), {**base.model_dump(), **fields}, f"adapter preset {name!r}"
            )
        kind = self._search(self._adapters, name)
        if kind is None:
            self._load_all()
            raise self._unknown("adapter", name, {*self._presets.names(), *self._adapters.names()})
        return validate_config(kind.value.Config, fields, f"adapter kind {name!r}")

    def _preset(self, config: AdapterConfig | str) -> AdapterConfig:
        """A preset's configuration; a string is read when it is needed, since it names others."""
        return self.adapter_config(config) if isinstance(config, str) else config

    def head_spec(self, spec: str) -> tuple[type[Head], dict[str, Any]]:
        """The head class and the options of a config string such as `classification[layers=1]`.

        Raises:
            UnknownKindError: No plugin provides that kind.
            ConfigError: The string is not understood.
        """
        name, fields = parse_config_string(spec)
        return self.head(name), fields

    def backbone(self, name: str) -> NamedBackbone | None:
        """The backbone of that name, or None."""
        claim = self._search(self._backbones, name)
        return None if claim is None else claim.value

    def how_to_have(self, wanted: Provider) -> str:
        """For a message: why a kind of that distribution is not there, and what helps."""
        self._load_all()
        return self._host.how_to_have(wanted)

    def unknown_backbone(self, name: str, remedy: str) -> UnknownBackboneError:
        """The error for a name that is no backbone."""
        self._load_all()
        advice = " ".join(part for part in (remedy, self._host.suspects()) if part)
        return UnknownBackboneError(name, self._backbones.names(), advice)

    def try_out(self, cls: type[Head | Adapter]) -> PluginRecord:
        """Registers a class that no plugin provides, for tests of it; `forget` takes it out again.

        Raises:
            ContractError: It is no concrete head or adapter.
            DuplicateKindError: A built-in kind has its name.
        """
        self._load_all()
        provider = Provider("not-installed", "0")
        record = PluginRecord(cls.__qualname__, provider, f"{cls.__module__}:{cls.__qualname__}")
        sort = "adapters" if issubclass(cls, Adapter) else "heads"
        try:
            self._catalogue.registrars[f"polyhead_register_{sort}"](record, cls)
        except BaseException:
            self.forget(record)
            raise
        return record

    def forget(self, record: PluginRecord) -> None:
        """Takes out what `try_out` registered."""
        self._catalogue.forget(record)

    def _class_for(self, shelf: Shelf[type[T]], config: object) -> type[T]:
        for load in (self._load_builtin, self._load_all):
            load()
            for name, value in shelf.values():
                if getattr(value, "Config", None) is type(config):
                    return self._find(shelf, name).value
        raise ConfigError(
            f"{type(config).__qualname__} configures no registered {shelf.what}; register its "
            f"class with the hook polyhead_register_{shelf.what}s."
        )

    def _find(self, shelf: Shelf[T], name: str) -> Claim[T]:
        claim = self._search(shelf, name)
        if claim is None:
            raise self._unknown(shelf.what, name, shelf.names())
        return claim

    def _search(self, shelf: Shelf[T], name: str) -> Claim[T] | None:
        self._load_builtin()
        claim = shelf.get(name)
        if claim is None:
            self._load_all()
            claim = shelf.get(name)
        return claim

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> UnknownKindError:
        remedy = self._host.suspects() or "Install the plugin that provides it."
        return UnknownKindError(f"{what} kind", name, known, remedy)

    def _load_builtin(self) -> None:
        if self._stage >= _BUILTIN:
            return
        with self._host.lock:
            self._host.load_builtin()
            self._collect(builtin=True)
            self._stage = max(self._stage, _BUILTIN)

    def _load_all(self) -> None:
        if self._stage >= _EVERYTHING:
            return
        with self._host.lock:
            self._load_builtin()
            if self._host.load_installed():  # else a plugin asks us while it is loaded
                self._collect(builtin=False)
                self._stage = _EVERYTHING

    def _collect(self, *, builtin: bool) -> None:
        for hook, register in self._catalogue.registrars.items():
            self._host.collect(hook, partial(partial, register), builtin=builtin)


@cache
def registry() -> Registry:
    """The process's own registry: all installed plugins."""
    return Registry(host=host())
