"""The kinds and named backbones that plugins provide."""

from polyhead.host import DEFAULT_PLUGINS, PluginRecord, Provider
from polyhead.registry.registry import Registry, registry

__all__ = ["DEFAULT_PLUGINS", "PluginRecord", "Provider", "Registry", "registry"]
