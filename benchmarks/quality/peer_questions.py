"""Question answering over windows, for the `adapters` side."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from benchmarks.quality import squad_metric
from benchmarks.quality.peer_tasks import TASK, Arguments, Json, Row, Source, Task

N_BEST = 20
MAX_ANSWER_TOKENS = 30


class Span(NamedTuple):
    """An answer in one window: its score and its characters in the context."""

    score: float
    start: int
    end: int


class WindowAnswer(NamedTuple):
    """What one window says: the best spans (none in a window without context) and "no answer"."""

    spans: list[Span]
    null_score: float


class QuestionAnswering(Task):
    """Spans of a context; `refuses` for data that has questions without an answer."""

    main_metric = "f1"

    def __init__(self, source: Source, *, refuses: bool) -> None:
        super().__init__(source)
        self.refuses = refuses
        self.examples = source.read("dev")
        self.train = windows(source, source.read("train"))
        self.dev = windows(source, self.examples)

    def add_head(self, model: Any) -> None:
        """Add the default question answering head."""
        model.add_qa_head(TASK)

    def targets(self, rows: list[Row], length: int) -> Arguments:  # noqa: ARG002
        """Return the first and last token of each answer; both 0 where the window has none."""
        starts, ends = zip(*(row.target for row in rows), strict=True)
        return {"start_positions": torch.tensor(starts), "end_positions": torch.tensor(ends)}

    def read(self, output: Any, rows: list[Row]) -> list[WindowAnswer]:
        """Return each window's best spans."""
        starts, ends = output.start_logits, output.end_logits
        return [best_spans(starts[i], ends[i], row) for i, row in enumerate(rows)]

    def score(self, answers: list[WindowAnswer]) -> dict[str, float]:
        """Join the windows of each question, and compare with the true answers."""
        of_question: list[list[WindowAnswer]] = [[] for _ in self.examples]
        for row, answer in zip(self.dev, answers, strict=True):
            of_question[row.extra[0]].append(answer)
        texts, margins = [], []
        for example, several in zip(self.examples, of_question, strict=True):
            best = max(span for answer in several for span in answer.spans)
            texts.append(example["context"][best.start : best.end])
            margins.append(min(answer.null_score for answer in several) - best.score)
        golds = [[answer["text"] for answer in example["answers"]] for example in self.examples]
        if not self.refuses:
            return squad_metric.scores(golds, texts)
        given = ["" if margin > 0 else text for text, margin in zip(texts, margins, strict=True)]
        best_f1 = squad_metric.best_threshold_f1(golds, texts, margins)
        return squad_metric.scores(golds, given) | {"best_f1": best_f1}


def windows(source: Source, examples: list[Json]) -> list[Row]:
    """Cut each context into overlapping windows, each with the whole question before it.

    Returns:
        Rows whose `target` is the answer's first and last token, and whose `extra` is the
        number of the example and, for each token, its characters in the context (None for
        tokens that are not context).
    """
    encoded = source.tokenizer(
        [example["question"].strip() for example in examples],
        [example["context"] for example in examples],
        truncation="only_second",
        max_length=source.max_length,
        stride=source.stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows = []
    for index, number in enumerate(encoded["overflow_to_sample_mapping"]):
        places = [
            place if part == 1 else None
            for place, part in zip(
                encoded["offset_mapping"][index], encoded.sequence_ids(index), strict=True
            )
        ]
        ids, types = encoded["input_ids"][index], encoded["token_type_ids"][index]
        target = answer_tokens(examples[number]["answers"], places)
        rows.append(Row(ids, types, target, extra=(number, places)))
    return rows


def answer_tokens(answers: list[Json], places: list[tuple[int, int] | None]) -> tuple[int, int]:
    """Return the first and last token of the first answer; (0, 0) where it is not wholly there."""
    if not answers:
        return 0, 0
    first = answers[0]["answer_start"]
    last = first + len(answers[0]["text"])
    inside = [
        token
        for token, place in enumerate(places)
        if place is not None and place[0] < last and place[1] > first
    ]
    known = [place for place in places if place is not None]
    if not inside or known[0][0] > first or known[-1][1] < last:
        return 0, 0
    return inside[0], inside[-1]


def best_spans(start_N: torch.Tensor, end_N: torch.Tensor, row: Row) -> WindowAnswer:
    """Return the best spans of one window, of its `N_BEST` likeliest starts and ends."""
    places = row.extra[1]
    n_tokens = len(places)  # the rest is padding
    starts = start_N[:n_tokens].topk(min(N_BEST, n_tokens))
    ends = end_N[:n_tokens].topk(min(N_BEST, n_tokens))
    spans = []
    for start, start_score in zip(starts.indices.tolist(), starts.values.tolist(), strict=True):
        for end, end_score in zip(ends.indices.tolist(), ends.values.tolist(), strict=True):
            if places[start] is None or places[end] is None:
                continue
            if 0 <= end - start < MAX_ANSWER_TOKENS:
                spans.append(Span(start_score + end_score, places[start][0], places[end][1]))
    spans.sort(reverse=True)
    return WindowAnswer(spans[:N_BEST], float(start_N[0] + end_N[0]))
