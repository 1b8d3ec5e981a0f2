"""The best spans of a context over all of its windows.

Dimensions: B rows of a batch, W windows of one example, T tokens of a row, C context tokens of one
window, L most tokens of a span, U words or sub-words of a window.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from polyhead.heads.logits import checked_logits
from polyhead.heads.question_answering.example import QuestionAnsweringExample
from polyhead.heads.question_answering.window import ContextWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from polyhead.batch import Row
    from polyhead.contracts import Encoded, HeadOutput

__all__ = ["Span", "SpanSearch", "WindowLogits", "window_logits"]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a context.

    Attributes:
        start: Its first character.
        end: The character behind its last.
        score: The logit of its start and that of its end, added.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class WindowLogits:
    """What a head computed for one example.

    Attributes:
        example: The question and its context.
        rows: The windows, from `Tokenizer.windows`.
        start: Start logits; what stands behind a shorter row is not read. Shape: (W, T).
        end: End logits. Shape: (W, T).
    """

    example: QuestionAnsweringExample
    rows: Sequence[Row]
    start: Tensor
    end: Tensor

    @property
    def null_score(self) -> float:
        """The score of "no answer": that of [CLS], in the window where it is lowest."""
        return float((self.start[:, 0] + self.end[:, 0]).min())


def window_logits(output: HeadOutput, encoded: Sequence[Encoded]) -> Iterator[WindowLogits]:
    """The logits of each example, in float32 on the CPU.

    Args:
        output: "start" and "end", each of shape (B, T).
        encoded: The examples that the rows belong to.

    Raises:
        InputError: A logit is not finite.
    """
    if isinstance(output, Tensor):
        raise TypeError("this head's output is a dict of start and end logits, not one tensor")
    lengths_B = torch.tensor([len(row) for item in encoded for row in item.rows], dtype=torch.long)
    is_padding_BT = torch.arange(output["start"].shape[1]) >= lengths_B.unsqueeze(1)
    starts_BT, ends_BT = (
        checked_logits(output[part].masked_fill(is_padding_BT.to(output[part].device), 0))
        for part in ("start", "end")
    )
    first = 0
    for item in encoded:
        if not isinstance(item.example, QuestionAnsweringExample):
            raise TypeError(f"not a question: {type(item.example).__name__}")
        windows = slice(first, first + len(item.rows))
        yield WindowLogits(item.example, item.rows, starts_BT[windows], ends_BT[windows])
        first = windows.stop


@dataclass(frozen=True)
class SpanSearch:
    """What counts as a span, and how many are wanted.

    Attributes:
        n_best: Most spans to return.
        max_length: Most sub-words from the best start to the best end.
        align_to_words: Whether a span grows to whole words.
    """

    n_best: int
    max_length: int
    align_to_words: bool = True

    def spans(self, logits: WindowLogits) -> list[Span]:
        """The best spans of a context, the best first; there is at least one.

        Of spans with the same characters (a place in two windows, or sub-words that grow to the
        same words) the best score counts.
        """
        windows = [ContextWindow.of(row) for row in logits.rows]
        characters = self._characters(windows)
        best: dict[tuple[int, int], float] = {}
        for number, window in enumerate(windows):
            start_C = logits.start[number, window.places]
            end_C = logits.end[number, window.places]
            for first, last, score in self._best_pairs(start_C, end_C, self._units(window)):
                end = _with_marks(logits.example.context, characters[last][1])
                place = (characters[first][0], end)
                best[place] = max(score, best.get(place, score))
        spans = [Span(start, end, score) for (start, end), score in best.items()]
        return sorted(spans, key=lambda span: (-span.score, span.start, span.end))[: self.n_best]

    def _units(self, window: ContextWindow) -> Sequence[int]:
        """For each token the number of what is not cut: its word, or it itself."""
        return window.words if self.align_to_words else window.sub_words

    def _characters(self, windows: Sequence[ContextWindow]) -> Mapping[int, tuple[int, int]]:
        """Where each unit starts and ends, also where a window cuts a word in two."""
        places: dict[int, tuple[int, int]] = {}
        for window in windows:
            for unit, (left, right) in zip(self._units(window), window.offsets, strict=True):
                known_left, known_right = places.get(unit, (left, right))
                places[unit] = (min(left, known_left), max(right, known_right))
        return places

    def _best_pairs(
        self, start_C: Tensor, end_C: Tensor, units: Sequence[int]
    ) -> Iterator[tuple[int, int, float]]:
        """The best pairs of a first and a last unit in a window, and their scores."""
        lowest, n_units = units[0], units[-1] - units[0] + 1
        unit_C = torch.tensor(units) - lowest
        # every span at once: row s of the unfolded ends has the ends s, s + 1, ..., s + L - 1
        length = min(self.max_length, len(units))
        end_CL = functional.pad(end_C, (0, length - 1), value=-torch.inf).unfold(0, length, 1)
        last_CL = functional.pad(unit_C, (0, length - 1)).unfold(0, length, 1)
        score_CL = start_C.unsqueeze(1) + end_CL
        pair_CL = unit_C.unsqueeze(1) * n_units + last_CL
        best_UU = start_C.new_full((n_units * n_units,), -torch.inf).scatter_reduce(
            0, pair_CL.flatten(), score_CL.flatten(), "amax"
        )
        top = best_UU.topk(min(self.n_best, len(best_UU)))
        for pair, score in zip(top.indices.tolist(), top.values.tolist(), strict=True):
            if score > -torch.inf:
                first, last = divmod(pair, n_units)
                yield lowest + first, lowest + last, score


def _with_marks(text: str, end: int) -> int:
    """`end` behind the combining marks that belong to the character before it.

    A lower-casing tokenizer drops accents, so its tokens end in front of them.
    """
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return end
