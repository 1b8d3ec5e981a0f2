"""From a transformers checkpoint of DistilBERT or BERT to our encoder, exactly.

BERT differs in names and in its token types. Texts here are always of type 0, so that row of the
type embeddings is added to every position embedding once, and BERT becomes DistilBERT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from polyhead.encoder.config import DistilBertConfig, read_config
from polyhead.encoder.encoder import Encoder
from polyhead.encoder.weights import read_weights
from polyhead.errors import CheckpointError

__all__ = ["load_encoder"]

_PREFIXES: Final = ("distilbert.", "bert.", "")

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
_ROOT: Final = {False: "transformer.layer", True: "encoder.layer"}
"""Of the layers' names, for BERT (true) and DistilBERT (false)."""
_TOKEN_TYPES: Final = "embeddings.token_type_embeddings.weight"  # noqa: S105 - not a password
_NOT_WEIGHTS: Final = {"embeddings.position_ids", "embeddings.token_type_ids"}
_LEGACY: Final = {".gamma": ".weight", ".beta": ".bias"}


def load_encoder(folder: Path) -> Encoder:
    """The frozen encoder of a checkpoint folder, in float32.

    Weights of heads in the checkpoint (a pooler, a classifier, a language model's output) are left
    where they are.

    Args:
        folder: It holds config.json and model.safetensors, its shards, or pytorch_model.bin.

    Raises:
        CheckpointError: A file is missing or damaged, a weight is missing, of another shape or not
            finite, or the encoder's part of the checkpoint holds weights that DistilBERT has not.
    """
    config = read_config(folder / "config.json")
    weights = _own_names(read_weights(folder), folder)
    is_bert = any(name.startswith("encoder.") for name in weights)
    _check_depth(weights, _ROOT[is_bert], config, folder)
    with torch.device("meta"):  # no time spent on random weights
        encoder = Encoder(config)
    canonical = _canonical(weights, encoder, folder, is_bert=is_bert)
    _check_finite(canonical, folder)
    encoder.load_state_dict(canonical, assign=True)
    encoder.freeze()
    return encoder


def _own_names(weights: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """The encoder's weights without their prefix, and with today's names of layer norms."""
    for prefix in _PREFIXES:
        if prefix + "embeddings.word_embeddings.weight" in weights:
            break
    else:
        raise CheckpointError(
            f"{folder} holds no DistilBERT or BERT encoder: no weight is named "
            "embeddings.word_embeddings.weight."
        )
    named: dict[str, Tensor] = {}
    for name, weight in weights.items():
        own = name.removeprefix(prefix)
        if name.startswith(prefix) and own.startswith(("embeddings.", "transformer.", "encoder.")):
            for old, new in _LEGACY.items():
                own = own[: -len(old)] + new if own.endswith(old) else own
            named[own] = weight
    return {name: weight for name, weight in named.items() if name not in _NOT_WEIGHTS}


def _canonical(
    weights: dict[str, Tensor], encoder: Encoder, folder: Path, *, is_bert: bool
) -> dict[str, Tensor]:
    """The weights under our encoder's names, Q, K and V joined, token type 0 folded in."""
    config = encoder.config
    shapes = dict(_shapes(encoder))

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        if name not in weights:
            raise CheckpointError(f"{folder} lacks the weight {name}.")
        weight = weights.pop(name)
        if weight.shape != shape:
            raise CheckpointError(
                f"{folder}: {name} has the shape {tuple(weight.shape)}; its config.json makes it "
                f"{shape}."
            )
        return weight.float()

    canonical = {
        ours: take(theirs, shapes[ours]) for ours, theirs in _names(config.n_layers, is_bert)
    }
    if is_bert:
        types = weights.get(_TOKEN_TYPES, torch.empty(0))
        n_types = max([1, *types.shape[:1]])  # config.json need not say how many
        canonical["position_embeddings.weight"] = (
            canonical["position_embeddings.weight"] + take(_TOKEN_TYPES, (n_types, config.dim))[0]
        )
    if weights:
        raise CheckpointError(
            f"{folder} has weights that a {'BERT' if is_bert else 'DistilBERT'} encoder of "
            f"{config.n_layers} layers does not: {', '.join(sorted(weights)[:3])}, ..."
        )
    return dict(_join_qkv(canonical))


def _names(n_layers: int, is_bert: bool) -> Iterator[tuple[str, str]]:
    """Our name and the checkpoint's of each weight, Q, K and V apart."""
    for ours, theirs in _EMBEDDINGS.items():
        yield f"{ours}.weight", f"{theirs}.weight"
    yield "norm.bias", f"{_EMBEDDINGS['norm']}.bias"
    for number in range(n_layers):
        for ours, theirs in (_BERT_LAYER if is_bert else _DISTILBERT_LAYER).items():
            for part in ("weight", "bias"):
                yield f"layers.{number}.{ours}.{part}", f"{_ROOT[is_bert]}.{number}.{theirs}.{part}"


def _check_depth(
    weights: Mapping[str, Tensor], root: str, config: DistilBertConfig, folder: Path
) -> None:
    numbers = (re.match(rf"{re.escape(root)}\.(\d+)\.", name) for name in weights)
    depth = len({match[1] for match in numbers if match is not None})
    if depth != config.n_layers:
        raise CheckpointError(
            f"{folder} holds {depth} layers and its config.json speaks of {config.n_layers}."
        )


def _join_qkv(weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Our encoder's weights, in memory of their own.

    The file's are mapped from it: were it written over, they would change under the model.
    """
    for name, weight in weights.items():
        if ".attention.q." in name:
            three = [weights[name.replace(".q.", f".{letter}.")] for letter in "qkv"]
            yield name.replace(".q.", ".qkv."), torch.cat(three)
        elif ".attention.k." not in name and ".attention.v." not in name:
            yield name, weight.clone()


def _shapes(encoder: Encoder) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shape of each weight, Q, K and V apart."""
    for name, weight in encoder.state_dict().items():
        first, *others = weight.shape
        if ".attention.qkv." in name:
            for letter in "qkv":
                yield name.replace(".qkv.", f".{letter}."), (first // 3, *others)
        else:
            yield name, (first, *others)


def _check_finite(canonical: Mapping[str, Tensor], folder: Path) -> None:
    for name, weight in canonical.items():
        if not torch.isfinite(weight).all():
            raise CheckpointError(f"{folder}: {name} holds values that are not finite.")
