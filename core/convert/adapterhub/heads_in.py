"""Heads of the `adapters` library, into ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import torch

from polyhead.convert.adapterhub.adapter_map import check_nothing_left
from polyhead.convert.adapterhub.head_layers import HeadLayers
from polyhead.convert.checking import expected_tensors, head_config
from polyhead.convert.json_files import field, no_others
from polyhead.errors import ArtifactError, ConversionError, shown
from polyhead.registry import registry

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import HeadConfig
    from polyhead.convert.adapterhub.files import Part
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["drop_tied", "head_in", "label_names"]

_POOLED: Final = ("classification", "multilabel_classification", "multiple_choice")
_DEPENDENCY_PLUGIN: Final = "polyhead-dependency"


def head_in(
    theirs: Mapping[str, Any],
    found: dict[str, Tensor],
    part: Part,
    model: DistilBertModelWithHeads,
) -> tuple[HeadConfig, dict[str, Tensor]]:
    """Our config and tensors.

    Args:
        theirs: The config there.
        found: The tensors, by names without `heads.NAME.` in front.
        part: The file.
        model: The model that it is read for.

    Raises:
        ArtifactError: It is damaged or does not fit.
        ConversionError: There is no such head here.
    """
    head_type = field(theirs, "head_type", str, part.source)
    reader = _READERS.get(head_type)
    if reader is None:
        raise ConversionError(
            f"{part.source} is a head of type {shown(head_type)}; those that have an equal here "
            f"are: {', '.join(_READERS)}."
        )
    config, names = reader(theirs, part, model)
    if head_type == "masked_lm":
        drop_tied(found, names.pop(""), part, model)
    expected = expected_tensors(config, model.shape, part.source)
    tensors = {}
    for name, like in expected.items():
        tensor = found.pop(names.get(name, name), None)
        if tensor is None:
            raise ArtifactError(f"{part.source} lacks tensors: {names.get(name, name)}.")
        if tensor.shape != like.shape:
            raise ArtifactError(
                f"{part.source}: {names.get(name, name)} has the shape {tuple(tensor.shape)}; its "
                f"config and the backbone make it {tuple(like.shape)}."
            )
        tensors[name] = tensor
    check_nothing_left(found, part.source)
    return config, tensors


_Read = tuple["HeadConfig", dict[str, str]]


def _layers_of(theirs: Mapping[str, Any], part: Part, default: int) -> HeadLayers:
    number = field({"layers": default, **theirs}, "layers", int, part.source)
    activation = theirs.get("activation_function")
    if activation is not None and not isinstance(activation, str):
        raise ArtifactError(f"{part.source}: activation_function is {shown(activation)}, no name.")
    return HeadLayers(number, activation or None)


def _pooled(theirs: Mapping[str, Any], part: Part, model: DistilBertModelWithHeads) -> _Read:
    known = ("head_type", "num_labels", "num_choices", "layers", "activation_function", "label2id")
    no_others(theirs, (*known, "use_pooler", "bias", "dropout_prob"), part.source)
    if theirs.get("use_pooler"):
        raise ConversionError(f"{part.source} has use_pooler, and DistilBERT has no pooler.")
    layers = _layers_of(theirs, part, 2)
    fields: dict[str, Any] = {
        "layers": layers.number,
        "activation": layers.activation or "linear",
        "dropout": _dropout(theirs, model),
        "pooling": "cls",
        "bias": field({"bias": True, **theirs}, "bias", bool, part.source),
        "hidden": "last",
    }
    kind = theirs["head_type"]
    if kind == "multiple_choice":
        return head_config(kind, fields, part.source), layers.names()
    names = label_names(theirs, part)
    if kind == "multilabel_classification":
        kind = "multilabel"
    elif len(names) == 1:
        kind = "regression"
    fields["outputs" if kind == "regression" else "labels"] = names
    return head_config(kind, fields, part.source), layers.names()


def _tagging(theirs: Mapping[str, Any], part: Part, model: DistilBertModelWithHeads) -> _Read:
    known = ("head_type", "num_labels", "layers", "activation_function", "label2id")
    no_others(theirs, (*known, "dropout_prob", "bias"), part.source)
    layers = _layers_of(theirs, part, 1)
    fields = {
        "labels": label_names(theirs, part),
        "layers": layers.number,
        "activation": layers.activation or "linear",
        "context": 0,
        "dropout": _dropout(theirs, model),
        "bias": field({"bias": True, **theirs}, "bias", bool, part.source),
        "hidden": "last",
    }
    return head_config("tagging", fields, part.source), layers.names()


def _question_answering(
    theirs: Mapping[str, Any], part: Part, model: DistilBertModelWithHeads
) -> _Read:
    known = ("head_type", "num_labels", "layers", "activation_function", "label2id")
    no_others(theirs, (*known, "dropout_prob", "bias"), part.source)
    layers = _layers_of(theirs, part, 1)
    n_labels = theirs.get("num_labels", 2)
    if layers.number != 1 or n_labels != 2 or theirs.get("bias", True) is not True:  # noqa: PLR2004
        raise ConversionError(
            f"{part.source} answers questions with {layers.number} layers and {shown(n_labels)} "
            "labels; here there is one layer with bias, for the start and the end."
        )
    fields = {"dropout": _dropout(theirs, model), "hidden": "last"}
    return head_config("question_answering", fields, part.source), layers.names()


def _masked_lm(theirs: Mapping[str, Any], part: Part, model: DistilBertModelWithHeads) -> _Read:
    known = ("head_type", "vocab_size", "embedding_size", "layers", "activation_function")
    others = ("layer_norm", "bias", "shift_labels", "label2id", "dropout_prob")
    no_others(theirs, (*known, *others), part.source)
    wanted = {
        "layers": 2,
        "layer_norm": True,
        "bias": True,
        "shift_labels": False,
        "vocab_size": model.shape.vocab_size,
        "embedding_size": model.shape.width,
    }
    odd = [name for name, value in wanted.items() if theirs.get(name, value) != value]
    if odd:
        raise ConversionError(
            f"{part.source} has {odd[0]}={shown(theirs[odd[0]])}; here it is {wanted[odd[0]]}."
        )
    activation = theirs.get("activation_function")
    last = 2 if activation is None else 3
    names = {
        "dense.weight": "0.weight",
        "dense.bias": "0.bias",
        "norm.weight": f"{last - 1}.weight",
        "norm.bias": f"{last - 1}.bias",
        "bias": f"{last}.bias",
        "": f"{last}.weight",
    }
    fields = {"activation": activation or "linear", "hidden": "last"}
    return head_config("masked_lm", fields, part.source), names


def _dependency(theirs: Mapping[str, Any], part: Part, model: DistilBertModelWithHeads) -> _Read:
    no_others(theirs, ("head_type", "num_labels", "label2id", "dropout_prob"), part.source)
    if "dependency" not in registry().head_kinds():
        raise ConversionError(
            f"{part.source} is a head for dependency trees, which the plugin {_DEPENDENCY_PLUGIN} "
            f"provides; install it with: pip install {_DEPENDENCY_PLUGIN}"
        )
    fields = {
        "labels": label_names(theirs, part),
        "hidden": "last",
        "pooling": "mean",
        "context": 0,
        "arc_width": 0,
        "relation_width": 0,
        "dropout": _dropout(theirs, model),
        "decoding": "greedy",
    }
    names = {"arcs.weight": "biaffine_arcs.weight", "relations.weight": "biaffine_rels.weight"}
    return head_config("dependency", fields, part.source), names


_READERS: Final[
    Mapping[str, Callable[[Mapping[str, Any], Part, DistilBertModelWithHeads], _Read]]
] = {
    **dict.fromkeys(_POOLED, _pooled),
    "tagging": _tagging,
    "question_answering": _question_answering,
    "masked_lm": _masked_lm,
    "dependency_parsing": _dependency,
}


def drop_tied(
    found: dict[str, Tensor], name: str, part: Part, model: DistilBertModelWithHeads
) -> None:
    """Takes out the matrix that a masked language model shares with the encoder.

    Raises:
        ConversionError: It is not the encoder's.
    """
    tied = found.pop(name, None)
    own = model.encoder.word_embeddings.weight
    if tied is not None and not (tied.shape == own.shape and torch.equal(tied.to(own), own)):
        raise ConversionError(
            f"{part.source} predicts words with a matrix of its own; here it is the backbone's "
            f"word embeddings, and those of {model.backbone.name!r} differ."
        )


def label_names(theirs: Mapping[str, Any], part: Part) -> tuple[str, ...]:
    """The labels' names in the order of their numbers; LABEL_0, ... where they are no such names.

    Raises:
        ArtifactError: The number of labels is none.
    """
    named = theirs.get("label2id")
    names = dict(named) if isinstance(named, Mapping) else {}
    n_labels = field({"num_labels": len(names) or 2, **theirs}, "num_labels", int, part.source)
    if not 1 <= n_labels <= 100_000:  # noqa: PLR2004 - no task has as many
        raise ArtifactError(f"{part.source}: num_labels is {n_labels}.")
    by_number = {str(number): label for label, number in names.items()}
    found = [by_number.get(str(number)) for number in range(n_labels)]
    if len(names) == n_labels and all(found) and len(set(found)) == n_labels:
        return tuple(str(label) for label in found)
    return tuple(f"LABEL_{number}" for number in range(n_labels))


def _dropout(theirs: Mapping[str, Any], model: DistilBertModelWithHeads) -> Any:
    given = theirs.get("dropout_prob")
    return model.encoder.config.seq_classif_dropout if given is None else given
