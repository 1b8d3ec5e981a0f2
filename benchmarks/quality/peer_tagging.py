"""Tags of words, for the `adapters` side."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import torch

from benchmarks.quality.peer_tasks import IGNORED, TASK, Arguments, Json, Row, Source, Task, padded

NO_ENTITY = "O"
NO_TAG = ""


class Tagging(Task):
    """One tag a word, learned and read on the word's first sub-word."""

    main_metric = "accuracy"
    missing = NO_TAG

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        train, dev = source.read("train"), source.read("dev")
        self.labels = sorted({tag for example in train for tag in example["tags"]})
        self.train, self.dev = (self.rows(source, part) for part in (train, dev))

    def rows(self, source: Source, examples: list[Json]) -> list[Row]:
        """Tokenise words; `extra` has the word of each labelled token, and all true tags."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        words = [example["tokens"] for example in examples]
        encoded = source.tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=source.max_length
        )
        rows = []
        for index, example in enumerate(examples):
            firsts = first_pieces(encoded.word_ids(index))
            ids, types = encoded["input_ids"][index], encoded["token_type_ids"][index]
            target = [
                IGNORED if word is None else numbers.get(example["tags"][word], IGNORED)
                for word in firsts
            ]
            rows.append(Row(ids, types, target, extra=(firsts, example["tags"])))
        return rows

    def add_head(self, model: Any) -> None:
        """Add the default tagging head."""
        model.add_tagging_head(TASK, num_labels=len(self.labels))

    def targets(self, rows: list[Row], length: int) -> Arguments:
        """Return a tag number for each first sub-word."""
        return {"labels": torch.tensor([padded(row.target, length, IGNORED) for row in rows])}

    def read(self, output: Any, rows: list[Row]) -> list[list[str]]:
        """Return a tag for each word; `missing` for a word beyond the window."""
        return [
            self.word_tags(numbers, row)
            for numbers, row in zip(output.logits.argmax(dim=-1).tolist(), rows, strict=True)
        ]

    def word_tags(self, numbers: list[int], row: Row) -> list[str]:
        """Return the tags of one row's words."""
        firsts, expected = row.extra
        tags = [self.missing] * len(expected)
        for number, word in zip(numbers, firsts, strict=False):  # the rest is padding
            if word is not None:
                tags[word] = self.labels[number]
        return tags

    def score(self, answers: list[list[str]]) -> dict[str, float]:
        """Return the share of words with the right tag."""
        pairs = [
            expected == answer
            for row, tags in zip(self.dev, answers, strict=True)
            for expected, answer in zip(row.extra[1], tags, strict=True)
        ]
        return {"accuracy": sum(pairs) / len(pairs)}


class EntityTagging(Tagging):
    """BIO tags, scored as entities by seqeval in its default mode."""

    main_metric = "f1"
    missing = NO_ENTITY

    def score(self, answers: list[list[str]]) -> dict[str, float]:
        """Return precision, recall and F1 of entities beside the accuracy of words."""
        metrics = importlib.import_module("seqeval.metrics")
        expected = [row.extra[1] for row in self.dev]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no entity predicted: the figure is 0
            entities = {
                name: float(getattr(metrics, f"{name}_score")(expected, answers))
                for name in ("f1", "precision", "recall")
            }
        return entities | super().score(answers)


def first_pieces(words: list[int | None]) -> list[int | None]:
    """Keep the word's number on its first sub-word alone."""
    return [
        word if word is not None and (place == 0 or words[place - 1] != word) else None
        for place, word in enumerate(words)
    ]
