"""The side of PEFT and transformers of `check_peft.py`.

It runs in an environment with `peft==0.21.2`, as a file and with `python -P`, in one of two ways:

    python -P peft_side.py write FOLDER BACKBONE    adapters of every sort, with expected outputs
    python -P peft_side.py read FOLDER BACKBONE     loads what polyhead wrote, prints differences

Adapters get random weights of a size that moves the outputs, since only equality is of interest.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

SEQUENCE = "DistilBertForSequenceClassification"
TOKENS = "DistilBertForTokenClassification"
ANSWERS = "DistilBertForQuestionAnswering"
CHOICES = "DistilBertForMultipleChoice"
WORDS = "DistilBertForMaskedLM"
BARE = "DistilBertModel"

QV = ["q_lin", "v_lin"]
ALL = [*QV, "k_lin", "out_lin", "lin1", "lin2"]
MLM_HEAD = ["vocab_transform", "vocab_layer_norm", "vocab_projector"]
POOLED_HEAD = ["pre_classifier", "classifier"]

CASES: dict[str, tuple[str, Any]] = {
    "lora": (SEQUENCE, LoraConfig(task_type="SEQ_CLS", r=4, target_modules=QV)),
    "lora_all": (SEQUENCE, LoraConfig(task_type="SEQ_CLS", r=3, lora_alpha=5, target_modules=ALL)),
    "rslora": (SEQUENCE, LoraConfig(task_type="SEQ_CLS", r=4, target_modules=QV, use_rslora=True)),
    "dora": (SEQUENCE, LoraConfig(task_type="SEQ_CLS", r=4, target_modules=ALL, use_dora=True)),
    "lora_bias": (SEQUENCE, LoraConfig(task_type="SEQ_CLS", target_modules=ALL, lora_bias=True)),
    "trained_bias": (
        SEQUENCE,
        LoraConfig(task_type="SEQ_CLS", target_modules=QV, bias="lora_only"),
    ),
    "patterns": (
        SEQUENCE,
        LoraConfig(
            task_type="SEQ_CLS",
            r=4,
            target_modules=ALL,
            rank_pattern={"layer.0.attention.q_lin": 2, "lin1": 3, r".*\.2\..*k_lin": 5},
            alpha_pattern={"attention.(q|k)_lin": 6, r"layer\.[01]\.ffn\.lin2": 1.5},
        ),
    ),
    "regex": (
        SEQUENCE,
        LoraConfig(task_type="SEQ_CLS", target_modules=r".*\.layer\.[02]\.attention\.(q|out)_lin"),
    ),
    "scattered": (
        SEQUENCE,
        LoraConfig(
            task_type="SEQ_CLS",
            target_modules=["layer.0.attention.q_lin", "layer.2.ffn.lin1", "layer.2.ffn.lin2"],
        ),
    ),
    "scattered_dora": (
        SEQUENCE,
        LoraConfig(
            task_type="SEQ_CLS",
            use_dora=True,
            target_modules=["layer.0.attention.q_lin", "layer.2.ffn.lin1"],
        ),
    ),
    "all_linear": (
        SEQUENCE,
        LoraConfig(
            task_type="SEQ_CLS",
            target_modules="all-linear",
            exclude_modules=["pre_classifier", "out_lin"],
        ),
    ),
    "some_layers": (
        SEQUENCE,
        LoraConfig(
            task_type="SEQ_CLS",
            target_modules=QV,
            layers_to_transform=[0, 2],
            layers_pattern="layer",
        ),
    ),
    "tokens": (TOKENS, LoraConfig(task_type="TOKEN_CLS", target_modules=QV)),
    "answers": (ANSWERS, LoraConfig(task_type="QUESTION_ANS", target_modules=QV)),
    "choices": (CHOICES, LoraConfig(target_modules=QV, modules_to_save=POOLED_HEAD)),
    "words": (WORDS, LoraConfig(target_modules=QV, modules_to_save=MLM_HEAD)),
    "bare": (BARE, LoraConfig(task_type="FEATURE_EXTRACTION", target_modules=QV)),
    "no_head": (SEQUENCE, LoraConfig(target_modules=QV)),
    "ia3": (
        SEQUENCE,
        IA3Config(
            task_type="SEQ_CLS",
            target_modules=["k_lin", "v_lin", "ffn.lin2"],
            feedforward_modules=["ffn.lin2"],
        ),
    ),
    "ia3_odd": (
        SEQUENCE,
        IA3Config(
            task_type="SEQ_CLS",
            target_modules=["layer.0.attention.q_lin", "out_lin", "lin1", "layer.1.ffn.lin2"],
            feedforward_modules=["lin1", "layer.1.ffn.lin2"],
        ),
    ),
}


def inputs_of(class_name: str) -> dict[str, torch.Tensor]:
    """Rows of random tokens, padded at the end."""
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(5, 100, (4, 9), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 6:] = mask[2, 3:] = 0
    if class_name == CHOICES:
        ids, mask = ids.view(2, 2, 9), mask.view(2, 2, 9)
    return {"input_ids": ids, "attention_mask": mask}


def model_of(class_name: str, backbone: str, n_labels: int = 3) -> torch.nn.Module:
    """A model of that class on the backbone, with a fresh head."""
    torch.manual_seed(1)
    cls = getattr(transformers, class_name)
    number = 2 if class_name == ANSWERS else n_labels
    return cls.from_pretrained(backbone, num_labels=number).eval()


def outputs_of(model: torch.nn.Module, class_name: str) -> dict[str, torch.Tensor]:
    """What the model computes for those rows; masked places are 0."""
    inputs = inputs_of(class_name)
    with torch.no_grad():
        found = model(**inputs)
    mask = inputs["attention_mask"]
    outputs = {}
    for name in ("logits", "start_logits", "end_logits", "last_hidden_state"):
        value = getattr(found, name, None)
        if value is not None:
            is_by_token = value.shape[:2] == mask.shape
            outputs[name] = (
                value * mask.view(*mask.shape, *[1] * (value.ndim - 2)) if is_by_token else value
            ).contiguous()
    return outputs


def write(folder: Path, backbone: str) -> None:
    """Saves an adapter of each sort as PEFT does, and what it computes."""
    for name, (class_name, config) in CASES.items():
        model = get_peft_model(model_of(class_name, backbone), config).eval()
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for key, weight in model.named_parameters():
                is_tied = "vocab_projector" in key and key.endswith("weight")  # to the embeddings
                if weight.requires_grad and not is_tied:
                    weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.2)
        model.save_pretrained(str(folder / name))
        expected = {**inputs_of(class_name), **outputs_of(model, class_name)}
        save_file(expected, folder / name / "expected.safetensors")


def difference(outputs: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest difference between outputs of the same names."""
    names = outputs.keys() & expected.keys()
    if not names:
        raise ValueError(f"no output in common: {sorted(outputs)} and {sorted(expected)}")
    return max(float((outputs[name] - expected[name]).abs().max()) for name in names)


def read(folder: Path, backbone: str) -> None:
    """Loads what polyhead wrote, and prints how far its outputs are from those it should have."""
    found = {}
    for path in sorted(folder.iterdir()):
        expected = load_file(path / "expected.safetensors")
        class_name = (path / "class.txt").read_text(encoding="utf-8")
        if (path / "adapter_config.json").exists():
            base = model_of(class_name, backbone, int((path / "labels.txt").read_text()))
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                model = PeftModel.from_pretrained(base, str(path)).eval()
            missing = [str(each.message) for each in told if "missing" in str(each.message).lower()]
            if missing:
                raise ValueError(f"{path.name}: {missing}")
        else:
            cls = getattr(transformers, class_name)
            model, info = cls.from_pretrained(path, output_loading_info=True)
            model.eval()
            tied = {"vocab_projector.weight"} if class_name == WORDS else set()
            if set(info["missing_keys"]) - tied or info["unexpected_keys"]:
                raise ValueError(f"{path.name}: {info}")
        found[path.name] = difference(outputs_of(model, class_name), expected)
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
