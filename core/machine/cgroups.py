"""The control groups that this process is in, where Linux and containers keep its limits.

A limit of any of them holds: the process's own group, the one around that, up to the root. In a
container the upper ones may be out of sight; its runtime then sets them on what can be seen.

Source: cgroups(7); kernel documentation, admin-guide/cgroup-v1 and cgroup-v2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["Cgroup", "cgroups"]

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Cgroup:
    """One group.

    Attributes:
        folder: Its files.
        version: 1 or 2, which name them differently.
    """

    folder: Path
    version: int

    def words(self, file: str) -> list[str]:
        """What a file of one line says; nothing where there is no such file."""
        try:
            return (self.folder / file).read_text(encoding="utf-8").split()
        except OSError:
            return []

    def number(self, file: str) -> int | None:
        """What a file of one number says; None where there is none, or "max"."""
        words = self.words(file)
        return int(words[0]) if words and words[0].lstrip("-").isdecimal() else None


def cgroups(controller: str, root: Path = Path("/")) -> Iterator[Cgroup]:
    """The groups in which a controller may limit this process, and those around them.

    Args:
        controller: "cpu" or "memory".
        root: Where `proc` and `sys` lie.
    """
    own = _own_paths(controller, root)
    for version, inside, mount in _mounts(controller, root):
        if version not in own:
            continue
        top = root / mount.relative_to("/")
        below = _below(own[version], inside)
        for folder in (below, *below.parents):  # the last is ".", the mount itself
            yield Cgroup(top / folder, version)


def _own_paths(controller: str, root: Path) -> dict[int, PurePosixPath]:
    """The process's own group, for each version in which the controller may be."""
    paths = {}
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            paths[2] = PurePosixPath(path)
        elif controller in names.split(","):
            paths[1] = PurePosixPath(path)
    return paths


def _mounts(controller: str, root: Path) -> Iterator[tuple[int, PurePosixPath, PurePosixPath]]:
    """Version, topmost group and place of each mounted hierarchy."""
    for line in _lines(root / "proc/self/mountinfo"):
        mounted, _, system = line.partition(" - ")
        fields, kind = mounted.split(), system.split()
        is_v1 = kind[:1] == ["cgroup"] and controller in kind[-1].split(",")
        if is_v1 or kind[:1] == ["cgroup2"]:
            inside, place = (PurePosixPath(_unescaped(field)) for field in fields[3:5])
            yield 1 if is_v1 else 2, inside, place


def _below(path: PurePosixPath, inside: PurePosixPath) -> PurePosixPath:
    """`path` as it lies below a mount whose topmost group is `inside`."""
    if ".." not in path.parts and path.is_relative_to(inside):
        return path.relative_to(inside)
    return PurePosixPath()  # out of sight: the mount itself is the nearest


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []  # not Linux


def _unescaped(field: str) -> str:
    """Spaces and the like, which mountinfo writes as octal numbers."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)
