"""From transformers' config.json of DistilBERT or BERT to the fields of our configuration."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from polyhead.errors import CheckpointError, ConfigError

__all__ = ["own_fields", "read_fields"]

_BERT_NAMES: Final = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}
_BERT_LAYERS: Final = 12  # the one default in which BERT differs
_NOT_BERTS: Final = {*_BERT_NAMES.values(), "sinusoidal_pos_embds"}


def read_fields(path: Path) -> dict[str, Any]:
    """What a config.json holds.

    Raises:
        CheckpointError: The file is missing or holds no JSON object.
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
    return fields


def own_fields(
    fields: Mapping[str, Any], known: Collection[str], other_names: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of our configuration that `fields` give; unknown and empty ones are passed over.

    Args:
        fields: What a config.json holds.
        known: The names of our fields.
        other_names: Names that stand for some of them.

    Raises:
        ConfigError: They describe another architecture.
    """
    given = {key: value for key, value in fields.items() if value is not None}
    match given.get("model_type"):
        case "distilbert":
            # transformers' DistilBERT has its eps in the code, whatever its config.json says
            found = {key: given[key] for key in known if key in given and key != "layer_norm_eps"}
        case "bert":
            _check_bert(given)
            found = {"n_layers": _BERT_LAYERS}
            found |= {key: given[key] for key in known if key in given and key not in _NOT_BERTS}
            other_names = {**other_names, **_BERT_NAMES}
        case other:
            raise ConfigError(
                f"this describes a model of type {other!r}; polyhead loads 'distilbert' and 'bert'."
            )
    for theirs, ours in other_names.items():
        if theirs in given and ours not in (found if theirs not in _BERT_NAMES else ()):
            found[ours] = given[theirs]
    if "id2label" not in found and "num_labels" in given:  # older files hold both, and may disagree
        found["num_labels"] = given["num_labels"]
    return found


def _check_bert(fields: Mapping[str, Any]) -> None:
    """Refuses the variants of BERT that adding to the position embeddings cannot express."""
    position = fields.get("position_embedding_type") or "absolute"
    if position != "absolute":
        raise ConfigError(f"position embeddings of type {position!r} are not supported.")
    if fields.get("is_decoder") or fields.get("add_cross_attention"):
        raise ConfigError("this describes a decoder; polyhead loads encoders.")
