"""What the parts of DistilBERT are called in PEFT's configurations and files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = [
    "MODULE_OF_SITE",
    "ROOT",
    "Place",
    "all_places",
    "encoder_weight",
    "key_of",
    "module_name",
    "place_of",
]

ROOT: Final = "base_model.model."
"""In front of every tensor's name in a file of PEFT."""

MODULE_OF_SITE: Final = {
    "q": "attention.q_lin",
    "k": "attention.k_lin",
    "v": "attention.v_lin",
    "out": "attention.out_lin",
    "lin1": "ffn.lin1",
    "lin2": "ffn.lin2",
}
"""Our sites, and the linear layers of a layer in transformers."""

_SITE_OF_MODULE: Final = {module: site for site, module in MODULE_OF_SITE.items()}
_KEY: Final = re.compile(
    r"base_model\.model\.(?P<prefix>(?:distilbert\.)?)transformer\.layer\."
    r"(?P<layer>0|[1-9][0-9]{0,3})\.(?P<module>(?:attention|ffn)\.[a-z0-9_]+)\.(?P<part>.+)"
)


class Place(NamedTuple):
    """Where a tensor of a file belongs.

    Attributes:
        prefix: "distilbert." where the file was saved from a model with a head, else "".
        layer: Counted from 0.
        site: Of ours.
        part: What it is called there: "lora_A.weight", "ia3_l".
    """

    prefix: str
    layer: int
    site: str
    part: str


def place_of(key: str) -> Place | None:
    """The place of a tensor; None where it is not one of a linear layer of an encoder's layer."""
    match = _KEY.fullmatch(key)
    if match is None or match["module"] not in _SITE_OF_MODULE:
        return None
    return Place(
        match["prefix"], int(match["layer"]), _SITE_OF_MODULE[match["module"]], match["part"]
    )


def module_name(prefix: str, layer: int, site: str) -> str:
    """What a linear layer is called in the model that PEFT wraps."""
    return f"{prefix}transformer.layer.{layer}.{MODULE_OF_SITE[site]}"


def key_of(prefix: str, layer: int, site: str, part: str) -> str:
    """What a tensor of a linear layer is called in a file."""
    return f"{ROOT}{module_name(prefix, layer, site)}.{part}"


def encoder_weight(key: str) -> str | None:
    """The name in a bare DistilBERT checkpoint of an encoder's own weight in a file, or None."""
    name = key.removeprefix(ROOT).removeprefix("distilbert.")
    if not key.startswith(ROOT) or not name.startswith(("embeddings.", "transformer.")):
        return None
    return name.replace(".base_layer.", ".")


def all_places(n_layers: int) -> Iterator[tuple[int, str]]:
    """Every layer and site of an encoder."""
    for layer in range(n_layers):
        for site in MODULE_OF_SITE:
            yield layer, site
