"""Heads of transformers' own classes, as the `adapters` library saves them beside adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.convert.adapterhub.heads_in import drop_tied, label_names
from polyhead.convert.transformers_heads import HEAD_CLASSES, head_part
from polyhead.errors import ConversionError, listing, shown

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.convert.adapterhub.files import Part
    from polyhead.convert.bundle import HeadPart
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.model.unset import Unset

__all__ = ["static_head"]

_MASKED_LM = "DistilBertForMaskedLM"
_LABELLED = ("DistilBertForSequenceClassification", "DistilBertForTokenClassification")


def static_head(
    name: str, part: Part, model: DistilBertModelWithHeads, adapter: str | Unset
) -> HeadPart:
    """A head whose file has no name in it, and no more of a config than the labels.

    Args:
        name: What it is called here.
        part: The file.
        model: The model that it is read for; the rest of the config is its encoder's.
        adapter: As in `HeadPart`.

    Raises:
        ArtifactError: It is damaged.
        ConversionError: It belongs to another class.
    """
    class_name = part.outer.get("model_class")
    if not isinstance(class_name, str) or class_name not in HEAD_CLASSES:
        raise ConversionError(
            f"{part.source} is the head of a {shown(class_name)}; known are: "
            f"{listing(list(HEAD_CLASSES))}."
        )
    tensors: dict[str, Tensor] = dict(part.tensors)
    if class_name == _MASKED_LM:
        drop_tied(tensors, "vocab_projector.weight", part, model)
    config = model.encoder.config
    if class_name in _LABELLED:
        labels = dict(enumerate(label_names(part.outer, part)))
        config = config.changed(id2label=labels, problem_type=None)
    return head_part(
        name, class_name, config, tensors, model=model, source=part.source, adapter=adapter
    )
