"""Train one `seq_bn` adapter and a classification head with AdapterHub `adapters`.

The other side of the benchmark, written to be as quick as the library's normal use allows: texts
are tokenised once before the first epoch, each batch is padded to its own longest text, AdamW is
the fused one (the default of the transformers trainer), and there is no trainer around the loop.
Everything else is the library's default: `train_adapter` freezes the encoder, dropout is on while
training, and the head is the default one (two layers, tanh, on the CLS position).

Prints JSON lines: one `setup`, one `epoch` for each epoch (the keys `polyhead train` writes, and
the numbers of computed and of useful tokens), and one `end` with versions and parameter counts.

It runs in the environment of `benchmarks/peers-requirements.txt`, as a file and with `python -P`,
so that the folder `adapters` of this repository never hides the library of that name.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import math
import platform
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TASK = "task"
WEIGHT_DECAY = 0.0


@dataclass(frozen=True)
class Settings:
    """What to train on, and how.

    Attributes:
        data: Folder with `train.jsonl` and `dev.jsonl`.
        encoder: Folder with the encoder's `config.json`, weights and tokenizer.
        epochs: Passes over the training part.
        lr: Highest learning rate, reached at the end of the warm-up.
        batch_size: Texts in a batch, in training and in evaluation.
        max_length: Tokens after which a text is cut, special tokens included.
        seed: Seed of the new weights, of dropout and of the order of the texts.
        warmup_ratio: Share of all steps in which the learning rate rises.
    """

    data: Path
    encoder: Path
    epochs: int
    lr: float
    batch_size: int
    max_length: int
    seed: int
    warmup_ratio: float


@dataclass(frozen=True)
class Rows:
    """Tokenised texts with the numbers of their labels."""

    input_ids: list[list[int]]
    labels: list[int]


@dataclass(frozen=True)
class Batch:
    """One padded batch, all three tensors of the `adapters` call."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor


@dataclass
class Tokens:
    """Tokens computed (padding included) and useful (padding left out)."""

    computed: int = 0
    useful: int = 0

    def add(self, batch: Batch) -> None:
        """Count the tokens of one batch."""
        self.computed += batch.input_ids.numel()
        self.useful += int(batch.attention_mask.sum())


