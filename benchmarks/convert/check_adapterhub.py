"""Check that the `adapters` library and polyhead compute the same from one another's files.

    python benchmarks/convert/check_adapterhub.py --peer-python ../peers/bin/python

`--peer-python` is an environment with `adapters==1.3.0` and the same release of torch. Adapters and
heads of every sort, with random weights, on a small random encoder: that library writes and we
read, we write both flavours of its files and it reads. The largest difference of each is kept in
results.md and .json; one above 1e-5 ends with an error.

Every text is computed alone and without padding: in a padded batch that library averages gates over
padding too, and under its default attention counts a prefix or a prompt e times as much.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import polyhead as ph
from benchmarks import report
from polyhead.composition import Split, Stack
from polyhead.distilbert import DistilBertModel
from polyhead.encoder import DistilBertConfig, Encoder

HERE = Path(__file__).resolve().parent
MOST = 1e-5
SIZES = {
    "vocab_size": 100,
    "max_position_embeddings": 64,
    "dim": 32,
    "hidden_dim": 64,
    "n_heads": 4,
    "n_layers": 3,
    "initializer_range": 0.2,
}
LABELS = ("no", "perhaps", "yes")
HEAD = ph.ClassificationHeadConfig(labels=LABELS, pooling="cls")
SMALL = "prefix_length=5,bottleneck_size=16"
REFT = "r=3,suffix_positions=2"

ADAPTERS: dict[str, str] = {
    "seq_bn": "seq_bn[reduction_factor=4]",
    "double_seq_bn": "double_seq_bn[reduction_factor=4]",
    "par_bn": "par_bn",
    "scaled_par_bn": "scaled_par_bn",
    "seq_bn_inv": "seq_bn_inv[reduction_factor=4]",
    "double_seq_bn_inv": "double_seq_bn_inv[reduction_factor=4]",
    "adapter_plus": "adapter_plus[reduction_factor=4,stochastic_depth=0.0]",
    "norms": "double_seq_bn[ln_before=true,ln_after=true,reduction_factor=4]",
    "norm_inside": "seq_bn[ln_after=true,adapter_residual_before_ln=true]",
    "post_add": "seq_bn[residual_before_ln=post_add]",
    "no_own_norm": "seq_bn[original_ln_after=false,residual_before_ln=false]",
    "gated_bn": "seq_bn[use_gating=true,scaling=2]",
    "factors": "seq_bn[reduction_factor={'0':2,'default':8},leave_out=(1,)]",
    "compacter": "compacter[reduction_factor=4]",
    "compacter++": "compacter++[reduction_factor=4]",
    "compacter_own": "compacter[reduction_factor=4,shared_phm_rule=false,phm_bias=false]",
    "compacter_shared": "compacter++[reduction_factor=4,shared_W_phm=true,phm_rank=2]",
    "compacter_thin_rule": "compacter++[reduction_factor=4,factorized_phm_rule=true]",
    "compacter_whole": "compacter++[reduction_factor=4,factorized_phm_W=false]",
    "lora": "lora[r=4,alpha=6]",
    "lora_all": "lora[modules=(q,k,v,lin1,lin2),r=3,leave_out=(0,)]",
    "lora_gated": "lora[modules=(q,lin1,lin2),use_gating=true]",
    "ia3": "ia3[outputs=(k,v,lin1),inputs=()]",
    "ia3_gated": "ia3[outputs=(q,lin2),inputs=(),use_gating=true]",
    "prefix_tuning": f"prefix_tuning[{SMALL}]",
    "prefix_flat": "prefix_tuning_flat[prefix_length=5,leave_out=(1,)]",
    "prefix_gated": f"prefix_tuning[{SMALL},use_gating=true,shared_gating=false]",
    "prompt": "prompt_tuning[prompt_length=4,cls=prompt]",
    "prompt_after_bos": "prompt_tuning[prompt_length=3,combine=prefix_after_bos]",
    "loreft": f"loreft[{REFT}]",
    "loreft_one_end": "loreft[r=1,layers=(0,2)]",
    "noreft": f"noreft[{REFT},non_linearity=gelu]",
    "direft": f"direft[{REFT},tied_weights=true]",
    "mam": f"prefix_tuning[{SMALL}]|par_bn",
    "unipelt": f"prefix_tuning[{SMALL},use_gating=true]|seq_bn[use_gating=true,reduction_factor=4]"
    "|lora[alpha=2,use_gating=true]",
    "two_bottlenecks": "seq_bn[reduction_factor=4]|par_bn[mh_adapter=true,output_adapter=false]",
}
SUMMARY = (
    "Largest difference of any hidden state or logit, on a random encoder of 3 layers and width 32 "
    "with random adapters and heads. adapters 1.3.0."
)
PROMPTS = {"prompt": (1, 5), "prompt_after_bos": (1, 4)}
"""Which of the states there are left out: ours begin with the one that heads read."""

POOLED = {"pooling": "cls"}
HEADS: dict[str, ph.HeadConfig] = {
    "one_layer": ph.ClassificationHeadConfig(labels=LABELS, layers=1, bias=False, **POOLED),
    "three_layers": ph.ClassificationHeadConfig(
        labels=LABELS, layers=3, activation="relu", **POOLED
    ),
    "multilabel": ph.MultilabelHeadConfig(labels=LABELS, **POOLED),
    "regression": ph.RegressionHeadConfig(target_mean=(2.5,), target_scale=(3.0,), **POOLED),
    "multiple_choice": ph.MultipleChoiceHeadConfig(**POOLED),
    "tagging": ph.TaggingHeadConfig(labels=LABELS, hidden="last", context=0),
    "answers": ph.QuestionAnsweringHeadConfig(hidden="last"),
    "words": ph.MaskedLMHeadConfig(),
}
SETUPS: dict[str, tuple[dict[str, Any], Any]] = {
    "stack": ({"a": "seq_bn", "b": "double_seq_bn"}, Stack("a", "b")),
    "stack_prefix": ({"a": f"prefix_tuning[{SMALL}]", "b": "par_bn"}, Stack("a", "b")),
    "split": ({"a": "double_seq_bn", "b": "double_seq_bn"}, Split("a", "b", splits=(2, 4))),
    "fusion": (
        {"a": "seq_bn", "b": "seq_bn", "f": ph.FusionConfig.dynamic("a", "b")},
        "f",
    ),
    "fusion_static": (
        {
            "a": "double_seq_bn",
            "b": "double_seq_bn",
            "f": ph.FusionConfig.static("a", "b", sites=("attention", "ffn"), residual_before=True),
        },
        "f",
    ),
}


def main() -> None:
    """Run both directions and keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", type=Path, required=True)
    peer = parser.parse_args().peer_python
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_backbone(folder / "backbone")
        inputs = make_inputs()
        save_file(inputs, folder / "inputs.safetensors")
        read = dict(read_theirs(peer, folder, inputs))
        written = write_ours(peer, folder, inputs)
    results = {"surroundings": report.surroundings(), "read": read, "written": written}
    report.write(HERE, results, markdown(results), "results")
    worst = max([*read.values(), *(gap for gaps in written.values() for gap in gaps.values())])
    print(f"largest difference: {worst:.1e}")
    if worst > MOST:
        sys.exit(1)


