"""Imports plugins and calls their hooks, each on its own: one that fails stops no other.

Nothing is imported until it is asked for. Built-in plugins load first where kinds are looked up, so
that a built-in kind never costs the import of foreign code; installed ones become a record each,
with what they provide or with what went wrong.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import pluggy

from polyhead import hookspecs
from polyhead.errors import ContractError
from polyhead.host.advice import how_to_have, suspects
from polyhead.host.aside import prints_aside
from polyhead.host.checks import OBSERVERS, check_complete, check_hooks
from polyhead.host.commands import Command, add_command
from polyhead.host.discovery import InstalledPlugin, find_plugins
from polyhead.host.needs import check_api, check_api_in_source, check_requirements
from polyhead.host.records import PluginRecord, Provider
from polyhead.host.shelf import Claim, Shelf
from polyhead.host.switches import EVERY_PLUGIN, Switches

if TYPE_CHECKING:
    from pluggy import HookImpl

__all__ = ["DEFAULT_PLUGINS", "Host", "host"]

DEFAULT_PLUGINS: Final = (
    "polyhead.adapters.builtin",
    "polyhead.composition.builtin",
    "polyhead.heads.builtin",
    "polyhead.encoder.backbones",
)


@dataclass
class _Loaded:
    """A plugin that passed its checks."""

    plugin: object
    record: PluginRecord
    called: set[str] = field(default_factory=set)
    """Its registration hooks that were called."""


class Host:
    """All plugins of a process: their records, their hooks, their commands.

    Attributes:
        lock: Held while plugins are loaded and called; one thread may take it again.
    """

    def __init__(self, *, entry_points: bool = True) -> None:
        """Makes a host that has loaded nothing yet.

        Args:
            entry_points: Whether to load installed plugins besides the built-in ones.
        """
        self.lock = threading.RLock()
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._use_entry_points = entry_points
        self._switches: Switches | None = None
        self._builtin: list[PluginRecord] = []
        self._installed: list[PluginRecord] = []
        self._waiting: list[InstalledPlugin] | None = None
        self._loaded: list[_Loaded] = []
        self._commands: Shelf[Command] = Shelf("command")
        self._is_busy = False

    def switch_off_all(self, source: str) -> None:
        """Leaves every plugin alone that is not built in; for before the first is loaded.

        Args:
            source: What said so, for messages.
        """
        self._switches = Switches(EVERY_PLUGIN, source)

    def load_builtin(self) -> None:
        """Imports the built-in plugins, once."""
        with self.lock:
            for path in DEFAULT_PLUGINS[len(self._builtin) :]:
                record = PluginRecord(path, own_provider(), path, is_builtin=True)
                self._load(record, self._builtin, partial(importlib.import_module, path))

    def load_installed(self) -> bool:
        """Imports every installed plugin that is not switched off, once.

        Returns:
            Whether that is done. It is not where a plugin asks while it is loaded itself: it sees
            what was loaded by then.
        """
        with self.lock:
            if self._is_busy:
                return False
            if self._waiting is None:
                self._waiting = self._find()
            while self._waiting:
                self._load_installed(self._waiting[0])
                del self._waiting[0]  # not before: Ctrl-C leaves it for the next time
            return True

    def records(self) -> list[PluginRecord]:
        """A record of every plugin that was looked at, built-in ones first."""
        return [*self._builtin, *self._installed]

    def unknown_switches(self) -> list[str]:
        """The names that were switched off and that no plugin has."""
        self.load_installed()
        return [] if self._switches is None else self._switches.unknown()

    def collect(
        self,
        hook: str,
        register_of: Callable[[PluginRecord], Callable[..., None]],
        *,
        builtin: bool = False,
    ) -> None:
        """Calls a registration hook of each loaded plugin, once.

        Args:
            hook: Its name.
            register_of: Makes what the plugin with that record is given to register with.
            builtin: Whether to call the built-in plugins' or the installed ones'.
        """
        with self.lock:
            for loaded in list(self._loaded):
                if loaded.record.is_builtin is builtin and hook not in loaded.called:
                    self._call(loaded, hook, register_of(loaded.record))
                    loaded.called.add(hook)

    def implementations(self, hook: str) -> list[tuple[PluginRecord, HookImpl]]:
        """Every installed plugin's function for a hook, in the order of calls."""
        self.load_installed()
        records = {id(loaded.plugin): loaded.record for loaded in self._loaded}
        # last registered first, as pluggy calls them
        found = reversed(getattr(self._manager.hook, hook).get_hookimpls())
        return [(records[id(one.plugin)], one) for one in found]

    def command(self, name: str) -> Claim[Command] | None:
        """The command that a plugin adds under that name, or None.

        Raises:
            DuplicateKindError: Several plugins do.
        """
        self.load_commands()
        return self._commands.get(name)

    def command_names(self) -> list[str]:
        """The names of the commands that plugins add, sorted."""
        self.load_commands()
        return self._commands.names()

    def load_commands(self) -> None:
        """Collects the commands of all installed plugins, once."""
        with self.lock:
            if self.load_installed():
                self.collect("polyhead_register_commands", self._registrar_of_commands)

    def suspects(self) -> str:
        """For a message: the plugins that may provide what is missing, or nothing."""
        return suspects(self._installed)

    def how_to_have(self, wanted: Provider) -> str:
        """For a message: why something of a distribution is not there, and what helps."""
        self.load_installed()
        return how_to_have(wanted, self._installed)

    def _registrar_of_commands(self, record: PluginRecord) -> Callable[..., None]:
        return partial(add_command, self._commands, record)

    def _find(self) -> list[InstalledPlugin]:
        if self._switches is None:
            self._switches = Switches.of_environment()
        return find_plugins(self._report_unreadable) if self._use_entry_points else []

    def _report_unreadable(self, provider: Provider, error: Exception) -> None:
        record = PluginRecord("entry_points.txt", provider, "")
        record.fail(error)
        self._installed.append(record)

    def _load_installed(self, found: InstalledPlugin) -> None:
        if self._switches is not None and self._switches.apply(found.record):
            self._installed.append(found.record)
        else:
            self._load(found.record, self._installed, partial(_import, found))

    def _load(
        self, record: PluginRecord, records: list[PluginRecord], load: Callable[[], object]
    ) -> None:
        """Imports a plugin; what goes wrong stays in its record."""
        with self._working_on(record):
            plugin = load()
            check_complete(plugin, record.target)
            if self._manager.is_registered(plugin):
                raise ContractError(
                    f"{record.target} was registered by another entry point already."
                )
            hooks = check_hooks(plugin, record.target, self._manager)
            self._manager.register(plugin, name=f"{record}: {record.target}")
            self._loaded.append(_Loaded(plugin, record))
            observed = (hook.removeprefix("polyhead_") for hook in hooks if hook in OBSERVERS)
            record.provides.extend(f"observer {name}" for name in observed)
        records.append(record)

    def _call(self, loaded: _Loaded, hook: str, register: Callable[..., None]) -> None:
        others = [other.plugin for other in self._loaded if other is not loaded]
        with self._working_on(loaded.record):
            self._manager.subset_hook_caller(hook, others)(register=register)

    @contextmanager
    def _working_on(self, record: PluginRecord) -> Iterator[None]:
        """Runs a stranger's code: it may raise anything, print, take its time, and ask us back."""
        was_busy, self._is_busy = self._is_busy, True
        started = time.perf_counter()
        try:
            with prints_aside():
                yield
        except KeyboardInterrupt:  # the user's, and not the plugin's failure
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too
            record.fail(error)
        finally:
            self._is_busy = was_busy
            record.import_s += time.perf_counter() - started


def own_provider() -> Provider:
    """The distribution of polyhead itself."""
    return Provider("polyhead", version("polyhead"))


@cache
def host() -> Host:
    """The process's own host: all installed plugins."""
    return Host()


def _import(found: InstalledPlugin) -> object:
    """What an entry point leads to.

    Raises:
        NewerPluginError: It needs a newer polyhead, and whatever importing it raises.
    """
    check_requirements(found.distribution)
    module = found.entry_point.module
    try:
        plugin = found.entry_point.load()
    except Exception as error:
        check_api_in_source(error, module)
        raise
    check_api(plugin, module)
    return plugin
