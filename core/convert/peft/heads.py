"""Heads that lie beside an adapter in a folder of PEFT."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from polyhead.convert.bundle import HeadPart
from polyhead.convert.json_files import read_json
from polyhead.convert.transformers_heads import HEAD_CLASSES, head_part
from polyhead.encoder import DistilBertConfig
from polyhead.errors import ArtifactError, ConfigError, ConversionError, PolyheadError, listing

if TYPE_CHECKING:
    from polyhead.convert.peft.config import PeftConfig
    from polyhead.convert.peft.found import FoundTensors
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["read_head"]

_TIED: Final = "vocab_projector.weight"
_LAST: Final = {
    "classifier.weight": "DistilBertForTokenClassification",
    "qa_outputs.weight": "DistilBertForQuestionAnswering",
    "vocab_projector.bias": "DistilBertForMaskedLM",
}


def read_head(
    name: str,
    folder: Path,
    config: PeftConfig,
    found: FoundTensors,
    model: DistilBertModelWithHeads,
) -> tuple[HeadPart | None, list[str]]:
    """The head in a folder, None where there is none, and notes.

    PEFT keeps no names of labels. Those of a config.json of transformers in the same folder are
    taken, if there is one; else they are LABEL_0, LABEL_1, and so on.

    Args:
        name: What to call it; also the name of the adapter that it was trained with.
        folder: Where to look for config.json.
        config: Of the adapter.
        found: The file's tensors.
        model: What it is for.

    Raises:
        ArtifactError: It is damaged, or is no head of DistilBERT.
        ConversionError: Part of it lies in a checkpoint and not in the folder, or has an adapter of
            its own.
    """
    tensors = dict(found.head)
    if not tensors:
        return None, []
    source = found.source
    _check_plain(tensors, source)
    class_name = _class_of(config, tensors, source)
    if class_name == "DistilBertForMaskedLM":
        _check_tied(tensors, model, source)
        tensors.pop(_TIED, None)
    missing = HEAD_CLASSES[class_name].head_names.values() - tensors.keys()
    if missing:
        raise ConversionError(
            f"{source} holds part of the head of a {class_name} and lacks "
            f"{listing(sorted(missing))}: PEFT took that from the checkpoint it was trained on. "
            "Save it again with all of the head in modules_to_save."
        )
    config_for_head, is_named = _head_config(folder, class_name, tensors, model)
    part = head_part(
        name, class_name, config_for_head, tensors, model=model, source=source, adapter=name
    )
    has_labels = class_name not in {
        "DistilBertForMaskedLM",
        "DistilBertForMultipleChoice",
        "DistilBertForQuestionAnswering",
    }
    if has_labels and not is_named:
        return part, ["PEFT keeps no names of labels: they are called LABEL_0, LABEL_1, and so on."]
    return part, []


def _check_plain(tensors: Mapping[str, Tensor], source: Path) -> None:
    odd = next((key for key in tensors if ".lora_" in key or key.endswith("ia3_l")), None)
    if odd is not None and ".layer." in odd:
        raise ConversionError(
            f"{source} holds {odd[:150]}, which is no part of a DistilBERT: the adapter was "
            "trained on a model of another architecture."
        )
    if odd is not None:
        raise ConversionError(
            f"{source} holds {odd[:150]}: the adapter changes the head too, or the embeddings, and "
            "adapters here change the encoder's layers alone; merge it into the head with PEFT "
            "first."
        )


def _class_of(config: PeftConfig, tensors: Mapping[str, Tensor], source: Path) -> str:
    """The class of transformers whose head it is."""
    known = {key for cls in HEAD_CLASSES.values() for key in cls.head_names.values()} | {_TIED}
    strange = sorted(tensors.keys() - known)
    if strange:
        raise ConversionError(
            f"{source} holds {strange[0][:150]}, which is part of no head of DistilBERT; heads are "
            f"those of {listing(list(HEAD_CLASSES))}."
        )
    named = config.model_class
    if named is not None and named in HEAD_CLASSES:
        return named
    if "pre_classifier.weight" in tensors:
        return "DistilBertForSequenceClassification"
    found = next((cls for key, cls in _LAST.items() if key in tensors), None)
    if found is None:
        raise ArtifactError(f"{source} holds {min(tensors)[:150]} and no whole head.")
    return found


def _check_tied(
    tensors: Mapping[str, Tensor], model: DistilBertModelWithHeads, source: Path
) -> None:
    """Refuses a vocabulary's matrix that is not that of the word embeddings, as ours always is."""
    given = tensors.get(_TIED)
    words = model.encoder.word_embeddings.weight.detach().float().cpu()
    if given is not None and (given.shape != words.shape or not bool((given == words).all())):
        raise ConversionError(
            f"{source} holds {_TIED}, which is not the matrix of this model's word embeddings: it "
            "was trained too, and the encoder here is never changed."
        )


def _head_config(
    folder: Path, class_name: str, tensors: Mapping[str, Tensor], model: DistilBertModelWithHeads
) -> tuple[DistilBertConfig, bool]:
    """The configuration of the head's class, and whether it has names of labels."""
    base = model.encoder.config.changed(problem_type=None, num_labels=2)
    if class_name == "DistilBertForMaskedLM":
        return base.changed(tie_word_embeddings=True), False
    last = "qa_outputs" if class_name == "DistilBertForQuestionAnswering" else "classifier"
    number = len(tensors[f"{last}.weight"]) if tensors[f"{last}.weight"].ndim else 0
    if number < 1:
        raise ArtifactError(f"{folder}: {last}.weight has no row, so there is no label.")
    if class_name == "DistilBertForMultipleChoice":
        return base, False
    said = _written_config(folder)
    if said is None or said.num_labels != number:
        return base.changed(num_labels=number), False
    changes: dict[str, Any] = {
        "id2label": said.id2label,
        "label2id": said.label2id,
        "problem_type": said.problem_type,
    }
    return base.changed(**changes), True


def _written_config(folder: Path) -> DistilBertConfig | None:
    """The config.json of transformers that some put beside an adapter, if it can be read."""
    path = folder / "config.json"
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are too long
        return None
    try:
        return DistilBertConfig.from_dict(read_json(path))
    except (PolyheadError, ConfigError, ValueError, TypeError):
        return None