def make_backbone(folder: Path) -> None:
    """A small random encoder as a checkpoint."""
    torch.manual_seed(0)
    config = DistilBertConfig(**SIZES)
    DistilBertModel(config, encoder=Encoder(config)).save_pretrained(folder)


def make_inputs() -> dict[str, torch.Tensor]:
    """Rows of 6 random tokens."""
    generator = torch.Generator().manual_seed(7)
    return {"input_ids": torch.randint(5, 100, (4, 6), generator=generator)}


def run_peer(peer: Path, folder: Path, *arguments: str) -> str:
    """Run the other side; what it prints."""
    script = str(HERE / "adapterhub_side.py")
    command = [str(peer.absolute()), "-P", script, *arguments]
    return report.run_process(command, cwd=folder, environment={"HF_HUB_OFFLINE": "1"}).stdout


def read_theirs(
    peer: Path, folder: Path, inputs: dict[str, torch.Tensor]
) -> Iterator[tuple[str, float]]:
    """What that library saved, read by us: the largest difference of each."""
    run_peer(peer, folder, "write")
    for path in sorted((folder / "theirs").iterdir()):
        model = ph.DistilBertModelWithHeads.from_pretrained(folder / "backbone")
        before = model.encoder.fingerprint()
        added = ph.load_foreign(model, path)
        setup = added.composition or (added.adapters[-1] if added.adapters else None)
        expected = load_file(path / "expected.safetensors")
        found = outputs(model, inputs, setup, added.heads[0] if added.heads else None)
        yield path.name, gap_of(found, expected)
        if model.encoder.fingerprint() != before:
            raise ValueError("the encoder was written")


