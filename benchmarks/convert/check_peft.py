"""Check that PEFT and polyhead compute the same from one another's files.

    python benchmarks/convert/check_peft.py --peer-python ../peft/bin/python

`--peer-python` is an environment with `peft==0.21.2`, transformers and the same release of torch.
Adapters of every sort, with random weights, on a small random encoder: PEFT writes and we read, we
write and PEFT reads, and what we write as checkpoints of transformers, with the adapter merged in,
is read by transformers. The largest difference of each is kept in results_peft.md and .json; one
above 1e-5 ends with an error.
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

from benchmarks import report
from polyhead.convert.bundle import AdapterPart, Bundle, HeadPart
from polyhead.convert.peft import PEFT
from polyhead.convert.transformers import TRANSFORMERS
from polyhead.distilbert import DistilBertModel
from polyhead.encoder import DistilBertConfig, Encoder
from polyhead.heads import (
    ClassificationHeadConfig,
    MaskedLMHeadConfig,
    MultilabelHeadConfig,
    MultipleChoiceHeadConfig,
    QuestionAnsweringHeadConfig,
    RegressionHeadConfig,
    TaggingHeadConfig,
)
from polyhead.model import DistilBertModelWithHeads

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
POOLED = {"layers": 2, "activation": "relu", "pooling": "cls"}
LABELS = ("no", "perhaps", "yes")
SEQUENCE = ClassificationHeadConfig(labels=LABELS, **POOLED)
MERGED = "_merged"
INPUTS = ("input_ids", "attention_mask")

WRITTEN: dict[str, tuple[str, Any]] = {
    "lora": ("lora", SEQUENCE),
    "lora_all": ("lora[modules=(q,k,v,out,lin1,lin2),r=3,alpha=4.5]", SEQUENCE),
    "rslora": ("rslora[r=4]", SEQUENCE),
    "dora": ("dora[modules=(q,lin1,lin2)]", SEQUENCE),
    "lora_bias": ("lora[lora_bias=true,modules=(out,lin2)]", SEQUENCE),
    "patterns": (
        "lora[r=4,rank_pattern={'q':2,'1.q':3,'2.v':5},alpha_pattern={'v':2.5,'0.v':1.0}]",
        SEQUENCE,
    ),
    "some_layers": ("lora[leave_out=(1,)]", SEQUENCE),
    "ia3": ("ia3", SEQUENCE),
    "ia3_some_layers": ("ia3[outputs=(q,lin1),inputs=(out,lin2),leave_out=(0,)]", SEQUENCE),
    "multilabel": ("lora", MultilabelHeadConfig(labels=LABELS, **POOLED)),
    "regression": (
        "lora",
        RegressionHeadConfig(outputs=("score",), target_mean=(2.5,), target_scale=(3.0,), **POOLED),
    ),
    "choices": ("lora", MultipleChoiceHeadConfig(**POOLED)),
    "tokens": ("lora", TaggingHeadConfig(labels=LABELS, hidden="last", layers=1, context=0)),
    "answers": ("lora", QuestionAnsweringHeadConfig(hidden="last")),
    "words": ("lora", MaskedLMHeadConfig()),
    "bare": ("lora", None),
}
SUMMARY = (
    "Largest difference of any output, on a random encoder of 3 layers and width 32 with random "
    "adapters and heads. PEFT 0.21.2."
)
CLASSES = {
    "classification": "DistilBertForSequenceClassification",
    "multilabel": "DistilBertForSequenceClassification",
    "regression": "DistilBertForSequenceClassification",
    "multiple_choice": "DistilBertForMultipleChoice",
    "tagging": "DistilBertForTokenClassification",
    "question_answering": "DistilBertForQuestionAnswering",
    "masked_lm": "DistilBertForMaskedLM",
}


def main() -> None:
    """Run both directions and keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", type=Path, required=True)
    peer = parser.parse_args().peer_python
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = backbone(folder / "backbone")
        before = model.encoder.fingerprint()
        read = dict(read_theirs(model, peer, folder))
        written = write_ours(model, peer, folder)
        if model.encoder.fingerprint() != before:
            raise ValueError("the encoder was written")
    results = {"surroundings": report.surroundings(), "read": read, "written": written}
    report.write(HERE, results, markdown(results), "results_peft")
    worst = max([*read.values(), *written.values()])
    print(f"largest difference: {worst:.1e}")
    if worst > MOST:
        sys.exit(1)


def backbone(folder: Path) -> DistilBertModelWithHeads:
    """A small random encoder, also written as a checkpoint."""
    torch.manual_seed(0)
    config = DistilBertConfig(**SIZES)
    DistilBertModel(config, encoder=Encoder(config)).save_pretrained(folder)
    return DistilBertModelWithHeads.from_pretrained(folder)


def run_peer(peer: Path, folder: Path, *arguments: str) -> str:
    """Run the other side; what it prints."""
    script = str(HERE / "peft_side.py")
    command = [str(peer.absolute()), "-P", script, *arguments]
    return report.run_process(command, cwd=folder, environment={"HF_HUB_OFFLINE": "1"}).stdout


