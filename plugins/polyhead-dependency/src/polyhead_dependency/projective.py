"""The best tree whose arcs do not cross.

Dimensions: E sentences, W words of the longest, S spans of one width, K places to cut one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["best_projective_trees"]


def best_projective_trees(scores: Tensor, n_words: Sequence[int]) -> list[list[int]]:
    """The projective tree with the highest sum of scores of each sentence.

    Exactly one word hangs on the root. Of trees with equal sums it is always the same one that is
    found, whatever the other sentences are.

    Args:
        scores: That of each word (second dimension) hanging on each head (third), the root being
            head 0. Shape: (E, W, W + 1), finite or -inf.
        n_words: The words of each sentence; what lies behind them is not read.

    Returns:
        The head of each word of each sentence, 0 for the root.

    Source: Eisner 1996, "Three New Probabilistic Models for Dependency Parsing", the algorithm for
    bare arcs; spans of one width are computed together. The words alone make spans here, and the
    root chooses among them last, which is what keeps it to one word.
    """
    if not n_words or not max(n_words):
        return [[] for _ in n_words]
    chart = _Chart.of(scores.detach().to("cpu", torch.float64)[:, :, 1:])
    return [
        chart.heads(number, scores[number, :length, 0].detach().to("cpu", torch.float64))
        for number, length in enumerate(n_words)
    ]


@dataclass(frozen=True)
class _Chart:
    """The best way to build each span of words.

    A span's first or last word is the head of all others. A span is complete once its other end has
    all of its own words; before that it is an arc with what lies between.

    Attributes:
        to_left: The score of each complete span whose head is its last word. Shape: (E, W, W).
        to_right: The score of each whose head is its first. Shape: (E, W, W).
        arc_cut: Where the words between the ends of an arc are divided. Shape: (E, W, W).
        left_cut: The word that the last word of a complete span reaches with its arc.
        right_cut: The word that the first word reaches.
    """

    to_left: Tensor
    to_right: Tensor
    arc_cut: Tensor
    left_cut: Tensor
    right_cut: Tensor

    @classmethod
    def of(cls, scores_EWW: Tensor) -> _Chart:
        """The chart for the score of each word hanging on each other. Shape: (E, W, W)."""
        n_sentences, n_words, _ = scores_EWW.shape
        to_left, to_right, arc_left, arc_right = scores_EWW.new_zeros(
            4, n_sentences, n_words, n_words
        )
        cuts = torch.zeros(3, n_sentences, n_words, n_words, dtype=torch.long)
        arc_cut, left_cut, right_cut = cuts
        for width in range(1, n_words):
            first_S1 = torch.arange(n_words - width).unsqueeze(1)
            last_S1 = first_S1 + width
            cut_SK = first_S1 + torch.arange(width)
            first_S, last_S = first_S1.squeeze(1), last_S1.squeeze(1)

            inside = to_right[:, first_S1, cut_SK] + to_left[:, cut_SK + 1, last_S1]
            best, cut = inside.max(dim=2)
            arc_left[:, first_S, last_S] = best + scores_EWW[:, first_S, last_S]
            arc_right[:, first_S, last_S] = best + scores_EWW[:, last_S, first_S]
            arc_cut[:, first_S, last_S] = first_S + cut

            reached = to_left[:, first_S1, cut_SK] + arc_left[:, cut_SK, last_S1]
            best, cut = reached.max(dim=2)
            to_left[:, first_S, last_S] = best
            left_cut[:, first_S, last_S] = first_S + cut

            reached = arc_right[:, first_S1, cut_SK + 1] + to_right[:, cut_SK + 1, last_S1]
            best, cut = reached.max(dim=2)
            to_right[:, first_S, last_S] = best
            right_cut[:, first_S, last_S] = first_S + 1 + cut
        return cls(to_left, to_right, arc_cut, left_cut, right_cut)

    def heads(self, number: int, root_scores_W: Tensor) -> list[int]:
        """The best tree of one sentence.

        Args:
            number: Which sentence.
            root_scores_W: The score of each of its words hanging on the root.
        """
        length = len(root_scores_W)
        if not length:
            return []
        whole = self.to_left[number, 0, :length] + self.to_right[number, :length, length - 1]
        root = int((whole + root_scores_W).argmax())
        heads = [0] * length
        arc_cut, left_cut, right_cut = (
            cuts[number, :length, :length].tolist()
            for cuts in (self.arc_cut, self.left_cut, self.right_cut)
        )
        # complete spans to take apart: first word, last word, whether the last is the head
        spans = [(0, root, True), (root, length - 1, False)]
        while spans:
            first, last, is_last = spans.pop()
            if first == last:
                continue
            if is_last:
                reached = left_cut[first][last]
                heads[reached] = last + 1
                left, right = reached, last
                spans.append((first, reached, True))
            else:
                reached = right_cut[first][last]
                heads[reached] = first + 1
                left, right = first, reached
                spans.append((reached, last, False))
            cut = arc_cut[left][right]
            spans += [(left, cut, False), (cut + 1, right, True)]
        return heads
