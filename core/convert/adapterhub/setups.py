"""How adapters are put together, as `adapter_setup.json` says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from polyhead.composition import AdapterSetup, Average, Block, Fuse, Split, Stack, names_of
from polyhead.convert.json_files import field
from polyhead.errors import ArtifactError, ConfigError, ConversionError, shown
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.contracts import AdapterConfig
    from polyhead.convert.bundle import Bundle

__all__ = ["Setup", "check_stacks", "setup_in", "setup_out"]

_DEEPEST: Final = 8
_MOST: Final = 100


@dataclass(frozen=True)
class Setup:
    """What a setup names.

    Attributes:
        block: Ours.
        adapters: The names of its adapters, which are those of their folders.
        fusions: The folders of its fusions.
    """

    block: AdapterSetup
    adapters: tuple[str, ...]
    fusions: tuple[str, ...]

    def composition(self, bundle: Bundle) -> AdapterSetup:
        """The block, once the bundle has all that it names."""
        known = {part.name for part in bundle.adapters}
        missing = [name for name in self.adapters if name not in known]
        if missing:
            raise ArtifactError(
                f"the setup names {missing[0]!r}, which its folder calls otherwise."
            )
        check_stacks(self.block, bundle)
        return self.block


def setup_in(theirs: Mapping[str, Any], source: Path) -> Setup:
    """Our block for theirs.

    Raises:
        ArtifactError: It is damaged.
        ConversionError: There is no such block here.
    """
    fusions: list[str] = []
    try:
        block = _block_in(theirs, source, fusions, 0)
    except ConfigError as error:
        raise ArtifactError(f"{source}: {error}") from None
    return Setup(block, names_of(block), tuple(fusions))


def _block_in(
    theirs: Mapping[str, Any], source: Path, fusions: list[str], depth: int
) -> str | Block:
    kind = field(theirs, "type", str, source)
    children = field(theirs, "children", list, source)
    if depth > _DEEPEST or not 0 < len(children) <= _MOST:
        raise ArtifactError(f"{source}: a setup of {len(children)} adapters, {depth} deep.")
    if kind == "single":
        if len(children) != 1 or not isinstance(children[0], str):
            raise ArtifactError(f"{source} names {shown(children)}, which is no adapter.")
        return children[0]
    if not all(isinstance(child, dict) for child in children):
        raise ArtifactError(f"{source}: {kind[:60]} has children that are none.")
    found = [_block_in(child, source, fusions, depth + 1) for child in children]
    options = theirs.get("kwargs") or {}
    if not isinstance(options, dict):
        raise ArtifactError(f"{source}: kwargs is {shown(options)}.")
    match kind:
        case "Stack":
            return Stack(*found)
        case "Fuse":
            fuse = Fuse(*found)
            given = options.get("name")
            fusions.append(given if isinstance(given, str) else ",".join(fuse.fused))
            return fuse
        case "Split":
            return Split(*found, splits=_splits(options, len(found), source))
        case "Average":
            # that library divides the weighted sum by the number of adapters once more
            weights = options.get("weights")
            raise ConversionError(
                f"{source} averages adapters with the weights {shown(weights)}, and the library "
                "divides the result by their number once more; write the setup you mean, such as "
                "ph.Average, for the adapters, each converted by itself."
            )
    raise ConversionError(
        f"{source} puts adapters together by {kind[:60]!r}, which is not for one text; here each "
        "row of a call names its own: convert the adapters by themselves."
    )


def _splits(options: Mapping[str, Any], number: int, source: Path) -> list[int]:
    splits = options.get("splits")
    if isinstance(splits, int) and not isinstance(splits, bool):
        return [splits] * number
    if not isinstance(splits, list):
        raise ArtifactError(f"{source}: splits is {shown(splits)}, not a list of numbers.")
    return splits


def check_stacks(setup: object, bundle: Bundle) -> None:
    """Refuses stacks that mean one thing here and another there.

    There, low-rank changes are multiplied where here they are added; and of what changes embeddings
    or the states of single tokens, a stack applies the first adapter's alone.

    Raises:
        ConversionError: There is one.
    """
    if not isinstance(setup, Block):
        return
    for child in setup.children:
        check_stacks(child, bundle)
    if not isinstance(setup, Stack):
        return
    configs = {part.name: part.config for part in bundle.adapters}
    kinds = [_traits(configs[name]) for name in names_of(setup) if name in configs]
    if sum("projection" in kind for kind in kinds) > 1:
        raise ConversionError(
            f"{setup} stacks several LoRA or IA3 adapters, whose changes the adapters library "
            "multiplies with one another and polyhead adds; use them one at a time there."
        )
    if any("first" in kind for kind in kinds[1:]):
        raise ConversionError(
            f"{setup} stacks an adapter with a prompt, an invertible part or ReFT behind another, "
            "which the adapters library leaves out without a word."
        )


def _traits(config: AdapterConfig) -> set[str]:
    """What of an adapter a stack there treats otherwise."""
    found = set()
    for each in getattr(config, "parts", (config,)):
        kind = registry().adapter_for(each).kind
        if kind in {"lora", "ia3"}:
            found.add("projection")
        if kind in {"reft", "prompt"} or getattr(each, "inv_adapter", None):
            found.add("first")
    return found


def setup_out(setup: object) -> dict[str, Any]:
    """Theirs for our block.

    Raises:
        ConversionError: There is no equal there.
    """
    if isinstance(setup, str):
        return {"type": "single", "children": [setup]}
    if isinstance(setup, Average):
        raise ConversionError(
            "the adapters library divides an average by the number of its adapters once more, so "
            "Average has no equal there."
        )
    if not isinstance(setup, Block):
        raise ConversionError(f"the adapters library has no setup like {shown(setup)}.")
    written: dict[str, Any] = {
        "type": type(setup).__name__,
        "children": [setup_out(child) for child in setup.children],
    }
    if isinstance(setup, Split):
        if None in setup.splits:
            raise ConversionError(
                "the adapters library wants the length of every part of Split, and None means "
                "all that is left."
            )
        written["kwargs"] = {"splits": list(setup.splits)}
    return written
