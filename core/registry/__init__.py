"""The kinds and named backbones that plugins provide."""

from polyhead.registry.records import PluginRecord, Provider
from polyhead.registry.registry import DEFAULT_PLUGINS, Registry, registry

__all__ = ["DEFAULT_PLUGINS", "PluginRecord", "Provider", "Registry", "registry"]
