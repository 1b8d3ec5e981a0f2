"""Which part of `polyhead-crf` helps? Heads alone on the bare encoder, with the parts one by one.

The encoder's states are computed once and kept, so that a run takes under a minute and several
seeds are no matter. All runs have the same epochs, learning rate, batch and warm-up. Results are
written to `crf_parts.json` and `crf_parts.md` next to this file.

Run it from the root of the repository, in an environment with polyhead, its extra `train`, and
`plugins/polyhead-crf`:

    python benchmarks/plugins/crf_parts.py
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from polyhead_crf import CRFHead, CRFHeadConfig
from torch import Tensor, nn

import polyhead as ph
from polyhead.heads import TaggingHead, TaggingHeadConfig, WordTagHead

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import report  # noqa: E402  (found by the line above)

EPOCHS, LR, BATCH_SIZE, WARMUP_RATIO, MAX_LENGTH = 6, 5e-3, 32, 0.1, 128
ENCODER_BATCH = 64
SCORES = ("first", "following", "last")


@dataclass(frozen=True)
class Variant:
    """One kind of head with some of the parts.

    Attributes:
        title: What the table calls it.
        is_crf: Whether it is a CRF; else the built-in tagging head.
        learns_scores: Whether a CRF learns the scores of tags; else they stay 0.
        fields: Of its config.
    """

    title: str
    is_crf: bool = True
    learns_scores: bool = True
    fields: tuple[tuple[str, Any], ...] = ()

    def build(self, labels: tuple[str, ...], shape: ph.EncoderShape) -> WordTagHead:
        """Return a fresh head."""
        fields = {"labels": labels, **dict(self.fields)}
        if not self.is_crf:
            return TaggingHead(TaggingHeadConfig(**fields), shape)
        head = CRFHead(CRFHeadConfig(**fields), shape)
        for name in SCORES:
            getattr(head, name).requires_grad_(self.learns_scores)
        return head


FREE = ("follows_scheme", False)
VARIANTS = (
    Variant("tagging", is_crf=False),
    Variant("crf without scheme and scores", learns_scores=False, fields=(FREE,)),
    Variant("crf with the scheme alone", learns_scores=False),
    Variant("crf with learned scores alone", fields=(FREE,)),
    Variant("crf"),
    Variant("crf[aggregation=first]", fields=(("aggregation", "first"),)),
)


@dataclass(frozen=True)
class Part:
    """Labelled examples and what the bare encoder makes of them.

    Attributes:
        examples: The examples.
        encoded: Their rows.
        states: All layers' states of each, (n_tokens, layers, width), in half precision.
    """

    examples: list[Any]
    encoded: list[ph.Encoded]
    states: list[Tensor]

    def for_head(self, head: WordTagHead) -> Part:
        """Return the same with the targets of this head."""
        tokenizer = tokenizer_of(model())
        return replace(self, encoded=head.encode(self.examples, tokenizer))

    def compute(self, head: WordTagHead, places: list[int]) -> tuple[Tensor, list[ph.Encoded]]:
        """Return a head's logits for some of the examples, and these."""
        chosen = [self.encoded[place] for place in places]
        packing = ph.Packing(tuple(len(row) for item in chosen for row in item.rows))
        states = torch.cat([self.states[place] for place in places]).float().unbind(dim=1)
        hidden = replace(ph.Hidden.of_rows(states[-1], packing), batch_layers=states)
        return head(head.select(hidden)), chosen


_models: list[ph.DistilBertModelWithHeads] = []


def model() -> ph.DistilBertModelWithHeads:
    """Return the encoder, loaded once."""
    if not _models:
        _models.append(ph.DistilBertModelWithHeads.from_pretrained("minilm"))
    return _models[0]


def tokenizer_of(found: ph.DistilBertModelWithHeads) -> ph.Tokenizer:
    """Return the tokenizer with the length of all runs."""
    return found.tokenizer.with_settings(ph.TextSettings(max_length=MAX_LENGTH))


