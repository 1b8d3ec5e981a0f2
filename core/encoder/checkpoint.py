"""From a transformers checkpoint of DistilBERT or BERT to our encoder, exactly.

BERT differs in names and in its token types. Texts here are always of type 0, so that row of the
type embeddings is added to every position embedding once, and BERT becomes DistilBERT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from polyhead.encoder.checkpoint_names import (
    LEGACY,
    NOT_WEIGHTS,
    PREFIXES,
    ROOT,
    TOKEN_TYPES,
    weight_names,
)
from polyhead.encoder.config import DistilBertConfig, read_config
from polyhead.encoder.encoder import Encoder
from polyhead.encoder.unfilled import Unfilled
from polyhead.encoder.weights import read_weights
from polyhead.errors import CheckpointError

__all__ = ["Checkpoint", "load_checkpoint", "load_encoder"]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds.

    Attributes:
        encoder: The frozen encoder, in float32.
        others: The weights that are not the encoder's, under their own names: those of heads.
        is_bert: Whether it is a BERT, and the heads are BERT's.
    """

    encoder: Encoder
    others: Mapping[str, Tensor]
    is_bert: bool


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
    return load_checkpoint(folder).encoder


def load_checkpoint(folder: Path, config: DistilBertConfig | None = None) -> Checkpoint:
    """The frozen encoder of a checkpoint folder, and the weights of its head.

    Args:
        folder: As for `load_encoder`.
        config: Stands in place of the folder's own.

    Raises:
        CheckpointError: As for `load_encoder`.
    """
    config = read_config(folder / "config.json") if config is None else config
    found = read_weights(folder)
    weights = _own_names(found, folder)
    is_bert = any(name.startswith("encoder.") for name in weights.values())
    others = {name: weight for name, weight in found.items() if name not in weights}
    own = {name: found[theirs] for theirs, name in weights.items() if name not in NOT_WEIGHTS}
    _check_depth(own, ROOT[is_bert], config, folder)
    # no time spent on random weights; to draw them on meta, torch would import its compiler
    with torch.device("meta"), Unfilled():
        encoder = Encoder(config)
    canonical = _canonical(own, encoder, folder, is_bert=is_bert)
    _check_finite(canonical, folder)
    encoder.load_state_dict(canonical, assign=True)
    encoder.freeze()
    return Checkpoint(encoder, others, is_bert)


def _own_names(found: Mapping[str, Tensor], folder: Path) -> dict[str, str]:
    """The names of the encoder's weights, and for each that without its prefix, as of today."""
    for prefix in PREFIXES:
        if prefix + "embeddings.word_embeddings.weight" in found:
            break
    else:
        raise CheckpointError(
            f"{folder} holds no DistilBERT or BERT encoder: no weight is named "
            "embeddings.word_embeddings.weight."
        )
    named: dict[str, str] = {}
    for name in found:
        own = name.removeprefix(prefix)
        if name.startswith(prefix) and own.startswith(("embeddings.", "transformer.", "encoder.")):
            for old, new in LEGACY.items():
                own = own[: -len(old)] + new if own.endswith(old) else own
            named[name] = own
    return named


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
        ours: take(theirs, shapes[ours])
        for ours, theirs in weight_names(config.n_layers, is_bert=is_bert)
    }
    if is_bert:
        types = weights.get(TOKEN_TYPES, torch.empty(0))
        n_types = max([1, *types.shape[:1]])  # config.json need not say how many
        canonical["position_embeddings.weight"] = (
            canonical["position_embeddings.weight"] + take(TOKEN_TYPES, (n_types, config.dim))[0]
        )
    if weights:
        raise CheckpointError(
            f"{folder} has weights that a {'BERT' if is_bert else 'DistilBERT'} encoder of "
            f"{config.n_layers} layers does not: {', '.join(sorted(weights)[:3])}, ..."
        )
    return dict(_join_qkv(canonical))


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
        # a sum is finite only where all values are, and takes a fifth of the time
        if not torch.isfinite(weight.sum()) and not torch.isfinite(weight).all():
            raise CheckpointError(f"{folder}: {name} holds values that are not finite.")