def read_jsonl(path: Path) -> list[dict[str, str]]:
    """Read one JSON object a line."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tokenise(
    examples: Sequence[dict[str, str]],
    label_ids: dict[str, int],
    encode: Callable[[list[str]], list[list[int]]],
) -> Rows:
    """Turn examples into token ids and label numbers."""
    texts = [example["text"] for example in examples]
    return Rows(encode(texts), [label_ids[example["label"]] for example in examples])


def pad(rows: Rows, chosen: Sequence[int], pad_id: int) -> Batch:
    """Make a batch of the chosen rows, as long as the longest of them."""
    pieces = [rows.input_ids[index] for index in chosen]
    longest = max(map(len, pieces))
    return Batch(
        torch.tensor([piece + [pad_id] * (longest - len(piece)) for piece in pieces]),
        torch.tensor([[1] * len(piece) + [0] * (longest - len(piece)) for piece in pieces]),
        torch.tensor([rows.labels[index] for index in chosen]),
    )


def batches(rows: Rows, order: Sequence[int], size: int, pad_id: int) -> Iterator[Batch]:
    """Yield the rows in the given order; the last batch may be smaller."""
    for start in range(0, len(order), size):
        yield pad(rows, order[start : start + size], pad_id)


def build_model(encoder: Path, n_labels: int) -> torch.nn.Module:
    """Load the encoder with one new adapter and head, ready for training."""
    # By name: for a type checker at the root of this repository, `adapters` is its own folder.
    loaded = importlib.import_module("adapters").BertAdapterModel.from_pretrained(encoder)
    loaded.add_adapter(TASK, config="seq_bn")
    loaded.add_classification_head(TASK, num_labels=n_labels)
    loaded.train_adapter(TASK)
    model: torch.nn.Module = loaded
    return model


def linear_schedule(
    optimizer: torch.optim.Optimizer, n_steps: int, warmup_ratio: float
) -> torch.optim.lr_scheduler.LambdaLR:
    """Rise linearly over the warm-up, then fall linearly to zero at the last step."""
    n_warmup = int(n_steps * warmup_ratio)

    def factor(step: int) -> float:
        if step < n_warmup:
            return step / max(1, n_warmup)
        return max(0.0, (n_steps - step) / max(1, n_steps - n_warmup))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def train_epoch(
    model: torch.nn.Module,
    data: Iterator[Batch],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
) -> tuple[float, Tokens]:
    """Run one epoch.

    Returns:
        The mean loss over batches, and the tokens of the epoch.
    """
    model.train()
    tokens = Tokens()
    losses: list[torch.Tensor] = []
    for batch in data:
        loss = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels
        ).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        tokens.add(batch)
    return float(torch.stack(losses).mean()), tokens


def evaluate(model: torch.nn.Module, data: Iterator[Batch]) -> dict[str, float]:
    """Return accuracy and macro F1."""
    model.eval()
    predicted: list[int] = []
    expected: list[int] = []
    with torch.inference_mode():
        for batch in data:
            output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
            predicted += output.logits.argmax(dim=-1).tolist()
            expected += batch.labels.tolist()
    metrics = importlib.import_module("sklearn.metrics")
    return {
        "accuracy": float(metrics.accuracy_score(expected, predicted)),
        "macro_f1": float(metrics.f1_score(expected, predicted, average="macro", zero_division=0)),
    }


def parameter_counts(model: torch.nn.Module) -> dict[str, int]:
    """Count the parameters of the whole model, and the trained ones by owner."""
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    head = sum(count for name, count in trained.items() if name.startswith("heads."))
    total = sum(trained.values())
    everything = sum(parameter.numel() for parameter in model.parameters())
    return {"all": everything, "trained": total, "adapter": total - head, "head": head}


def versions() -> dict[str, str]:
    """Return the versions this run depends on."""
    names = ("adapters", "transformers", "torch", "tokenizers")
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in names
    }


def emit(event: str, **fields: object) -> None:
    """Print one JSON line."""
    print(json.dumps({"event": event, **fields}), flush=True)


def load(settings: Settings) -> tuple[torch.nn.Module, Rows, Rows, int]:
    """Read the texts, load the model, tokenise once, and print how long each of them took.

    Returns:
        The model, the training rows, the dev rows and the id of the padding token.
    """
    transformers = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()
    started = time.perf_counter()
    train, dev = (read_jsonl(settings.data / f"{part}.jsonl") for part in ("train", "dev"))
    label_ids = {label: i for i, label in enumerate(sorted({row["label"] for row in train}))}
    read = time.perf_counter()
    tokenizer = transformers.AutoTokenizer.from_pretrained(settings.encoder)
    model = build_model(settings.encoder, len(label_ids))
    loaded = time.perf_counter()

    def encode(texts: list[str]) -> list[list[int]]:
        encoded = tokenizer(texts, truncation=True, max_length=settings.max_length)
        pieces: list[list[int]] = encoded["input_ids"]
        return pieces

    train_rows, dev_rows = (tokenise(part, label_ids, encode) for part in (train, dev))
    emit(
        "setup",
        read_s=read - started,
        load_s=loaded - read,
        tokenise_s=time.perf_counter() - loaded,
        train_rows=len(train),
        dev_rows=len(dev),
        labels=len(label_ids),
        threads=torch.get_num_threads(),
    )
    return model, train_rows, dev_rows, tokenizer.pad_token_id


def run(settings: Settings) -> None:
    """Load, train, evaluate after each epoch, and print what was measured."""
    torch.manual_seed(settings.seed)
    order = random.Random(settings.seed)  # noqa: S311  (an order of texts, not a secret)
    model, train, dev, pad_id = load(settings)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, settings.lr, weight_decay=WEIGHT_DECAY, fused=True)
    n_train, n_dev, size = len(train.labels), len(dev.labels), settings.batch_size
    n_steps = math.ceil(n_train / size) * settings.epochs
    schedule = linear_schedule(optimizer, n_steps, settings.warmup_ratio)
    for epoch in range(1, settings.epochs + 1):
        started = time.perf_counter()
        shuffled = order.sample(range(n_train), n_train)
        loss, tokens = train_epoch(
            model, batches(train, shuffled, size, pad_id), optimizer, schedule
        )
        after_training = time.perf_counter()
        metrics = evaluate(model, batches(dev, range(n_dev), size, pad_id))
        emit(
            "epoch",
            epoch=epoch,
            train_s=after_training - started,
            eval_s=time.perf_counter() - after_training,
            train_loss=loss,
            metrics=metrics,
            computed_tokens=tokens.computed,
            useful_tokens=tokens.useful,
        )
    emit("end", versions=versions(), parameters=parameter_counts(model))


def parse_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warmup-ratio", type=float, default=0.1)
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    run(parse_settings())
