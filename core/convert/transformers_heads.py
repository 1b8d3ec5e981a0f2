"""Heads as the classes of transformers have them: which class, what configuration, what weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from torch import Tensor

from polyhead.convert.bundle import HeadPart
from polyhead.convert.checking import checked_head
from polyhead.distilbert import (
    DistilBertForMaskedLM,
    DistilBertForMultipleChoice,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
)
from polyhead.distilbert.with_head import DistilBertWithHead
from polyhead.encoder import Encoder
from polyhead.errors import ArtifactError, ConfigError, ConversionError, shown
from polyhead.model import UNSET

if TYPE_CHECKING:
    from polyhead.encoder import DistilBertConfig
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.model.unset import Unset

__all__ = ["HEAD_CLASSES", "TheirHead", "head_part", "their_head"]

HEAD_CLASSES: Final[Mapping[str, type[DistilBertWithHead]]] = {
    cls.__name__: cls
    for cls in (
        DistilBertForMaskedLM,
        DistilBertForSequenceClassification,
        DistilBertForMultipleChoice,
        DistilBertForTokenClassification,
        DistilBertForQuestionAnswering,
    )
}
"""The classes with a head by their names in transformers."""

_POOLED: Final = {"layers": 2, "activation": "relu", "pooling": "cls", "bias": True}
_SEQUENCE: Final = "DistilBertForSequenceClassification"
_CLASS_OF_KIND: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "classification": (_SEQUENCE, _POOLED),
    "multilabel": (_SEQUENCE, _POOLED),
    "regression": (_SEQUENCE, _POOLED),
    "multiple_choice": ("DistilBertForMultipleChoice", _POOLED),
    "tagging": ("DistilBertForTokenClassification", {"layers": 1, "context": 0, "bias": True}),
    "question_answering": ("DistilBertForQuestionAnswering", {}),
    "masked_lm": ("DistilBertForMaskedLM", {}),
}
"""The class of a kind of heads, and what such a head computes."""

_PROBLEMS: Final = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
}


class TheirHead(NamedTuple):
    """A head as a class of transformers has it.

    Attributes:
        cls: Our class of that name.
        changes: Fields of its configuration.
        tensors: By their names there, without the vocabulary's matrix.
    """

    cls: type[DistilBertWithHead]
    changes: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def head_part(
    name: str,
    class_name: str,
    config: DistilBertConfig,
    tensors: Mapping[str, Tensor],
    *,
    model: DistilBertModelWithHeads,
    source: Path,
    adapter: str | Unset | None = UNSET,
) -> HeadPart:
    """A head out of the weights of a class of transformers.

    Args:
        name: What to call it.
        class_name: One of `HEAD_CLASSES`.
        config: Says how many labels there are and what they are called.
        tensors: By their names in that class.
        model: What it is for.
        source: The file, for messages.
        adapter: As in `HeadPart`.

    Raises:
        ArtifactError: A tensor is missing, unexpected or of another shape, or the configuration
            makes no such head.
    """
    cls = HEAD_CLASSES[class_name]
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            head_config = cls(config, encoder=Encoder(config)).head.config
    except ConfigError as error:
        raise ArtifactError(f"{source} makes no {class_name}: {error}") from None
    ours = {theirs: own for own, theirs in cls.head_names.items()}
    named = {ours.get(key, key): tensor for key, tensor in tensors.items()}
    return checked_head(
        name,
        head_config,
        named,
        model.shape,
        source,
        adapter=adapter,
        their_names=dict(cls.head_names),
    )


def their_head(part: HeadPart, kind: str, model: DistilBertModelWithHeads) -> TheirHead:
    """A head as a class of transformers has it, with equal logits.

    Args:
        part: The head.
        kind: Its kind.
        model: What it is for.

    Raises:
        ConversionError: No class there computes the same.
    """
    if kind not in _CLASS_OF_KIND:
        raise ConversionError(
            f"the head {part.name!r} of kind {kind!r} has no equal in transformers, which has "
            f"heads for: {', '.join(_CLASS_OF_KIND)}."
        )
    class_name, computed = _CLASS_OF_KIND[kind]
    fields = part.config.model_dump()
    wanted = {"hidden": "last", **computed}
    if kind == "masked_lm":
        wanted["activation"] = model.encoder.config.activation
    for field, value in wanted.items():
        if fields[field] != value:
            raise ConversionError(
                f"the head {part.name!r} has {field} {shown(fields[field])}, and {class_name} "
                f"computes what {shown(value)} does; there is no equal. Train a head with "
                f"{_described(kind, wanted)} to have one."
            )
    cls = HEAD_CLASSES[class_name]
    tensors = {theirs: part.tensors[ours] for ours, theirs in cls.head_names.items()}
    if kind == "regression":
        tensors = _unscaled(tensors, fields)
    return TheirHead(cls, _changes(kind, fields), tensors)


def _described(kind: str, wanted: Mapping[str, Any]) -> str:
    return f"{kind}[{','.join(f'{field}={value}' for field, value in wanted.items())}]".lower()


def _changes(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a configuration of transformers that tell of the labels and the dropout."""
    labels = fields.get("labels") or fields.get("outputs")
    changes: dict[str, Any] = {}
    if labels is not None:
        changes["id2label"] = dict(enumerate(labels))
        changes["label2id"] = {label: number for number, label in enumerate(labels)}
    if kind == "question_answering":
        changes["num_labels"] = 2
        changes["qa_dropout"] = fields["dropout"]
    elif kind in _PROBLEMS:
        changes["problem_type"] = _PROBLEMS[kind]
    if kind in {*_PROBLEMS, "multiple_choice"}:
        changes["seq_classif_dropout"] = fields["dropout"]
    return changes


def _unscaled(tensors: Mapping[str, Tensor], fields: Mapping[str, Any]) -> dict[str, Tensor]:
    """The last layer with the mean and the spread of the training labels in its weights."""
    n_outputs = len(fields["outputs"])
    scale = torch.tensor(fields["target_scale"] or [1.0] * n_outputs)
    mean = torch.tensor(fields["target_mean"] or [0.0] * n_outputs)
    changed = dict(tensors)
    changed["classifier.weight"] = tensors["classifier.weight"] * scale.unsqueeze(1)
    changed["classifier.bias"] = tensors["classifier.bias"] * scale + mean
    return changed
