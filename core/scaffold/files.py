"""The files of a new plugin: templates with its names filled in."""

from __future__ import annotations

import os
from importlib.metadata import version
from importlib.resources import files as resources
from string import Template
from typing import TYPE_CHECKING, Final

from polyhead.artifact import write_folder
from polyhead.errors import OutputExistsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from polyhead.scaffold.names import PluginNames, PluginSort

__all__ = ["plugin_files", "write_plugin"]

_COMMON: Final = {
    ".github/workflows/test.yml": "workflow.yml",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "src/$package/py.typed": "py.typed",
}
_OF_SORT: Final[Mapping[PluginSort, Mapping[str, str]]] = {
    sort: {
        f"src/$package/{sort}.py": f"{sort}.py",
        "src/$package/__init__.py": f"{sort}_package.py",
        "src/$package/plugin.py": f"{sort}_plugin.py",
        f"tests/test_{sort}.py": f"{sort}_test.py",
    }
    for sort in ("head", "adapter")
}
"""Each file of a plugin and the template it is made of."""


def plugin_files(names: PluginNames) -> dict[str, str]:
    """The text of each file, by its path in the plugin's folder, sorted."""
    major_minor = ".".join(version("polyhead").split(".")[:2])
    values = {
        "sort": names.sort,
        "distribution": names.distribution,
        "package": names.package,
        "kind": names.kind,
        "stem": names.stem,
        "class_name": names.class_name,
        "polyhead": major_minor,
    }
    values["usage"] = _filled(f"{names.sort}_usage.md", values).rstrip()
    made = {
        Template(path).substitute(values): _filled(template, values)
        for path, template in {**_COMMON, **_OF_SORT[names.sort]}.items()
    }
    return dict(sorted(made.items()))


def _filled(template: str, values: Mapping[str, str]) -> str:
    folder = resources("polyhead.scaffold") / "templates"
    text = (folder / f"{template}.tmpl").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def write_plugin(folder: Path, contents: Mapping[str, str]) -> None:
    """Writes the files of a plugin, all of them or none.

    Raises:
        OutputExistsError: The folder holds something, or is a file.
        WriteError: It could not be written; nothing was changed.
    """
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputExistsError(
            f"{folder} exists and is not an empty folder; choose another --output."
        )
    files = {path: text.encode() for path, text in contents.items()}
    if not folder.is_dir():
        write_folder(folder, files)
        return
    # an empty folder stays the one it is, since a shell may be in it
    whole = folder / ".new"
    write_folder(whole, files)
    for part in whole.iterdir():
        part.rename(folder / part.name)
    whole.rmdir()