def read(path: Path) -> list[Any]:
    """Read words and tags."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [CRFHead.parse({key: json.loads(x)[key] for key in ("tokens", "tags")}) for x in lines]


def prepare(examples: list[Any], head: WordTagHead) -> Part:
    """Compute the states of all examples, those of like length together."""
    from polyhead.batch import Packed  # noqa: PLC0415  (the encoder is no part of the public face)

    encoded = head.encode(examples, tokenizer_of(model()))
    states = [torch.empty(0)] * len(encoded)
    order = sorted(range(len(encoded)), key=lambda place: encoded[place].n_tokens)
    with torch.inference_mode():
        for start in range(0, len(order), ENCODER_BATCH):
            places = order[start : start + ENCODER_BATCH]
            rows = [row for place in places for row in encoded[place].rows]
            layers = model().encoder(Packed.of(rows), keep_layers=True).layers
            sizes = [encoded[place].n_tokens for place in places]
            for place, own in zip(
                places, torch.stack(layers, dim=1).half().split(sizes), strict=True
            ):
                states[place] = own.clone()
    return Part(examples, encoded, states)


def train(variant: Variant, seed: int, labels: tuple[str, ...], parts: tuple[Part, Part]) -> Any:
    """Train one head; return the F1 of each epoch and the processor seconds."""
    started = time.process_time()
    torch.manual_seed(seed)
    head = variant.build(labels, model().shape)
    training, dev = (part.for_head(head) for part in parts)
    weights = [weight for weight in head.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LR, weight_decay=0.0)
    order = torch.Generator().manual_seed(seed)
    n_steps = math.ceil(len(training.encoded) / BATCH_SIZE) * EPOCHS
    n_warmup = math.ceil(n_steps * WARMUP_RATIO)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / n_warmup, (n_steps - step) / (n_steps - n_warmup)),
    )
    figures = []
    for _ in range(EPOCHS):
        head.train()
        places = torch.randperm(len(training.encoded), generator=order).tolist()
        for start in range(0, len(places), BATCH_SIZE):
            output, chosen = training.compute(head, places[start : start + BATCH_SIZE])
            optimizer.zero_grad()
            head.loss(output, ph.targets_of(chosen)).backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
        figures.append(measure(head, dev))
    return {"f1": figures, "cpu_s": time.process_time() - started}


def measure(head: WordTagHead, dev: Part) -> float:
    """Return the F1 of entities."""
    head.eval()
    metrics = head.metrics()
    with torch.inference_mode():
        for start in range(0, len(dev.encoded), ENCODER_BATCH):
            places = list(range(start, min(start + ENCODER_BATCH, len(dev.encoded))))
            metrics.update(*dev.compute(head, places))
    return metrics.compute()["f1"]


def as_table(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Format one row for each variant."""
    rows = []
    for title, found in runs.items():
        best = [max(run["f1"]) for run in found]
        last = [run["f1"][-1] for run in found]
        spread = f"{min(best):.3f} to {max(best):.3f}"
        rows.append(
            [title, f"{statistics.fmean(best):.3f}", spread, f"{statistics.fmean(last):.3f}"]
        )
    return report.table(["Head", "F1", "over the seeds", "F1, last epoch"], rows)


def save(given: argparse.Namespace, runs: dict[str, list[dict[str, Any]]]) -> str:
    """Write the results of the runs so far and return the table."""
    facts = report.surroundings() | {"polyhead-crf": report.installed("polyhead-crf")}
    note = (
        f"Entities of {given.set}'s dev part, heads alone on the bare encoder (minilm), {EPOCHS} "
        f"epochs, learning rate {LR:g}, batch {BATCH_SIZE}: the epoch with the best F1, means over "
        f"the seeds {' '.join(str(seed) for seed in given.seeds)}. One thread.\n\n"
        f"{report.describe(facts)[:-1]}, polyhead-crf {facts['polyhead-crf']}."
    )
    document = {
        "surroundings": facts,
        "command": "python benchmarks/plugins/crf_parts.py",
        "set": given.set,
        "seeds": given.seeds,
        "runs": runs,
    }
    markdown = f"{as_table(runs)}\n\n{note}\n"
    report.write(HERE, document, markdown, name="crf_parts")
    return markdown


def main() -> None:
    """Run every variant with every seed, saving after each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", default="wnut17", choices=("wnut17", "uner_ewt"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    torch.set_num_threads(1)
    train_examples, dev_examples = (
        read(given.data_root / given.set / f"{part}.jsonl") for part in ("train", "dev")
    )
    labels = CRFHead.configure({}, train_examples).labels
    reader = VARIANTS[0].build(labels, model().shape)
    report.progress("computing the encoder's states")
    parts = prepare(train_examples, reader), prepare(dev_examples, reader)
    runs: dict[str, list[dict[str, Any]]] = {}
    for variant in VARIANTS:
        for seed in given.seeds:
            report.progress(f"{variant.title}, seed {seed}")
            run = {"seed": seed, **train(variant, seed, labels, parts)}
            runs.setdefault(variant.title, []).append(run)
        markdown = save(given, runs)
    print(markdown)


if __name__ == "__main__":
    main()
