"""The names of tensors in the files of the `adapters` library.

There, an adapter's name stands in the middle of each: `distilbert.transformer.layer.0.
output_adapters.adapters.NAME.adapter_up.weight`. Here they are handled without the part in front
and with `*` for the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polyhead.errors import ArtifactError, listing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ROOT", "STAR", "adapter_tensors", "layers_in", "named"]

ROOT: Final = "distilbert."
STAR: Final = "*"

_CONTAINERS: Final = frozenset(
    {
        "adapters",
        "invertible_adapters",
        "loras",
        "prefix_gates",
        "prefix_tunings",
        "prompt_tunings",
        "refts",
        "shared_parameters",
        "adapter_fusion_layer",
    }
)
_LEGACY: Final = {
    "attention_text_task_adapters": "adapters",
    "attention_text_lang_adapters": "adapters",
    "layer_text_task_adapters": "adapters",
    "layer_text_lang_adapters": "adapters",
    "invertible_lang_adapters": "invertible_adapters",
}
_LAYER: Final = re.compile(r"transformer\.layer\.([0-9]{1,5})\.")


def adapter_tensors(
    tensors: Mapping[str, Tensor], name: str, source: Path
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of one adapter or fusion, with `*` for its name.

    Args:
        tensors: As they are called in the file; with or without `distilbert.` in front, by the
            names of this library or of its first version.
        name: The adapter's, as the file's config gives it.
        source: The file, for messages.

    Returns:
        The tensors, and the names of other adapters whose names begin with that one: the library
        saves those too, by mistake.

    Raises:
        ArtifactError: A tensor belongs to something else.
    """
    found: dict[str, Tensor] = {}
    others: set[str] = set()
    for key, tensor in tensors.items():
        parts = [_LEGACY.get(part, part) for part in key.removeprefix(ROOT).split(".")]
        place = next((n for n, part in enumerate(parts) if part in _CONTAINERS), None)
        owner = None if place is None or place + 1 == len(parts) else parts[place + 1]
        if owner is None or place is None or not owner.startswith(name):
            raise ArtifactError(f"{source} has unexpected tensors: {key[:150]}.")
        if owner != name:
            others.add(owner)
            continue
        parts[place + 1] = STAR
        short = ".".join(parts)
        if short in found:
            raise ArtifactError(f"{source} holds {key[:150]} twice.")
        found[short] = tensor
    return found, sorted(others)


def named(key: str, name: str) -> str:
    """The full name of a tensor in a file, from the short one."""
    return ROOT + ".".join(name if part == STAR else part for part in key.split("."))


def layers_in(keys: Iterable[str]) -> set[int]:
    """The numbers of the layers that keys name."""
    return {int(match[1]) for key in keys if (match := _LAYER.match(key))}


def extra_note(source: Path, others: Iterable[str]) -> tuple[str, ...]:
    """For a user: that the file holds more than it should."""
    names = list(others)
    if not names:
        return ()
    return (f"{source} also holds weights of {listing(names)}, saved there by mistake; left out.",)