def write_ours(
    peer: Path, folder: Path, inputs: dict[str, torch.Tensor]
) -> dict[str, dict[str, float]]:
    """What we wrote in both flavours, read by that library: the largest difference of each."""
    cases: dict[str, tuple[dict[str, Any], Any, ph.HeadConfig]] = {
        name: ({name.replace("+", "p"): config}, name.replace("+", "p"), HEAD)
        for name, config in ADAPTERS.items()
    }
    cases |= {f"head_{name}": ({}, None, config) for name, config in HEADS.items()}
    cases |= {name: (adapters, setup, HEAD) for name, (adapters, setup) in SETUPS.items()}
    told = {}
    for number, (name, (adapters, setup, head)) in enumerate(cases.items()):
        model = ph.DistilBertModelWithHeads.from_pretrained(folder / "backbone")
        torch.manual_seed(number)
        for own, config in adapters.items():
            model.add_adapter(own, config)
        model.add_head("h", head, adapter=None)
        shake(model)
        place = folder / "ours" / name
        for flavour in ("bin", "safetensors"):
            ph.save_foreign(
                model,
                place / flavour,
                target_format="adapterhub",
                adapter=setup,
                heads=["h"],
                weights=flavour,
            )
        save_file(outputs(model, inputs, setup, "h"), place / "expected.safetensors")
        told[name] = {"prompt": PROMPTS.get(name, (0, 0))}
    (folder / "ours" / "cases.json").write_text(json.dumps(told))
    return json.loads(run_peer(peer, folder, "read"))


@torch.no_grad()
def shake(model: ph.DistilBertModelWithHeads) -> None:
    """Adds noise to every weight of adapters and heads."""
    for part in (*model.adapters.values(), *model.heads.values()):
        for weight in part.parameters():
            weight.add_(torch.randn(weight.shape), alpha=0.15)


@torch.no_grad()
def outputs(
    model: ph.DistilBertModelWithHeads,
    inputs: dict[str, torch.Tensor],
    setup: Any,
    head: str | None,
) -> dict[str, torch.Tensor]:
    """What the model computes for each row."""
    done = model(**inputs, adapter_names=setup, head=head)
    found = {"last_hidden_state": done.last_hidden_state.contiguous()}
    if head is not None and model.heads[head].kind == "question_answering":
        sides = done.outputs[head]
        found |= {f"{side}_logits": sides[side].contiguous() for side in ("start", "end")}
    elif head is not None:
        found["logits"] = done.logits.contiguous()
    return found


def gap_of(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest difference of what both have."""
    names = found.keys() & expected.keys()
    return max(
        float((found[name].reshape(-1) - expected[name].reshape(-1)).abs().max()) for name in names
    )


def markdown(results: dict[str, Any]) -> str:
    """The tables to quote."""
    read = [[name, f"{gap:.1e}"] for name, gap in results["read"].items()]
    written = [
        [name, *(f"{gaps[flavour]:.1e}" for flavour in ("bin", "safetensors"))]
        for name, gaps in results["written"].items()
    ]
    return "\n\n".join(
        [
            "# Files of the adapters library, in and out",
            SUMMARY,
            "## Written by adapters, read by polyhead",
            report.table(["what", "difference"], read),
            "## Written by polyhead, read by adapters",
            report.table(["what", "as .bin", "as .safetensors"], written),
            report.describe(results["surroundings"]),
        ]
    )


if __name__ == "__main__":
    main()
