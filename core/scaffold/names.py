"""The names of a new plugin: of its distribution, its package, its kind and its classes."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from typing import Final, Literal, get_args

from polyhead.errors import InvalidNameError, shown

__all__ = ["PLUGIN_SORTS", "PluginNames", "PluginSort"]

PluginSort = Literal["head", "adapter"]
PLUGIN_SORTS: Final[tuple[PluginSort, ...]] = get_args(PluginSort)

# a package index takes digits in front too; the package of that name could not be imported
_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST: Final = 64
_SEPARATORS = re.compile(r"[-_.]+")
_OURS: Final = "polyhead_"


@dataclass(frozen=True)
class PluginNames:
    """What a plugin and its parts are called.

    Attributes:
        sort: What it provides.
        distribution: What is installed and published: "star-rating".
        package: What is imported: "star_rating".
        kind: What config strings and saved artifacts say: the package, less a leading "polyhead_".
        stem: What its classes' names start with: "StarRating".
    """

    sort: PluginSort
    distribution: str
    package: str
    kind: str
    stem: str

    @classmethod
    def of(cls, name: str, sort: PluginSort) -> PluginNames:
        """The names that follow from the one that was given.

        Args:
            name: Upper case, '_' and '.' are normalised as package indexes do.
            sort: What the plugin provides.

        Raises:
            InvalidNameError: It cannot be the name of a distribution and of a package.
        """
        if _NAME.fullmatch(name) is None or len(name) > _LONGEST:
            raise InvalidNameError(
                f"{shown(name)} cannot name a plugin: use 1 to {_LONGEST} of the letters a-z, "
                "digits, '-', '_' and '.', the first a letter and the last a letter or digit."
            )
        distribution = _SEPARATORS.sub("-", name).lower()
        package = distribution.replace("-", "_")
        another = f"choose another name, such as {f'{distribution}-{sort}'!r}."
        if keyword.iskeyword(package):
            raise InvalidNameError(
                f"{distribution!r} cannot name a plugin: {package} is a keyword of Python; "
                f"{another}"
            )
        if package in sys.stdlib_module_names:
            raise InvalidNameError(
                f"{distribution!r} cannot name a plugin: {package} is a module of Python itself; "
                f"{another}"
            )
        kind = package.removeprefix(_OURS)
        if not kind.isidentifier():
            raise InvalidNameError(
                f"{distribution!r} cannot name a plugin: its kind would be {kind!r}, which does "
                "not start with a letter."
            )
        words = (kind.removesuffix(f"_{sort}")).split("_")
        return cls(sort, distribution, package, kind, "".join(word.capitalize() for word in words))

    @property
    def class_name(self) -> str:
        """The class that does the work: "StarRatingHead"."""
        return f"{self.stem}{self.sort.capitalize()}"
