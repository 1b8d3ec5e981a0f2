"""The kinds of heads and adapters, and the named backbones, that installed plugins provide.

Built-in plugins load first, so that looking up a built-in kind never imports foreign code. Entry
points are walked one by one: each becomes a record, and one that fails stops no other.
"""

from __future__ import annotations

import importlib
import inspect
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, version
from typing import Any, Final, TypeVar

import pluggy

from polyhead import hookspecs
from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    Head,
    HeadConfig,
    NamedBackbone,
    parse_config_string,
    validate_config,
)
from polyhead.errors import (
    ConfigError,
    ContractError,
    DuplicateKindError,
    UnknownBackboneError,
    UnknownKindError,
)
from polyhead.registry.records import PluginRecord, Provider
from polyhead.registry.shelf import Claim, Shelf

__all__ = ["DEFAULT_PLUGINS", "Registry", "registry"]

DEFAULT_PLUGINS: Final = (
    "polyhead.adapters.builtin",
    "polyhead.heads.builtin",
    "polyhead.encoder.backbones",
)
ENTRY_POINT_GROUP: Final = "polyhead"

T = TypeVar("T")


class Registry:
    """Look-up of kinds, presets and named backbones.

    Attributes:
        hooks: The plugins' hooks, for calling observers.
    """

    def __init__(self, *, entry_points: bool = True) -> None:
        """Makes an empty registry; plugins are loaded at the first look-up.

        Args:
            entry_points: Whether to load installed plugins besides the built-in ones.
        """
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._use_entry_points = entry_points
        self._builtin = Provider("polyhead", version("polyhead"))
        self._lock = threading.RLock()
        self._records: list[PluginRecord] = []
        self._stage = 0
        self._is_loading = False
        self._heads: Shelf[type[Head]] = Shelf("head")
        self._adapters: Shelf[type[Adapter]] = Shelf("adapter")
        self._presets: Shelf[AdapterConfig] = Shelf("preset")
        self._backbones: Shelf[NamedBackbone] = Shelf("backbone")

    @property
    def hooks(self) -> pluggy.HookRelay:
        """The hooks of all plugins."""
        self._load_all()
        return self._manager.hook

    def plugins(self) -> list[PluginRecord]:
        """A record of every plugin, built-in ones first."""
        self._load_all()
        return list(self._records)

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
        return self._presets.undisputed()

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
                that differ in brackets.

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
        name, fields = parse_config_string(spec)
        preset = self._search(self._presets, name)
        if preset is not None:
            base = preset.value
            return validate_config(
                type(base), {**base.model_dump(), **fields}, f"adapter preset {name!r}"
            )
        kind = self._search(self._adapters, name)
        if kind is None:
            self._load_all()
            raise self._unknown("adapter", name, {*self._presets.names(), *self._adapters.names()})
        return validate_config(kind.value.Config, fields, f"adapter kind {name!r}")

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

    def unknown_backbone(self, name: str, remedy: str) -> UnknownBackboneError:
        """The error for a name that is no backbone."""
        self._load_all()
        return UnknownBackboneError(name, self._backbones.names(), remedy)

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
        broken = [record for record in self._records if record.failure is not None]
        remedy = "Install the plugin that provides it."
        if broken:
            quoted = "; ".join(f"{record.provider}: {record.failure}" for record in broken)
            remedy = f"These plugins failed to load and may provide it: {quoted}."
        return UnknownKindError(f"{what} kind", name, known, remedy)

    def _load_builtin(self) -> None:
        if self._stage >= 1:
            return
        with self._lock:
            if self._stage >= 1:
                return
            for path in DEFAULT_PLUGINS:
                record = PluginRecord(path, self._builtin, path)
                self._load(record, lambda path=path: importlib.import_module(path))  # type: ignore[misc]
            self._stage = 1

    def _load_all(self) -> None:
        if self._stage >= 2:  # noqa: PLR2004 - nothing, built-ins, everything
            return
        with self._lock:
            self._load_builtin()
            if self._stage >= 2 or self._is_loading:  # noqa: PLR2004
                return
            self._is_loading = True  # a plugin that asks the registry must not start this again
            found = _entry_points(self._report_unreadable) if self._use_entry_points else []
            for provider, entry_point in found:
                record = PluginRecord(entry_point.name, provider, entry_point.value)
                self._load(record, entry_point.load)
            self._stage = 2

    def _report_unreadable(self, provider: Provider, error: Exception) -> None:
        record = PluginRecord("entry_points.txt", provider, "")
        record.fail(error)
        self._records.append(record)

    def _load(self, record: PluginRecord, load: Callable[[], object]) -> None:
        """Imports a plugin and calls its registration hooks; what goes wrong stays in `record`."""
        self._records.append(record)
        started = time.perf_counter()
        try:
            plugin = load()
            self._register(plugin, record)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            record.fail(error)
            return
        finally:
            record.import_s = time.perf_counter() - started
        self._call_registration_hooks(plugin, record)

    def _register(self, plugin: object, record: PluginRecord) -> None:
        if plugin is None:  # pluggy would pass over it in silence
            raise ContractError(f"{record.target} is None, not a module or an object.")
        if self._manager.is_registered(plugin):
            raise ContractError(f"{record.target} was registered by another entry point already.")
        hash(plugin)  # pluggy keeps plugins in sets, and would fail for every later one
        self._manager.register(plugin, name=f"{record.provider.distribution}:{record.name}")

    def _call_registration_hooks(self, plugin: object, record: PluginRecord) -> None:
        registrars: Mapping[str, Callable[[Any], None]] = {
            "polyhead_register_heads": lambda cls: self._add_class(self._heads, cls, Head, record),
            "polyhead_register_adapters": lambda cls: self._add_adapter(cls, record),
            "polyhead_register_backbones": lambda backbone: self._add_backbone(backbone, record),
        }
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        for hook, register in registrars.items():
            try:
                self._manager.subset_hook_caller(hook, others)(register=register)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                record.fail(error)

    def _add_class(
        self, shelf: Shelf[type[T]], cls: type[T], base: type[T], record: PluginRecord
    ) -> None:
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise ContractError(f"{cls!r} is not a subclass of polyhead.{base.__name__}.")
        if inspect.isabstract(cls):
            missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
            raise ContractError(f"{cls.__qualname__} is abstract; it lacks: {missing}.")
        shelf.add(str(getattr(cls, "kind", "")), cls, record, self._builtin)

    def _add_adapter(self, cls: type[Adapter], record: PluginRecord) -> None:
        self._add_class(self._adapters, cls, Adapter, record)  # type: ignore[type-abstract]
        self._check_meaning(cls.kind, self._presets, record)
        for name, config in cls.presets.items():
            if type(config) is not cls.Config:
                raise ContractError(f"the preset {name!r} of {cls.__qualname__} is not its Config.")
            self._check_meaning(name, self._adapters, record)
            self._presets.add(name, config, record, self._builtin)

    def _check_meaning(self, name: str, others: Shelf[Any], record: PluginRecord) -> None:
        """A config string starts with a kind or a preset: one plugin's must not hide another's."""
        taken = [other for other in others.records(name) if other is not record]
        if taken:
            raise DuplicateKindError(
                f"{record.provider} ({record.name}) uses {name!r}, the name of the {others.what} "
                f"of {taken[0].provider} ({taken[0].name}); rename it."
            )

    def _add_backbone(self, backbone: NamedBackbone, record: PluginRecord) -> None:
        if not isinstance(backbone, NamedBackbone):
            raise ContractError(f"{backbone!r} is not a polyhead.NamedBackbone.")
        self._backbones.add(backbone.name, backbone, record, self._builtin)


def _entry_points(
    report: Callable[[Provider, Exception], None],
) -> list[tuple[Provider, EntryPoint]]:
    """Every entry point of our group, once for each distribution, in a stable order.

    Args:
        report: Called for a distribution whose list of entry points cannot be read.
    """
    found: dict[tuple[str, str], tuple[Provider, EntryPoint]] = {}
    for distribution in distributions():
        try:
            entry_points = distribution.entry_points.select(group=ENTRY_POINT_GROUP)
        except Exception as error:  # noqa: BLE001 - whatever parsing a damaged file raises
            report(_provider(distribution), error)
            continue
        for entry_point in entry_points:
            provider = _provider(distribution)
            # the first on sys.path wins, as for imports
            found.setdefault((provider.distribution, entry_point.name), (provider, entry_point))
    return [found[key] for key in sorted(found)]


def _provider(distribution: Distribution) -> Provider:
    # both are None where an interrupted uninstall left a folder without metadata
    return Provider(distribution.name or "unknown", distribution.version or "unknown")


@cache
def registry() -> Registry:
    """The process's own registry: all installed plugins."""
    return Registry()