def read_theirs(
    model: DistilBertModelWithHeads, peer: Path, folder: Path
) -> Iterator[tuple[str, float]]:
    """What PEFT saved, read by us: the largest difference of each."""
    theirs = folder / "theirs"
    theirs.mkdir()
    run_peer(peer, folder, "write", str(theirs), str(folder / "backbone"))
    for path in sorted(theirs.iterdir()):
        bundle = PEFT.read(path, model, path.name)
        add(model, bundle)
        expected = load_file(path / "expected.safetensors")
        inputs = {name: expected[name] for name in INPUTS}
        found = outputs(model, inputs, path.name, path.name if bundle.heads else None)
        names = found.keys() & expected.keys()
        if names:  # "no_head" has a head of its base model, which is in no file
            yield (
                path.name,
                max(float((found[name] - expected[name]).abs().max()) for name in names),
            )
        model = DistilBertModelWithHeads.from_pretrained(folder / "backbone")


def write_ours(model: DistilBertModelWithHeads, peer: Path, folder: Path) -> dict[str, float]:
    """What we wrote, read by PEFT and by transformers: the largest difference of each."""
    ours = folder / "ours"
    kept = load_file(folder / "theirs" / "lora" / "expected.safetensors")
    inputs = {name: kept[name] for name in INPUTS}
    torch.manual_seed(5)
    for name, (adapter, head) in WRITTEN.items():
        model.add_adapter(name, adapter)
        if head is not None:
            model.add_head(name, head)
        parts = [model.adapters[name], *([model.heads[name]] if head is not None else [])]
        with torch.no_grad():
            for part in parts:
                for weight in part.parameters():
                    weight.add_(torch.randn(weight.shape), alpha=0.2)
        bundle = bundle_of(model, name)
        kind = None if head is None else model.heads[name].kind
        class_name = "DistilBertModel" if kind is None else CLASSES[kind]
        rows = inputs
        if kind == "multiple_choice":
            rows = {key: value.view(2, 2, -1) for key, value in inputs.items()}
        expected = outputs(model, rows, name, None if head is None else name)
        number = {"regression": 1}.get(str(kind), len(LABELS))
        for suffix, form in (("", PEFT), (MERGED, TRANSFORMERS)):
            place = ours / (name + suffix)
            place.mkdir(parents=True)
            for file, content in form.write(bundle, model, None).items():
                (place / file).write_bytes(content)
            save_file(expected, place / "expected.safetensors")
            (place / "class.txt").write_text(class_name)
            (place / "labels.txt").write_text(str(number))
    return json.loads(run_peer(peer, folder, "read", str(ours), str(folder / "backbone")))


def bundle_of(model: DistilBertModelWithHeads, name: str) -> Bundle:
    """The adapter of that name and its head, as parts."""
    adapter = model.adapters[name]
    parts = (AdapterPart(name, adapter.config, adapter.state_dict()),)
    if name not in model.heads:
        return Bundle(parts)
    head = model.heads[name]
    return Bundle(parts, (HeadPart(name, head.config, head.state_dict(), name),))


def add(model: DistilBertModelWithHeads, bundle: Bundle) -> None:
    """Put the parts into the model."""
    for adapter in bundle.adapters:
        model.add_adapter(adapter.name, adapter.config)
        model.adapters[adapter.name].load_state_dict(dict(adapter.tensors))
    for head in bundle.heads:
        model.add_head(head.name, head.config)
        model.heads[head.name].load_state_dict(dict(head.tensors))


@torch.no_grad()
def outputs(
    model: DistilBertModelWithHeads, inputs: dict[str, torch.Tensor], adapter: str, head: str | None
) -> dict[str, torch.Tensor]:
    """What the model computes, under the names of transformers; masked places are 0."""
    mask = inputs["attention_mask"]
    done = model(**inputs, adapter_names=adapter, head=head)
    if head is None:
        return {"last_hidden_state": (done.last_hidden_state * mask.unsqueeze(-1)).contiguous()}
    if model.heads[head].kind == "question_answering":
        sides = done.outputs[head]
        return {
            f"{side}_logits": torch.where(mask.bool(), sides[side], 0.0).contiguous()
            for side in ("start", "end")
        }
    logits = done.logits
    if model.heads[head].answers == "token":
        logits = logits * mask.unsqueeze(-1)
    return {"logits": logits.contiguous()}


def markdown(results: dict[str, Any]) -> str:
    """The tables to quote."""
    rows = [[name, f"{gap:.1e}"] for name, gap in results["read"].items()]
    written = results["written"]
    both = [
        [name, f"{written[name]:.1e}", f"{written[name + MERGED]:.1e}"]
        for name in written
        if not name.endswith(MERGED)
    ]
    return "\n\n".join(
        [
            "# Files of PEFT and transformers, in and out",
            SUMMARY,
            "## Written by PEFT, read by polyhead",
            report.table(["adapter", "difference"], rows),
            "## Written by polyhead",
            report.table(["adapter", "read by PEFT", "merged, read by transformers"], both),
            report.describe(results["surroundings"]),
        ]
    )


if __name__ == "__main__":
    main()
