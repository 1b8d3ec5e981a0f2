"""Which polyhead a plugin needs: by its distribution's metadata, and by its POLYHEAD_API."""

from __future__ import annotations

import ast
import linecache
import sys
import traceback
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from polyhead.errors import ContractError, NewerPluginError, shown
from polyhead.hookspecs import API_VERSION
from polyhead.host.records import canonical_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["check_api", "check_api_in_source", "check_requirements"]

_US: Final = "polyhead"
_API_NAME: Final = "POLYHEAD_API"
_AT_LEAST: Final = frozenset({">", ">=", "==", "===", "~="})
"""The comparisons that a version can fail by being too old."""


def check_requirements(distribution: Distribution) -> None:
    """Refuses a plugin whose distribution requires a newer polyhead than this.

    Only what is certain counts: a development version passes for its release, and a version above
    what is required may still work, which the API version tells.

    Raises:
        NewerPluginError: It does.
    """
    for line in distribution.requires or ():
        try:
            specifier = _newer_required(line)
        except ValueError:
            continue  # no requirement or no version: installers complain about these
        if specifier:
            raise NewerPluginError(
                f"it requires {_US}{specifier} and this is {_US} {version(_US)}; upgrade it: "
                f"pip install '{_US}{specifier}'."
            )


def check_api(plugin: object, module: str) -> None:
    """Refuses a plugin that needs a later version of the plugin API than this.

    Args:
        plugin: What its entry point leads to.
        module: The module that this is or lies in.

    Raises:
        NewerPluginError: Its POLYHEAD_API is higher than ours.
        ContractError: Its POLYHEAD_API is no whole number from 1.
    """
    inner = getattr(plugin, _API_NAME, None)
    _check_number(getattr(sys.modules.get(module), _API_NAME, None) if inner is None else inner)


def check_api_in_source(error: BaseException, module: str) -> None:
    """As `check_api`, of a module whose import failed, perhaps for want of a newer polyhead.

    Args:
        error: What the import raised; its traceback leads to the source.
        module: The plugin's.

    Raises:
        NewerPluginError: The source says POLYHEAD_API = a number that is higher than ours.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == module and frame.f_code.co_name == "<module>":
            source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
            number = _number_in(source)
            if number is not None and number > API_VERSION:
                _check_number(number)


def _check_number(number: object) -> None:
    if number is None:
        return
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ContractError(
            f"{_API_NAME} is the lowest version of the plugin API that a plugin needs, a whole "
            f"number from 1, not {shown(number)}."
        )
    if number > API_VERSION:
        raise NewerPluginError(
            f"it needs version {number} of the plugin API and {_US} {version(_US)} has version "
            f"{API_VERSION}; upgrade it: pip install --upgrade {_US}."
        )


def _newer_required(line: str) -> str:
    """What a line of a distribution's requirements says of us, where we are too old for it.

    Raises:
        ValueError: The line is no requirement, or a version in it is none.
    """
    from packaging.requirements import Requirement  # noqa: PLC0415 - few plugins are loaded
    from packaging.version import Version  # noqa: PLC0415 - likewise

    requirement = Requirement(line)
    applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    if canonical_name(requirement.name) != _US or not applies:
        return ""
    own = Version(Version(version(_US)).base_version)
    is_newer = any(
        part.operator in _AT_LEAST
        and not part.contains(own, prereleases=True)
        and Version(part.version.removesuffix(".*")) >= own
        for part in requirement.specifier
    )
    return str(requirement.specifier) if is_newer else ""


def _number_in(source: str) -> int | None:
    """The whole number that a module assigns to POLYHEAD_API at its top, or None."""
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if _API_NAME in names and isinstance(value := getattr(node, "value", None), ast.Constant):
            return value.value if isinstance(value.value, int) else None
    return None
