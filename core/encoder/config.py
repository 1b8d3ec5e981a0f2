"""The configuration of a DistilBERT-shaped encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from polyhead.contracts import EncoderShape, check_activation, explain
from polyhead.errors import CheckpointError

__all__ = ["DistilBertConfig", "read_config"]

_BERT_NAMES = {
    "vocab_size": "vocab_size",
    "max_position_embeddings": "max_position_embeddings",
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "initializer_range": "initializer_range",
    "layer_norm_eps": "layer_norm_eps",
    "pad_token_id": "pad_token_id",
}
_BERT_LAYERS = 12  # the one default in which BERT differs
_MOST = 2**24  # far above any use; keeps the sizes of a damaged file from overflowing


class DistilBertConfig(BaseModel):
    """Sizes and constants of the encoder, under the names of transformers' `DistilBertConfig`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    vocab_size: int = Field(default=30522, gt=0, le=_MOST, description="Number of token ids.")
    max_position_embeddings: int = Field(
        default=512, gt=0, le=_MOST, description="Most tokens of one row."
    )
    sinusoidal_pos_embds: bool = Field(
        default=False, description="Whether fresh position embeddings are sinusoidal."
    )
    n_layers: int = Field(default=6, gt=0, le=_MOST, description="Number of transformer layers.")
    n_heads: int = Field(default=12, gt=0, description="Number of attention heads of a layer.")
    dim: int = Field(default=768, gt=0, le=_MOST, description="Size of a hidden state.")
    hidden_dim: int = Field(
        default=3072,
        gt=0,
        le=_MOST,
        description="Size of the hidden layer of the feed-forward network.",
    )
    dropout: float = Field(default=0.1, ge=0, le=1, description="Unused while frozen.")
    attention_dropout: float = Field(default=0.1, ge=0, le=1, description="Unused while frozen.")
    activation: Annotated[str, AfterValidator(check_activation)] = Field(
        default="gelu", description="Of the feed-forward network."
    )
    initializer_range: float = Field(
        default=0.02, gt=0, description="Standard deviation of fresh weights."
    )
    qa_dropout: float = Field(
        default=0.1, ge=0, le=1, description="Of the question answering head."
    )
    seq_classif_dropout: float = Field(
        default=0.2, ge=0, le=1, description="Of the sequence classification head."
    )
    pad_token_id: int = Field(default=0, ge=0, description="Id that stands for no token.")
    layer_norm_eps: float = Field(
        default=1e-12, gt=0, description="Of every layer norm; 1e-12 in DistilBERT."
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> DistilBertConfig:
        if self.dim % self.n_heads:
            raise ValueError(f"n_heads ({self.n_heads}) must divide dim ({self.dim})")
        return self

    @property
    def shape(self) -> EncoderShape:
        """What heads and adapters need to know of it."""
        return EncoderShape(
            width=self.dim,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            ffn_width=self.hidden_dim,
            max_positions=self.max_position_embeddings,
            vocab_size=self.vocab_size,
        )


def read_config(path: Path) -> DistilBertConfig:
    """The configuration in a transformers `config.json` of DistilBERT or BERT.

    Raises:
        CheckpointError: The file is missing, is not JSON, or describes another architecture.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} has no config.json; a checkpoint folder holds config.json, "
            "model.safetensors and tokenizer.json."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path} does not hold a JSON object.")
    return _from_fields(fields, path)


def _from_fields(fields: dict[str, Any], path: Path) -> DistilBertConfig:
    match fields.get("model_type"):
        case "distilbert":
            known = {
                key: value
                for key, value in fields.items()
                # transformers' DistilBERT has its eps in the code, whatever its config.json says
                if key in DistilBertConfig.model_fields and key != "layer_norm_eps"
            }
        case "bert":
            _check_bert(fields, path)
            known = {"n_layers": _BERT_LAYERS} | {
                ours: fields[theirs]
                for theirs, ours in _BERT_NAMES.items()
                if fields.get(theirs) is not None
            }
        case other:
            raise CheckpointError(
                f"{path} describes a model of type {other!r}; polyhead loads 'distilbert' and "
                "'bert'."
            )
    known = {key: value for key, value in known.items() if value is not None}
    try:
        return DistilBertConfig.model_validate(known)
    except ValidationError as error:
        raise CheckpointError(f"{path}: {explain(error)}") from None


def _check_bert(fields: dict[str, Any], path: Path) -> None:
    """Refuses the variants of BERT that adding to the position embeddings cannot express."""
    position = fields.get("position_embedding_type") or "absolute"
    if position != "absolute":
        raise CheckpointError(
            f"{path}: position embeddings of type {position!r} are not supported."
        )
    if fields.get("is_decoder") or fields.get("add_cross_attention"):
        raise CheckpointError(f"{path} describes a decoder; polyhead loads encoders.")
