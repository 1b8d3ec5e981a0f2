"""The side of the `adapters` library of `check_adapterhub.py`.

It runs in an environment with `adapters==1.3.0`, as a file and with `python -P`, in the folder that
holds `backbone` and `inputs.safetensors`, in one of two ways:

    python -P adapterhub_side.py write    adapters, heads and setups, with expected outputs
    python -P adapterhub_side.py read     loads what polyhead wrote, prints differences
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import adapters  # noqa: TID251 - the library of that name, not our folder
import torch
import transformers
from adapters import composition  # noqa: TID251
from safetensors.torch import load_file, save_file
from transformers import DistilBertConfig

PREFIX = {"prefix_length": 5, "bottleneck_size": 16}
KINDS: dict[str, Any] = {
    "seq_bn": adapters.SeqBnConfig(reduction_factor=4),
    "double_seq_bn_inv": adapters.DoubleSeqBnInvConfig(reduction_factor=4),
    "norms": adapters.DoubleSeqBnConfig(ln_before=True, ln_after=True, reduction_factor=4),
    "norm_inside": adapters.SeqBnConfig(ln_after=True, adapter_residual_before_ln=True),
    "norm_inside_parallel": adapters.ParBnConfig(ln_after=True, reduction_factor=4),
    "scaled_par_bn": adapters.ParBnConfig(scaling="learned"),
    "channel": adapters.SeqBnConfig(scaling="channel"),
    "leaky": adapters.SeqBnConfig(non_linearity="leakyrelu", residual_before_ln="post_add"),
    "gated_bn": adapters.SeqBnConfig(use_gating=True),
    "compacter": adapters.CompacterConfig(reduction_factor=4),
    "compacter_own": adapters.CompacterPlusPlusConfig(
        reduction_factor=4, shared_phm_rule=False, factorized_phm_rule=True, phm_bias=False
    ),
    "compacter_shared": adapters.CompacterPlusPlusConfig(
        reduction_factor=4, shared_W_phm=True, phm_rank=2
    ),
    "lora": adapters.LoRAConfig(r=4, alpha=6, leave_out=[1]),
    "lora_gated": adapters.LoRAConfig(
        r=4, use_gating=True, intermediate_lora=True, output_lora=True, attn_matrices=["k"]
    ),
    "ia3": adapters.IA3Config(output_lora=True),
    "ia3_gated": adapters.IA3Config(use_gating=True),
    "ia3_alpha": adapters.IA3Config(alpha=2),
    "prefix": adapters.PrefixTuningConfig(leave_out=[0], **PREFIX),
    "prefix_flat": adapters.PrefixTuningConfig(flat=True, prefix_length=5),
    "prefix_gated": adapters.PrefixTuningConfig(use_gating=True, **PREFIX),
    "loreft": adapters.LoReftConfig(r=3, suffix_positions=2),
    "noreft": adapters.NoReftConfig(r=3, tied_weights=True, suffix_positions=1),
    "mam": adapters.MAMConfig(
        adapters.PrefixTuningConfig(**PREFIX), adapters.ParBnConfig(reduction_factor=4)
    ),
    "prompt": adapters.PromptTuningConfig(prompt_length=4),
}
HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    "head_classification": ("add_classification_head", {"num_labels": 3, "layers": 3}),
    "head_regression": ("add_classification_head", {"num_labels": 1, "layers": 1}),
    "head_multilabel": ("add_classification_head", {"num_labels": 3, "multilabel": True}),
    "head_choices": ("add_multiple_choice_head", {"num_choices": 2}),
    "head_tagging": ("add_tagging_head", {"num_labels": 3, "layers": 2}),
    "head_answers": ("add_qa_head", {}),
    "head_words": ("add_masked_lm_head", {}),
}
STATIC = (
    "DistilBertForSequenceClassification",
    "DistilBertForTokenClassification",
    "DistilBertForQuestionAnswering",
    "DistilBertForMultipleChoice",
    "DistilBertForMaskedLM",
)


def new_model(*, is_prompt: bool = False) -> adapters.DistilBertAdapterModel:
    """The backbone; "eager" cannot compute prompts."""
    attention = "sdpa" if is_prompt else "eager"
    config = DistilBertConfig.from_pretrained("backbone", attn_implementation=attention)
    model = adapters.DistilBertAdapterModel(config)
    weights = load_file("backbone/model.safetensors")
    weights = {name.removeprefix("distilbert."): weight for name, weight in weights.items()}
    # prompts hold the embeddings once more under a name of their own
    weights["prompt_tuning.base_model_embeddings.weight"] = weights[
        "embeddings.word_embeddings.weight"
    ]
    model.distilbert.load_state_dict(weights)
    return model.eval()


@torch.no_grad()
def shake(model: torch.nn.Module, names: tuple[str, ...]) -> None:
    """Adds noise to the weights whose names hold one of those."""
    generator = torch.Generator().manual_seed(3)
    for name, weight in model.named_parameters():
        is_tied = weight is model.get_input_embeddings().weight
        if is_tied or not any(part in name for part in names):
            continue
        noise = torch.randn(weight.shape, generator=generator) * 0.15
        if name.endswith("parametrizations.weight.original"):
            noise.fill_diagonal_(0)  # there lie signs, which torch cuts to whole numbers
        weight.add_(noise)


@torch.no_grad()
def outputs(
    model: Any, ids: torch.Tensor, prompt: tuple[int, int] = (0, 0)
) -> dict[str, torch.Tensor]:
    """What the model computes for each row, without the states that a prompt adds."""
    mask = torch.ones_like(ids)
    done = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    states = done.hidden_states[-1]
    states = torch.cat([states[:, : prompt[0]], states[:, prompt[1] :]], dim=1)
    found = {"last_hidden_state": states.reshape(-1, *states.shape[-2:]).contiguous()}
    for name in ("logits", "start_logits", "end_logits"):
        value = getattr(done, name, None)
        if value is not None:
            found[name] = value.contiguous()
    return found


MODULES = (
    "adapters.",
    "loras.",
    "prefix_tunings.",
    "prefix_gates.",
    "prompt_tunings.",
    "refts.",
    "shared_parameters.",
    "adapter_fusion_layer.",
    "heads.",
)


def write() -> None:
    """Saves adapters, heads and setups as the library does, and what they compute."""
    ids = load_file("inputs.safetensors")["input_ids"]
    root = Path("theirs")
    root.mkdir()
    for name, config in KINDS.items():
        model = new_model(is_prompt=name == "prompt")
        model.add_adapter("a", config)
        model.add_classification_head("a", num_labels=3, id2label={0: "x", 1: "y", 2: "z"})
        model.set_active_adapters("a")
        shake(model, MODULES)
        model.save_adapter(str(root / name), "a")
        expected = outputs(model, ids, (1, 5) if name == "prompt" else (0, 0))
        save_file(expected, root / name / "expected.safetensors")
    for name, (adder, fields) in HEADS.items():
        model = new_model()
        for own in ("h", "h2"):  # the second one is saved with the first, by mistake
            getattr(model, adder)(own, **fields)
        model.active_head = "h"
        shake(model, MODULES)
        model.save_head(str(root / name), "h")
        save_file(outputs(model, ids), root / name / "expected.safetensors")
    for name in STATIC:
        write_static(root / f"static_{name}", name, ids)
    write_setups(root, ids)


def write_static(folder: Path, class_name: str, ids: torch.Tensor) -> None:
    """An adapter beside a head of a class of transformers."""
    torch.manual_seed(1)
    options = {} if class_name in STATIC[2:] else {"num_labels": 3}
    model = getattr(transformers, class_name).from_pretrained("backbone", **options).eval()
    adapters.init(model)
    model.add_adapter("a", adapters.SeqBnConfig(reduction_factor=4))
    model.set_active_adapters("a")
    shake(model, (*MODULES, "classifier", "qa_outputs", "vocab_"))
    model.save_adapter(str(folder), "a", with_head=False)
    model.save_head(str(folder))
    rows = ids.view(2, 2, -1) if class_name.endswith("MultipleChoice") else ids
    save_file(outputs(model, rows), folder / "expected.safetensors")


def write_setups(root: Path, ids: torch.Tensor) -> None:
    """A stack and a fusion, each with a head."""
    for name, block in (
        ("setup_stack", composition.Stack("a", "b")),
        ("setup_fusion", composition.Fuse("a", "b")),
    ):
        model = new_model()
        model.add_adapter("a", adapters.DoubleSeqBnConfig(reduction_factor=4))
        model.add_adapter("b", adapters.DoubleSeqBnConfig(reduction_factor=8))
        if name == "setup_fusion":
            model.add_adapter_fusion(block)
        model.add_classification_head("h", num_labels=3)
        model.set_active_adapters(block)
        model.active_head = "h"
        shake(model, MODULES)
        model.save_adapter_setup(str(root / name), block, head_setup="h")
        save_file(outputs(model, ids), root / name / "expected.safetensors")


def read() -> None:
    """Loads what polyhead wrote, and prints how far its outputs are from those it should have."""
    ids = load_file("inputs.safetensors")["input_ids"]
    cases = json.loads(Path("ours/cases.json").read_text(encoding="utf-8"))
    gaps: dict[str, dict[str, float]] = {}
    for name, case in cases.items():
        expected = load_file(f"ours/{name}/expected.safetensors")
        for flavour in ("bin", "safetensors"):
            model = new_model(is_prompt=any(case["prompt"]))
            load(model, Path("ours") / name / flavour, is_safe=flavour == "safetensors")
            found = outputs(model.eval(), ids, tuple(case["prompt"]))
            common = found.keys() & expected.keys()
            gaps.setdefault(name, {})[flavour] = max(
                float((found[key].reshape(-1) - expected[key].reshape(-1)).abs().max())
                for key in common
            )
    print(json.dumps(gaps))


def load(model: Any, folder: Path, *, is_safe: bool) -> None:
    """One folder, all of it in use; nothing may be missing or left over."""
    info: dict[str, list[str]] = {}
    options = {"use_safetensors": is_safe}
    if (folder / "adapter_setup.json").exists():
        model.load_adapter_setup(str(folder), set_active=True, **options)
        model.load_head(str(folder / "h"), **options)
    elif (folder / "adapter_config.json").exists():
        model.load_adapter(str(folder), set_active=True, loading_info=info, **options)
    else:
        model.load_head(str(folder), **options)
    model.active_head = "h"
    odd = [key for key in info.get("unexpected_keys", []) if not key.startswith("heads.")]
    if odd or info.get("missing_keys"):
        raise ValueError(f"{folder}: {info}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.disable(logging.ERROR)
    transformers.logging.set_verbosity_error()
    {"write": write, "read": read}[sys.argv[1]]()
