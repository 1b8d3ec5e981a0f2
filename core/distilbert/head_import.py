"""A fine-tuned checkpoint's head for the model with heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from polyhead.contracts import Head
from polyhead.distilbert.masked_lm import DistilBertForMaskedLM
from polyhead.distilbert.multiple_choice import DistilBertForMultipleChoice
from polyhead.distilbert.question_answering import DistilBertForQuestionAnswering
from polyhead.distilbert.sequence_classification import DistilBertForSequenceClassification
from polyhead.distilbert.token_classification import DistilBertForTokenClassification
from polyhead.distilbert.with_head import DistilBertWithHead
from polyhead.encoder import Checkpoint, HubOptions, find_checkpoint, load_checkpoint
from polyhead.errors import BackboneMismatchError, CheckpointError
from polyhead.model import DistilBertModelWithHeads

__all__ = ["load_transformers_head", "read_transformers_head"]

_CLASSES: Final[tuple[type[DistilBertWithHead], ...]] = (
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    DistilBertForMultipleChoice,
    DistilBertForTokenClassification,
    DistilBertForQuestionAnswering,
)


def load_transformers_head(
    model: DistilBertModelWithHeads,
    checkpoint: str | Path,
    *,
    name: str | None = None,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | None = None,
) -> str:
    """Adds the head of a transformers checkpoint, which belongs to the bare encoder.

    A head fits the encoder that it was trained with. Fine-tuning in transformers changes the
    encoder too, unless it was frozen: such a head is refused.

    Args:
        model: What it is added to; unchanged if the head is refused.
        checkpoint: A folder or hub id of a `DistilBertFor...` checkpoint.
        name: What to call the head; its kind when None.
        revision: Branch, tag or commit on the hub.
        cache_dir: Where the hub's files are kept.
        local_files_only: Whether to use the hub's cache alone.
        token: For private repositories.

    Returns:
        Its name there.

    Raises:
        CheckpointError: It is damaged or holds no head.
        BackboneMismatchError: Its encoder is not the model's.
        NameTakenError: There is a head of that name.
    """
    options = HubOptions(revision, cache_dir, local_files_only, token)
    head = read_transformers_head(model, find_checkpoint(checkpoint, options))
    name = head.kind if name is None else name
    model.add_head(name, head.config, adapter=None)
    model.heads[name].load_state_dict(head.state_dict())
    return name


def read_transformers_head(model: DistilBertModelWithHeads, folder: Path) -> Head:
    """The head of a transformers checkpoint, which belongs to the model's bare encoder.

    Args:
        model: It stays as it is.
        folder: A `DistilBertFor...` checkpoint.

    Raises:
        CheckpointError: It is damaged or holds no head, or its output matrix is not tied.
        BackboneMismatchError: Its encoder is not the model's.
    """
    found = load_checkpoint(folder)
    _check_encoder(model, found, folder)
    cls = _class_of(found, folder)
    whole = cls(found.encoder.config, encoder=found.encoder)
    fresh = whole.fill_head(found, folder)
    if fresh:
        raise CheckpointError(f"{folder} lacks weights of its head: {', '.join(fresh)}.")
    if isinstance(whole, DistilBertForMaskedLM):
        words = found.encoder.word_embeddings.weight
        if not torch.equal(whole.vocab_projector.weight, words):
            raise CheckpointError(
                f"the head in {folder} has a vocab_projector.weight of its own; heads here share "
                "the matrix of the word embeddings."
            )
    return whole.head


def _check_encoder(model: DistilBertModelWithHeads, found: Checkpoint, folder: Path) -> None:
    theirs, own = found.encoder.config.shape, model.backbone
    if theirs != own.shape:
        raise BackboneMismatchError(
            f"{folder} has an encoder of {theirs}, and this model has {own.shape}; a head fits the "
            "encoder that it was trained with."
        )
    if found.encoder.fingerprint() == own.fingerprint:
        return
    held = model.encoder.state_dict()
    weights = found.encoder.state_dict()
    changed = [
        name
        for name, weight in weights.items()
        if not bool((held[name].to(weight) == weight).all())
    ]
    reason = (
        f"{len(changed)} of its {len(weights)} weights differ, such as {changed[0]}"
        if changed
        else "its constants or the precision of its weights differ"
    )
    raise BackboneMismatchError(
        f"the head in {folder} belongs to another encoder than this model's {own.name!r}: "
        f"{reason}. Fine-tuning has changed it; load the checkpoint as a whole with its class's "
        "from_pretrained, or make this model from it."
    )


def _class_of(found: Checkpoint, folder: Path) -> type[DistilBertWithHead]:
    """The class that wrote the checkpoint; where it does not say, one that has such weights."""
    written = found.encoder.config.architectures or []
    by_name: Mapping[str, type[DistilBertWithHead]] = {cls.__name__: cls for cls in _CLASSES}
    for name in written:
        cls = by_name.get(name) or by_name.get(name.replace("Bert", "DistilBert", 1))
        if cls is not None:
            return cls
    for cls in _CLASSES:
        names = cls.bert_names if found.is_bert else cls.head_names
        if names and set(names.values()) <= found.others.keys():
            own = cls(found.encoder.config, encoder=found.encoder).head.state_dict()
            if all(own[name].shape == found.others[names[name]].shape for name in own):
                return cls
    raise CheckpointError(
        f"{folder} holds no head: it was written by {', '.join(written) or 'an unknown class'}, "
        f"and heads are those of {', '.join(by_name)}."
    )
