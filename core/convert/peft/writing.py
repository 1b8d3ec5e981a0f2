"""Folders that PEFT loads, written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from polyhead.convert.bundle import AdapterPart, Bundle, HeadPart
from polyhead.convert.peft.config import CONFIG_FILE
from polyhead.convert.peft.ia3 import ia3_fields, ia3_tensors
from polyhead.convert.peft.lora import lora_fields, lora_tensors
from polyhead.convert.peft.modules import ROOT
from polyhead.convert.transformers_heads import their_head
from polyhead.convert.weight_files import weight_bytes
from polyhead.errors import ConversionError
from polyhead.model import UNSET
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.convert.format import WeightFile
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["write"]

_TASKS: Final = {
    "DistilBertForSequenceClassification": "SEQ_CLS",
    "DistilBertForTokenClassification": "TOKEN_CLS",
    "DistilBertForQuestionAnswering": "QUESTION_ANS",
}
_MODULES: Final = "transformers.models.distilbert.modeling_distilbert"
_Fields = Callable[[AdapterPart, int], dict[str, Any]]
_Tensors = Callable[[AdapterPart, str], dict[str, Tensor]]
_METHODS: Final[Mapping[str, tuple[str, _Fields, _Tensors]]] = {
    "lora": ("LORA", lora_fields, lora_tensors),
    "ia3": ("IA3", ia3_fields, ia3_tensors),
}


def write(
    bundle: Bundle, model: DistilBertModelWithHeads, weights: WeightFile | None
) -> dict[str, bytes]:
    """The files of a folder that PEFT loads; several adapters lie in folders of their names.

    Args:
        bundle: Its adapters are LoRA or IA3; each may have one head.
        model: What they were made for.
        weights: The flavour of the weight files; safetensors when None.

    Raises:
        ConversionError: Part of the bundle has no equal in PEFT.
    """
    if not bundle.adapters:
        raise ConversionError(
            "PEFT keeps adapters, with heads beside them, and there is no adapter to write; write "
            "heads as checkpoints of transformers."
        )
    heads = _heads_of(bundle)
    files: dict[str, bytes] = {}
    for part in bundle.adapters:
        folder = "" if len(bundle.adapters) == 1 else f"{part.name}/"
        own = _files(part, heads.get(part.name), model, weights or "safetensors")
        files |= {folder + name: content for name, content in own.items()}
    return files


def _heads_of(bundle: Bundle) -> dict[str, HeadPart]:
    """The head of each adapter that has one.

    Raises:
        ConversionError: An adapter has two, or a head has none of the bundle.
    """
    heads: dict[str, HeadPart] = {}
    names = [part.name for part in bundle.adapters]
    for head in bundle.heads:
        adapter = head.adapter
        if adapter is UNSET:
            adapter = names[0] if len(names) == 1 else head.name
        if adapter not in names:
            raise ConversionError(
                f"the head {head.name!r} was not trained with an adapter that is written, and PEFT "
                "keeps heads beside their adapter alone; write it as a checkpoint of transformers."
            )
        if adapter in heads:
            raise ConversionError(
                f"the heads {heads[str(adapter)].name!r} and {head.name!r} share the adapter "
                f"{adapter!r}, and PEFT keeps one head beside an adapter; write them apart."
            )
        heads[str(adapter)] = head
    return heads


def _files(
    part: AdapterPart,
    head: HeadPart | None,
    model: DistilBertModelWithHeads,
    weights: WeightFile,
) -> dict[str, bytes]:
    kind = registry().adapter_for(part.config).kind
    if kind not in _METHODS:
        raise ConversionError(
            f"the adapter {part.name!r} of kind {kind!r} has no equal in PEFT; those of kind "
            f"{' and '.join(_METHODS)} have."
        )
    method, fields_of, tensors_of = _METHODS[kind]
    prefix = "" if head is None else "distilbert."
    own = fields_of(part, model.shape.n_layers)  # refuses what has no equal
    tensors = tensors_of(part, prefix)
    fields = {
        "peft_type": method,
        "task_type": "FEATURE_EXTRACTION",
        "auto_mapping": None,
        "base_model_name_or_path": model.backbone.name,
        "revision": None,
        "inference_mode": True,
        "exclude_modules": None,
        "fan_in_fan_out": False,
        "modules_to_save": None,
        **own,
    }
    base_class = "DistilBertModel"
    labels: Sequence[str] = ()
    if head is not None:
        base_class, labels = _add_head(head, model, fields, tensors)
    text = json.dumps(dict(sorted(fields.items())), indent=2) + "\n"
    return {
        CONFIG_FILE: text.encode(),
        f"adapter_model.{weights}": weight_bytes(tensors, weights),
        "README.md": _card(part.name, base_class, labels, model.backbone.name).encode(),
    }


def _add_head(
    head: HeadPart,
    model: DistilBertModelWithHeads,
    fields: dict[str, Any],
    tensors: dict[str, Tensor],
) -> tuple[str, Sequence[str]]:
    """Puts a head into the configuration and the tensors; returns its class and its labels."""
    theirs = their_head(head, registry().head_for(head.config).kind, model)
    class_name = theirs.cls.__name__
    own = dict(theirs.tensors)
    if class_name == "DistilBertForMaskedLM":
        own["vocab_projector.weight"] = model.encoder.word_embeddings.weight
    tensors |= {ROOT + name: tensor for name, tensor in own.items()}
    fields["task_type"] = _TASKS.get(class_name)
    fields["modules_to_save"] = sorted({name.partition(".")[0] for name in own})
    if fields["task_type"] is None:
        fields["auto_mapping"] = {"base_model_class": class_name, "parent_library": _MODULES}
    return class_name, tuple(theirs.changes.get("id2label", {}).values())


def _card(name: str, base_class: str, labels: Sequence[str], backbone: str) -> str:
    """How to load it, and what PEFT has no place for: the names of the labels."""
    number = f", num_labels={len(labels)}" if labels else ""
    lines = [
        "---",
        "library_name: peft",
        "---",
        "",
        f"# {name}",
        "",
        "```python",
        "from peft import PeftModel",
        f"from transformers import {base_class}",
        "",
        f"base = {base_class}.from_pretrained({json.dumps(backbone)}{number})",
        'model = PeftModel.from_pretrained(base, "the/folder/of/this/file")',
        "```",
    ]
    if labels:
        lines += ["", "Labels, in the order of the logits:", ""]
        lines += [f"{place}. `{' '.join(label.split())}`" for place, label in enumerate(labels)]
    return "\n".join([*lines, ""])
