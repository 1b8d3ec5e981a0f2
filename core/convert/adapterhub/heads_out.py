"""Our heads, into those of the `adapters` library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from polyhead.convert.adapterhub.head_layers import HeadLayers
from polyhead.errors import ConversionError
from polyhead.registry import registry

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import HeadConfig
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["head_out"]


def head_out(
    config: HeadConfig, tensors: Mapping[str, Tensor], model: DistilBertModelWithHeads
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config there, and the tensors without `heads.NAME.` in front.

    Raises:
        ConversionError: There is no such head there.
    """
    kind = registry().head_for(config).kind
    writer = _WRITERS.get(kind)
    if writer is None:
        raise ConversionError(
            f"the adapters library has no head like {kind!r}; those that have an equal there are: "
            f"{', '.join(_WRITERS)}."
        )
    if config.hidden != "last":
        raise ConversionError(
            f"a head of the adapters library reads the last layer; this one has hidden="
            f"{config.hidden!r}."
        )
    return writer(config, dict(tensors), model)


_Written = tuple[dict[str, Any], dict[str, "Tensor"]]


def _pooled_out(
    config: Any, tensors: dict[str, Tensor], model: DistilBertModelWithHeads
) -> _Written:
    del model
    kind = registry().head_for(config).kind
    if config.pooling != "cls":
        raise ConversionError(
            f"a head of the adapters library reads the first token; this one has pooling="
            f"{config.pooling!r}."
        )
    layers = HeadLayers(config.layers, config.activation)
    fields: dict[str, Any] = {
        "activation_function": config.activation,
        "dropout_prob": config.dropout,
        "layers": config.layers,
        "use_pooler": False,
    }
    if kind == "multiple_choice":
        if not config.bias:
            raise ConversionError("a multiple-choice head of the adapters library has a bias.")
        fields |= {"head_type": kind, "num_choices": 2, "label2id": _numbered(("0", "1"))}
        return fields, _renamed(tensors, layers.names())
    fields["bias"] = config.bias
    if kind == "regression":
        tensors = _in_label_units(config, tensors)
        names = config.outputs
    else:
        names = config.labels
    head_type = "multilabel_classification" if kind == "multilabel" else "classification"
    fields |= {"head_type": head_type, "num_labels": len(names), "label2id": _numbered(names)}
    return fields, _renamed(tensors, layers.names())


def _in_label_units(config: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with the scale and the mean of the labels put into the last layer."""
    if len(config.outputs) != 1:
        raise ConversionError(
            f"the adapters library predicts one number; this head has {len(config.outputs)}."
        )
    [mean], [scale] = config.mean_and_scale
    if mean and not config.bias:
        raise ConversionError("target_mean has no place there in a head without bias.")
    changed = {**tensors, "out.weight": tensors["out.weight"] * scale}
    if config.bias:
        changed["out.bias"] = tensors["out.bias"] * scale + mean
    return changed


def _tagging_out(
    config: Any, tensors: dict[str, Tensor], model: DistilBertModelWithHeads
) -> _Written:
    del model
    if config.context or not config.bias:
        raise ConversionError(
            "a tagging head of the adapters library reads a token alone and has a bias; this one "
            f"has context={config.context} and bias={config.bias}."
        )
    fields = {
        "head_type": "tagging",
        "num_labels": len(config.labels),
        "layers": config.layers,
        "activation_function": config.activation,
        "label2id": _numbered(config.labels),
        "dropout_prob": config.dropout,
    }
    return fields, _renamed(tensors, HeadLayers(config.layers, config.activation).names())


def _question_answering_out(
    config: Any, tensors: dict[str, Tensor], model: DistilBertModelWithHeads
) -> _Written:
    del model
    fields = {
        "head_type": "question_answering",
        "num_labels": 2,
        "layers": 1,
        "activation_function": "tanh",
        "label2id": _numbered(("LABEL_0", "LABEL_1")),
        "dropout_prob": config.dropout,
    }
    return fields, _renamed(tensors, HeadLayers(1, "tanh").names())


def _masked_lm_out(
    config: Any, tensors: dict[str, Tensor], model: DistilBertModelWithHeads
) -> _Written:
    fields = {
        "head_type": "masked_lm",
        "vocab_size": model.shape.vocab_size,
        "embedding_size": model.shape.width,
        "layers": 2,
        "activation_function": config.activation,
        "layer_norm": True,
        "bias": True,
        "shift_labels": False,
        "label2id": None,
    }
    names = {
        "dense.weight": "0.weight",
        "dense.bias": "0.bias",
        "norm.weight": "2.weight",
        "norm.bias": "2.bias",
        "bias": "3.bias",
    }
    tied = model.encoder.word_embeddings.weight.detach().float()
    return fields, {**_renamed(tensors, names), "3.weight": tied}


def _dependency_out(
    config: Any, tensors: dict[str, Tensor], model: DistilBertModelWithHeads
) -> _Written:
    del model
    wanted = {"pooling": "mean", "context": 0, "arc_width": 0, "relation_width": 0}
    odd = [name for name, value in wanted.items() if getattr(config, name) != value]
    if odd:
        raise ConversionError(
            f"a head for trees of the adapters library has {odd[0]}={wanted[odd[0]]!r}; this one "
            f"has {getattr(config, odd[0])!r}."
        )
    fields = {
        "head_type": "dependency_parsing",
        "num_labels": len(config.labels),
        "label2id": _numbered(config.labels),
    }
    names = {"arcs.weight": "biaffine_arcs.weight", "relations.weight": "biaffine_rels.weight"}
    return fields, _renamed(tensors, names)


_WRITERS: Final[
    Mapping[str, Callable[[Any, dict[str, Tensor], DistilBertModelWithHeads], _Written]]
] = {
    "classification": _pooled_out,
    "regression": _pooled_out,
    "multilabel": _pooled_out,
    "multiple_choice": _pooled_out,
    "tagging": _tagging_out,
    "question_answering": _question_answering_out,
    "masked_lm": _masked_lm_out,
    "dependency": _dependency_out,
}


def _numbered(labels: tuple[str, ...]) -> dict[str, int]:
    return {label: number for number, label in enumerate(labels)}


def _renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    return {names[name]: tensor for name, tensor in tensors.items()}
