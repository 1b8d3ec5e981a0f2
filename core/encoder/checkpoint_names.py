"""What the weights of an encoder are called in checkpoints of DistilBERT and BERT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["LEGACY", "NOT_WEIGHTS", "PREFIXES", "ROOT", "TOKEN_TYPES", "weight_names"]

PREFIXES: Final = ("distilbert.", "bert.", "")
"""In front of the encoder's weights, where a checkpoint holds a head too, or does not."""

ROOT: Final = {False: "transformer.layer", True: "encoder.layer"}
"""Of the layers' names, for BERT (true) and DistilBERT (false)."""

TOKEN_TYPES: Final = "embeddings.token_type_embeddings.weight"  # noqa: S105 - not a password

NOT_WEIGHTS: Final = {"embeddings.position_ids", "embeddings.token_type_ids"}
"""Buffers that old versions saved."""

LEGACY: Final = {".gamma": ".weight", ".beta": ".bias"}
"""What the parts of layer norms were called in the first checkpoints."""

_EMBEDDINGS: Final = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embeddings": "embeddings.position_embeddings",
    "norm": "embeddings.LayerNorm",
}
_DISTILBERT_LAYER: Final = {
    "attention.q": "attention.q_lin",
    "attention.k": "attention.k_lin",
    "attention.v": "attention.v_lin",
    "attention.out": "attention.out_lin",
    "norm1": "sa_layer_norm",
    "lin1": "ffn.lin1",
    "lin2": "ffn.lin2",
    "norm2": "output_layer_norm",
}
_BERT_LAYER: Final = {
    "attention.q": "attention.self.query",
    "attention.k": "attention.self.key",
    "attention.v": "attention.self.value",
    "attention.out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "lin1": "intermediate.dense",
    "lin2": "output.dense",
    "norm2": "output.LayerNorm",
}


def weight_names(n_layers: int, *, is_bert: bool = False) -> Iterator[tuple[str, str]]:
    """Our name and the checkpoint's of each weight, Q, K and V apart."""
    for ours, theirs in _EMBEDDINGS.items():
        yield f"{ours}.weight", f"{theirs}.weight"
    yield "norm.bias", f"{_EMBEDDINGS['norm']}.bias"
    for number in range(n_layers):
        for ours, theirs in (_BERT_LAYER if is_bert else _DISTILBERT_LAYER).items():
            for part in ("weight", "bias"):
                yield f"layers.{number}.{ours}.{part}", f"{ROOT[is_bert]}.{number}.{theirs}.{part}"
