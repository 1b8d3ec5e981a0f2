"""What `polyhead plugin new` writes: a distribution of one's own, complete and with tests."""

from polyhead.scaffold.files import plugin_files, write_plugin
from polyhead.scaffold.names import PLUGIN_SORTS, PluginNames, PluginSort
from polyhead.scaffold.taken import check_untaken

__all__ = [
    "PLUGIN_SORTS",
    "PluginNames",
    "PluginSort",
    "check_untaken",
    "plugin_files",
    "write_plugin",
]
