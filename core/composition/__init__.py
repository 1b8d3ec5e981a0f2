"""Adapters put together: stacked, fused, averaged, split; and unions of several in one."""

from polyhead.composition.blocks import (
    AdapterSetup,
    Average,
    Block,
    Fuse,
    Split,
    Stack,
    fuses_in,
    names_of,
    parse_setup,
)
from polyhead.composition.composed import (
    Acting,
    AdapterTable,
    acting,
    acting_of,
    acting_on_rows,
    check_taps,
    fusion_of,
    with_fusions_named,
)
from polyhead.composition.renamed import renamed
from polyhead.composition.trained import trained_names

__all__ = [
    "Acting",
    "AdapterSetup",
    "AdapterTable",
    "Average",
    "Block",
    "Fuse",
    "Split",
    "Stack",
    "acting",
    "acting_of",
    "acting_on_rows",
    "check_taps",
    "fuses_in",
    "fusion_of",
    "names_of",
    "parse_setup",
    "renamed",
    "trained_names",
    "with_fusions_named",
]
