"""Tasks on whole texts, for the `adapters` side: rows, head, batches and metrics."""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch

TASK = "task"
IGNORED = -100

Json = dict[str, Any]
Arguments = dict[str, torch.Tensor]


@dataclass
class Row:
    """One tokenised input.

    Attributes:
        input_ids: Token ids, special tokens included.
        token_type_ids: 0 for the first text, 1 for the second.
        target: What the head learns: a number, several, or one for each token.
        extra: What the metric needs beside it.
    """

    input_ids: list[int]
    token_type_ids: list[int]
    target: Any
    extra: Any = field(default=None)


@dataclass(frozen=True)
class Source:
    """Where a task takes its rows from.

    Attributes:
        data: Folder with `train.jsonl` and `dev.jsonl`.
        tokenizer: The encoder's tokenizer.
        max_length: Tokens of a window, special tokens included.
        stride: Tokens that two windows of one text share.
        seed: Seed of what is drawn beside the order of the rows.
        limit: Examples read of each part; None for all.
    """

    data: Path
    tokenizer: Any
    max_length: int
    stride: int
    seed: int
    limit: int | None

    def read(self, part: str) -> list[Json]:
        """Read one part's examples."""
        with (self.data / f"{part}.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in islice(lines, self.limit)]


class Task(ABC):
    """Rows of one data set, and everything that depends on the kind of head.

    Attributes:
        train: Rows to train on.
        dev: Rows to evaluate on.
        main_metric: The metric that picks the best epoch.
        higher_is_better: Whether more of it is better.
        pad_id: Id of the padding token.
    """

    main_metric: str
    higher_is_better = True

    def __init__(self, source: Source) -> None:
        self.pad_id: int = source.tokenizer.pad_token_id
        self.train: list[Row] = []
        self.dev: list[Row] = []

    @abstractmethod
    def add_head(self, model: Any) -> None:
        """Add the library's own head for this task to the model."""

    @abstractmethod
    def targets(self, rows: list[Row], length: int) -> Arguments:
        """Return the loss's arguments, padded to `length` where there is one for each token."""

    @abstractmethod
    def read(self, output: Any, rows: list[Row]) -> list[Any]:
        """Return one answer for each row of an evaluated batch."""

    @abstractmethod
    def score(self, answers: list[Any]) -> dict[str, float]:
        """Return the metrics of the answers to all dev rows, in their order."""

    def inputs(self, rows: list[Row]) -> Arguments:
        """Pad the rows to the longest of them."""
        longest = max(len(row.input_ids) for row in rows)
        mask = [[1] * len(row.input_ids) + [0] * (longest - len(row.input_ids)) for row in rows]
        return {
            "input_ids": torch.tensor([padded(r.input_ids, longest, self.pad_id) for r in rows]),
            "token_type_ids": torch.tensor([padded(r.token_type_ids, longest, 0) for r in rows]),
            "attention_mask": torch.tensor(mask),
        }

    def loss(self, model: torch.nn.Module, rows: list[Row]) -> tuple[torch.Tensor, int]:
        """Return the loss of a training batch, and how many tokens were computed."""
        arguments = self.inputs(rows)
        longest = arguments["input_ids"].shape[1]
        loss = model(**arguments, **self.targets(rows, longest)).loss
        return loss, arguments["input_ids"].numel()

    def answer(self, model: torch.nn.Module, rows: list[Row]) -> list[Any]:
        """Return the model's answers to a batch."""
        return self.read(model(**self.inputs(rows)), rows)


def padded(values: list[int], length: int, filler: int) -> list[int]:
    """Return the values with fillers up to `length`."""
    return values + [filler] * (length - len(values))


def encode_texts(source: Source, examples: list[Json]) -> list[Row]:
    """Tokenise texts, or pairs of texts, cutting what is longer than the window."""
    texts = [
        [example[key] for example in examples]
        for key in ("text", "text_pair")
        if key in examples[0]
    ]
    encoded = source.tokenizer(*texts, truncation=True, max_length=source.max_length)
    pairs = zip(encoded["input_ids"], encoded["token_type_ids"], strict=True)
    return [Row(ids, types, None) for ids, types in pairs]


def sklearn_metrics() -> Any:
    """Return scikit-learn's metrics."""
    return importlib.import_module("sklearn.metrics")


class Classification(Task):
    """One label a text."""

    main_metric = "accuracy"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        train, dev = source.read("train"), source.read("dev")
        self.labels = sorted({example["label"] for example in train})
        self.train, self.dev = (self.rows(source, part) for part in (train, dev))

    def rows(self, source: Source, examples: list[Json]) -> list[Row]:
        """Tokenise examples; a label that only dev has counts as wrong (-1)."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        rows = encode_texts(source, examples)
        for row, example in zip(rows, examples, strict=True):
            row.target = numbers.get(example["label"], -1)
        return rows

    def add_head(self, model: Any) -> None:
        """Add the default classification head."""
        model.add_classification_head(TASK, num_labels=len(self.labels))

    def targets(self, rows: list[Row], length: int) -> Arguments:  # noqa: ARG002
        """Return the label numbers."""
        return {"labels": torch.tensor([row.target for row in rows])}

    def read(self, output: Any, rows: list[Row]) -> list[int]:  # noqa: ARG002
        """Return the likeliest label's number."""
        numbers: list[int] = output.logits.argmax(dim=-1).tolist()
        return numbers

    def score(self, answers: list[int]) -> dict[str, float]:
        """Return accuracy, macro F1 and Matthews' correlation."""
        metrics = sklearn_metrics()
        expected = [row.target for row in self.dev]
        macro_f1 = metrics.f1_score(expected, answers, average="macro", zero_division=0)
        return {
            "accuracy": float(metrics.accuracy_score(expected, answers)),
            "macro_f1": float(macro_f1),
            "mcc": float(metrics.matthews_corrcoef(expected, answers)),
        }


class Regression(Task):
    """One number for a pair of texts, learned as it stands in the file."""

    main_metric = "spearman"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.train, self.dev = (self.rows(source, part) for part in ("train", "dev"))

    @staticmethod
    def rows(source: Source, part: str) -> list[Row]:
        """Tokenise one part."""
        examples = source.read(part)
        rows = encode_texts(source, examples)
        for row, example in zip(rows, examples, strict=True):
            row.target = float(example["label"])
        return rows

    def add_head(self, model: Any) -> None:
        """Add the default classification head with one output: the library's regression."""
        model.add_classification_head(TASK, num_labels=1)

    def targets(self, rows: list[Row], length: int) -> Arguments:  # noqa: ARG002
        """Return the scores."""
        return {"labels": torch.tensor([row.target for row in rows])}

    def read(self, output: Any, rows: list[Row]) -> list[float]:  # noqa: ARG002
        """Return the predicted scores."""
        scores: list[float] = output.logits.squeeze(-1).tolist()
        return scores

    def score(self, answers: list[float]) -> dict[str, float]:
        """Return both correlations and the squared error."""
        stats = importlib.import_module("scipy.stats")
        expected = [row.target for row in self.dev]
        return {
            "pearson": float(stats.pearsonr(expected, answers).statistic),
            "spearman": float(stats.spearmanr(expected, answers).statistic),
            "mse": float(sklearn_metrics().mean_squared_error(expected, answers)),
        }


class Multilabel(Task):
    """Any number of labels a text, each taken at probability 0.5."""

    main_metric = "micro_f1"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        train, dev = source.read("train"), source.read("dev")
        self.labels = sorted({label for example in train + dev for label in example["labels"]})
        self.train, self.dev = (self.rows(source, part) for part in (train, dev))

    def rows(self, source: Source, examples: list[Json]) -> list[Row]:
        """Tokenise examples."""
        rows = encode_texts(source, examples)
        for row, example in zip(rows, examples, strict=True):
            row.target = [int(label in example["labels"]) for label in self.labels]
        return rows

    def add_head(self, model: Any) -> None:
        """Add the default multi-label head."""
        model.add_classification_head(TASK, num_labels=len(self.labels), multilabel=True)

    def targets(self, rows: list[Row], length: int) -> Arguments:  # noqa: ARG002
        """Return a 0 or 1 for each label."""
        return {"labels": torch.tensor([row.target for row in rows]).float()}

    def read(self, output: Any, rows: list[Row]) -> list[list[int]]:  # noqa: ARG002
        """Return a 0 or 1 for each label."""
        chosen: list[list[int]] = (output.logits > 0).int().tolist()
        return chosen

    def score(self, answers: list[list[int]]) -> dict[str, float]:
        """Return micro and macro F1."""
        expected = [row.target for row in self.dev]
        f1 = sklearn_metrics().f1_score
        return {
            f"{average}_f1": float(f1(expected, answers, average=average, zero_division=0))
            for average in ("micro", "macro")
        }
