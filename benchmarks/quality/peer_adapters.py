"""Train one `seq_bn` adapter and a head of AdapterHub `adapters` on any of the data sets.

The other side of the benchmark. As in the classification benchmark: texts are tokenised once,
each batch is padded to its own longest row, the optimiser is the fused AdamW without weight decay,
the learning rate rises and falls linearly, dropout is on while training, and the head is the
library's default one for the kind of task (masked LM runs it on the masked tokens alone).

Prints JSON lines: one `setup`, one `epoch` for each epoch, and one `end` with the best and the
last epoch's metrics, times, versions and parameter counts.

It runs in the environment of `benchmarks/peers-requirements.txt`, as a file and with `python -P`,
so that the folder `adapters` of this repository never hides the library of that name.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.metadata
import math
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

# At the end: the library `adapters` must come before the folder of that name.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.classification import peer_adapters as common
from benchmarks.quality import peer_masked_lm, peer_questions, peer_tagging, peer_tasks
from benchmarks.quality.peer_tasks import TASK, Row, Source, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KINDS: dict[str, Callable[[Source], Task]] = {
    "classification": peer_tasks.Classification,
    "regression": peer_tasks.Regression,
    "multilabel": peer_tasks.Multilabel,
    "tagging": peer_tagging.Tagging,
    "entities": peer_tagging.EntityTagging,
    "squad1": functools.partial(peer_questions.QuestionAnswering, refuses=False),
    "squad2": functools.partial(peer_questions.QuestionAnswering, refuses=True),
    "masked_lm": peer_masked_lm.MaskedLM,
}


@dataclass(frozen=True)
class Settings:
    """What to train on, and how.

    Attributes:
        kind: One of `KINDS`.
        data: Folder with `train.jsonl` and `dev.jsonl`.
        encoder: Folder with the encoder's `config.json`, weights and tokenizer.
        adapter: Whether an adapter is trained beside the head.
        epochs: Passes over the training part.
        lr: Highest learning rate, reached at the end of the warm-up.
        batch_size: Rows in a batch, in training and in evaluation.
        max_length: Tokens of a row, special tokens included.
        stride: Tokens that two windows of one context share.
        seed: Seed of the new weights, of dropout, of masks and of the order of the rows.
        warmup_ratio: Share of all steps in which the learning rate rises.
        limit: Examples of each part that are read; None for all.
    """

    kind: str
    data: Path
    encoder: Path
    adapter: bool
    epochs: int
    lr: float
    batch_size: int
    max_length: int
    stride: int
    seed: int
    warmup_ratio: float
    limit: int | None


def build_model(settings: Settings, task: Task) -> Any:
    """Load the encoder with one new head, and an adapter if one is wanted, ready for training."""
    model = importlib.import_module("adapters").BertAdapterModel.from_pretrained(settings.encoder)
    if settings.adapter:
        model.add_adapter(TASK, config="seq_bn")
    task.add_head(model)
    if settings.adapter:
        model.train_adapter(TASK)
    else:
        model.freeze_model(True)
    model.active_head = TASK
    return model


def train_epoch(
    model: torch.nn.Module,
    task: Task,
    rows: Sequence[Row],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    *,
    size: int,
) -> tuple[float, int]:
    """Run one epoch over the rows in their order.

    Returns:
        The mean loss over batches, and the number of computed tokens.
    """
    model.train()
    losses: list[torch.Tensor] = []
    computed = 0
    for start in range(0, len(rows), size):
        loss, n_tokens = task.loss(model, list(rows[start : start + size]))
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        computed += n_tokens
    return float(torch.stack(losses).mean()), computed


def evaluate(model: torch.nn.Module, task: Task, size: int) -> dict[str, float]:
    """Return the metrics on dev; rows of like length share a batch."""
    model.eval()
    order = sorted(range(len(task.dev)), key=lambda index: len(task.dev[index].input_ids))
    answers: list[Any] = [None] * len(order)
    with torch.inference_mode():
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            found = task.answer(model, [task.dev[index] for index in chosen])
            for index, answer in zip(chosen, found, strict=True):
                answers[index] = answer
    return task.score(answers)


def versions() -> dict[str, str]:
    """Return the versions this run depends on."""
    return common.versions() | {
        name: importlib.metadata.version(name) for name in ("scikit-learn", "seqeval")
    }


def load(settings: Settings) -> tuple[Any, Task]:
    """Tokenise the data, load the model, and print what was loaded."""
    transformers = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()
    started = time.perf_counter()
    tokenizer = transformers.AutoTokenizer.from_pretrained(settings.encoder)
    task = KINDS[settings.kind](
        Source(
            settings.data,
            tokenizer,
            settings.max_length,
            settings.stride,
            settings.seed,
            settings.limit,
        )
    )
    tokenised = time.perf_counter()
    model = build_model(settings, task)
    common.emit(
        "setup",
        set=settings.data.name,
        kind=settings.kind,
        tokenise_s=tokenised - started,
        load_s=time.perf_counter() - tokenised,
        train_rows=len(task.train),
        dev_rows=len(task.dev),
        threads=torch.get_num_threads(),
        command=sys.argv[1:],
        parameters=common.parameter_counts(model),
    )
    return model, task


def run(settings: Settings) -> None:
    """Load, train, evaluate after each epoch, and print what was measured."""
    started = time.perf_counter()
    torch.manual_seed(settings.seed)
    order = random.Random(settings.seed)  # noqa: S311  (an order of rows, not a secret)
    model, task = load(settings)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, settings.lr, weight_decay=0.0, fused=True)
    n_steps = math.ceil(len(task.train) / settings.batch_size) * settings.epochs
    schedule = common.linear_schedule(optimizer, n_steps, settings.warmup_ratio)
    measured = []
    for epoch in range(1, settings.epochs + 1):
        begun = time.perf_counter()
        shuffled = order.sample(task.train, len(task.train))
        loss, computed = train_epoch(
            model, task, shuffled, optimizer, schedule, size=settings.batch_size
        )
        after_training = time.perf_counter()
        metrics = evaluate(model, task, settings.batch_size)
        measured.append(metrics)
        common.emit(
            "epoch",
            epoch=epoch,
            train_s=after_training - begun,
            eval_s=time.perf_counter() - after_training,
            train_loss=loss,
            metrics=metrics,
            computed_tokens=computed,
        )
    pick = max if task.higher_is_better else min
    common.emit(
        "end",
        best=pick(measured, key=lambda metrics: metrics[task.main_metric]),
        last=measured[-1],
        main_metric=task.main_metric,
        seed=settings.seed,
        wall_s=time.perf_counter() - started,
        cpu_s=time.process_time(),
        versions=versions(),
    )


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--no-adapter", dest="adapter", action="store_false")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--stride", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warmup-ratio", type=float, default=0.1)
    parser.add_argument("--limit", type=int, default=None)
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    run(parse_settings())
