"""Where in the encoder an adapter first changes something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from polyhead.contracts import NO_TAPS, LayerStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyhead.composition import Acting

__all__ = ["STEP_OF_SITE", "Entry", "entry_of"]

STEP_OF_SITE: Final[Mapping[str, LayerStep]] = {
    **dict.fromkeys(("q", "k", "v", "prefix", "out"), LayerStep.START),
    "attention": LayerStep.ATTENTION,
    **dict.fromkeys(("lin1", "inner", "lin2"), LayerStep.FEED_FORWARD),
    "ffn": LayerStep.FFN,
    "output": LayerStep.OUTPUT,
}
"""The last step of a layer before which rows may part whose adapters differ at a site."""


class Entry(NamedTuple):
    """The first place at which an adapter acts: what comes before is the bare encoder's.

    Attributes:
        layer: Counted from 0.
        step: The step of it.
    """

    layer: int
    step: LayerStep


def entry_of(acting: Acting | None, depth: int) -> Entry | None:
    """The first place at which something acts, or None where nothing does.

    Args:
        acting: What acts on some rows; None for the bare encoder.
        depth: How many layers are computed.
    """
    if acting is None:
        return None
    if acting.embeddings_tap() is not None:
        return Entry(0, LayerStep.START)
    for layer in range(depth):
        taps = acting.taps(layer)
        if taps is not NO_TAPS:
            steps = [step for site, step in STEP_OF_SITE.items() if getattr(taps, site) is not None]
            if steps:
                return Entry(layer, min(steps))
    return None
