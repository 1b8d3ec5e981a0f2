"""The plugin host: finds plugins, checks them, imports them, and keeps what became of each.

What they register is kept by `polyhead.registry`; commands and observers, which need no torch, are
kept here.
"""

from polyhead.host.commands import BUILTIN_COMMANDS
from polyhead.host.host import DEFAULT_PLUGINS, Host, host
from polyhead.host.observers import EventObservers
from polyhead.host.records import PluginRecord, PluginStatus, Provider
from polyhead.host.shelf import Claim, Shelf
from polyhead.host.switches import DISABLE_VARIABLE

__all__ = [
    "BUILTIN_COMMANDS",
    "DEFAULT_PLUGINS",
    "DISABLE_VARIABLE",
    "Claim",
    "EventObservers",
    "Host",
    "PluginRecord",
    "PluginStatus",
    "Provider",
    "Shelf",
    "host",
]
