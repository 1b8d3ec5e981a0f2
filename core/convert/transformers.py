"""Checkpoints of transformers' `DistilBertFor...` classes: heads in, merged models out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from polyhead.convert.bin_file import load_bin
from polyhead.convert.bundle import AdapterPart, Bundle
from polyhead.convert.checking import checked_head
from polyhead.convert.format import Format
from polyhead.convert.json_files import read_json
from polyhead.convert.naming import chosen_name
from polyhead.convert.transformers_heads import their_head
from polyhead.convert.weight_files import weight_bytes
from polyhead.distilbert import DistilBertModel
from polyhead.distilbert.head_import import read_transformers_head
from polyhead.encoder import Encoder, checkpoint_weights
from polyhead.encoder.weights import INDEX_FILES, WEIGHT_FILES
from polyhead.errors import ArtifactError, ConfigError, ConversionError, PolyheadError, listing
from polyhead.merging import merged_encoder
from polyhead.model import UNSET
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.convert.format import WeightFile
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["TRANSFORMERS"]

_MODEL_TYPES: Final = ("distilbert", "bert")
_OTHERS: Final = "adapter_config.json"


def _recognises(folder: Path) -> bool:
    """Whether a folder holds a checkpoint, and no adapter."""
    files = (*WEIGHT_FILES, *INDEX_FILES)
    if os.path.isfile(folder / _OTHERS):  # noqa: PTH113 - Path.is_file raises for long names
        return False
    if not any(os.path.isfile(folder / file) for file in files):  # noqa: PTH113
        return False
    try:
        return read_json(folder / "config.json").get("model_type") in _MODEL_TYPES
    except PolyheadError:
        return False


def _read(folder: Path, model: DistilBertModelWithHeads, name: str | None) -> Bundle:
    """The head of a checkpoint whose encoder is the model's.

    Raises:
        CheckpointError: It is damaged or holds no head.
        BackboneMismatchError: Its encoder is not the model's: fine-tuning has changed it.
        InvalidNameError: The folder's name cannot be a name.
    """
    name = chosen_name(name, folder.resolve().name, "head", folder)
    for file in sorted(folder.glob("pytorch_model*.bin")):
        try:
            load_bin(file)  # looks at all of it before torch does
        except (ValueError, OSError) as error:
            raise ArtifactError(
                f"{file} is damaged or is not a file of weights: {str(error)[:300].rstrip('.')}."
            ) from None
    head = read_transformers_head(model, folder)
    tensors = {key: weight.detach() for key, weight in head.state_dict().items()}
    part = checked_head(name, head.config, tensors, model.shape, folder, adapter=None)
    return Bundle(heads=(part,))


def _write(
    bundle: Bundle, model: DistilBertModelWithHeads, weights: WeightFile | None
) -> dict[str, bytes]:
    """A checkpoint of the class that has such a head, its encoder with the adapter merged in.

    The model's own encoder stays as it is.

    Raises:
        ConversionError: There are several adapters or heads, the adapter cannot be merged, or no
            class of transformers has such a head.
    """
    adapter = _only_adapter(bundle)
    encoder = model.encoder if adapter is None else _merged(adapter, model)
    class_name, prefix = DistilBertModel.__name__, ""
    changes: dict[str, Any] = {}
    tensors = {}
    if bundle.heads:
        (head,) = bundle.heads
        theirs = their_head(head, registry().head_for(head.config).kind, model)
        class_name, prefix = theirs.cls.__name__, theirs.cls.weight_prefix
        changes, tensors = dict(theirs.changes), dict(theirs.tensors)
    try:
        config = encoder.config.changed(
            **{"problem_type": None, **changes}, architectures=[class_name], dtype=torch.float32
        )
        text = config.to_json_string()
    except ConfigError as error:
        raise ConversionError(f"transformers has no such DistilBERT: {error}") from None
    tensors |= {prefix + key: weight.float() for key, weight in checkpoint_weights(encoder).items()}
    flavour = weights or "safetensors"
    file = WEIGHT_FILES[0] if flavour == "safetensors" else WEIGHT_FILES[1]
    return {
        "config.json": text.encode(),
        file: weight_bytes(tensors, flavour),
        **_tokenizer_files(model),
    }


def _only_adapter(bundle: Bundle) -> AdapterPart | None:
    """The adapter to merge, None for the bare encoder."""
    for what, parts in (("adapters", bundle.adapters), ("heads", bundle.heads)):
        if len(parts) > 1:
            raise ConversionError(
                f"a checkpoint of transformers has one encoder and one head, and there are "
                f"{len(parts)} {what}: {listing([part.name for part in parts])}; write them one by "
                "one."
            )
    adapter = bundle.adapters[0] if bundle.adapters else None
    for head in bundle.heads:
        if head.adapter is not UNSET and head.adapter != (adapter and adapter.name):
            raise ConversionError(
                f"the head {head.name!r} was trained with "
                f"{'the bare encoder' if head.adapter is None else repr(head.adapter)}, and not "
                f"with {'the bare encoder' if adapter is None else repr(adapter.name)}."
            )
    return adapter


def _merged(part: AdapterPart, model: DistilBertModelWithHeads) -> Encoder:
    cls = registry().adapter_for(part.config)
    with torch.random.fork_rng(devices=[]):  # fresh weights are drawn only to be replaced
        adapter = cls(part.config, model.shape)
    adapter.load_state_dict(dict(part.tensors))
    adapter.to(model.device, model.dtype)
    try:
        return merged_encoder(model.encoder, adapter, part.name)
    except ConfigError as error:
        raise ConversionError(str(error)) from None


def _tokenizer_files(model: DistilBertModelWithHeads) -> dict[str, bytes]:
    """The tokenizer as transformers reads it, so that its pipelines take texts."""
    if model.tokenizer is None:
        return {}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.shape.max_positions,
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "mask_token": "[MASK]",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    return {
        "tokenizer.json": model.tokenizer.to_json().encode(),
        "tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode(),
    }


TRANSFORMERS = Format("transformers", "a checkpoint of transformers", _recognises, _read, _write)
"""The format, for the list of formats."""
