"""The best tree, whether or not its arcs cross.

Dimensions: V nodes of the graph, the words and the root; C nodes of a cycle; R the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["best_tree"]

_LEAST = -1e9
"""Stands for scores below it: sums of it leave doubles enough places for the other scores."""


def best_tree(scores: Tensor) -> list[int]:
    """The tree with the highest sum of scores.

    Exactly one word hangs on the root.

    Args:
        scores: That of each word hanging on each head, the root being head 0. Shape: (W, W + 1),
            finite or -inf.

    Returns:
        The head of each word, 0 for the root.

    Source: Chu and Liu 1965, Edmonds 1967, as in McDonald et al. 2005, "Non-projective Dependency
    Parsing using Spanning Tree Algorithms". The root's arcs are made so dear that the best tree has
    as few of them as can be, which is one.
    """
    if not len(scores):
        return []
    arcs_WV = scores.detach().to("cpu", torch.float64).clamp(min=_LEAST)
    n_words = len(arcs_WV)
    span = float(arcs_WV.max() - arcs_WV.min())
    graph_VV = torch.full((n_words + 1, n_words + 1), -torch.inf, dtype=torch.float64)
    graph_VV[1:] = arcs_WV
    graph_VV[1:, 0] -= 1 + n_words * span  # more than any choice of other arcs can make up for
    graph_VV.fill_diagonal_(-torch.inf)
    return _arborescence(graph_VV)[1:]


@dataclass(frozen=True)
class _Contraction:
    """A cycle that became one node, and how to undo it.

    Attributes:
        cycle: Its nodes.
        cycle_heads: The head of each of them within the cycle.
        rest: The other nodes, in the order that they have afterwards; the cycle comes last.
        entered: For each of the rest as a head, which place of the cycle it would best reach.
        left: For each of the rest as a word, which place of the cycle it would best hang on.
    """

    cycle: list[int]
    cycle_heads: list[int]
    rest: list[int]
    entered: list[int]
    left: list[int]

    @classmethod
    def of(
        cls, scores_VV: Tensor, heads: list[int], cycle: list[int]
    ) -> tuple[_Contraction, Tensor]:
        """The contraction of a cycle, and the scores of the smaller graph."""
        members = set(cycle)
        rest = [node for node in range(len(scores_VV)) if node not in members]
        cycle_heads = [heads[node] for node in cycle]
        kept_C = scores_VV[cycle, cycle_heads]
        # whoever enters the cycle takes the place of the arc that its word has there
        into_R, entered = (scores_VV[cycle][:, rest] - kept_C.unsqueeze(1)).max(dim=0)
        out_R, left = scores_VV[rest][:, cycle].max(dim=1)
        smaller = scores_VV.new_full((len(rest) + 1, len(rest) + 1), -torch.inf)
        smaller[:-1, :-1] = scores_VV[rest][:, rest]
        smaller[-1, :-1] = into_R
        smaller[:-1, -1] = out_R
        return cls(cycle, cycle_heads, rest, entered.tolist(), left.tolist()), smaller

    def undone(self, heads: list[int]) -> list[int]:
        """The heads in the graph before, for those in the smaller one."""
        restored = [0] * (len(self.rest) + len(self.cycle))
        for place, node in enumerate(self.rest):
            is_out = heads[place] == len(self.rest)
            restored[node] = self.cycle[self.left[place]] if is_out else self.rest[heads[place]]
        for node, head in zip(self.cycle, self.cycle_heads, strict=True):
            restored[node] = head
        entering = heads[len(self.rest)]
        restored[self.cycle[self.entered[entering]]] = self.rest[entering]
        return restored


def _arborescence(scores_VV: Tensor) -> list[int]:
    """The head of each node in the best tree below node 0, whose own head is given as 0."""
    contractions = []
    while True:
        heads: list[int] = scores_VV.argmax(dim=1).tolist()
        heads[0] = 0
        cycle = _cycle(heads)
        if not cycle:
            break
        contraction, scores_VV = _Contraction.of(scores_VV, heads, cycle)
        contractions.append(contraction)
    for contraction in reversed(contractions):
        heads = contraction.undone(heads)
    return heads


def _cycle(heads: list[int]) -> list[int]:
    """The nodes of a cycle, each before its head; none where every node leads to node 0."""
    seen = [0] * len(heads)  # the walk that came by, under the number of its first node
    for first in range(1, len(heads)):
        node = first
        while node and not seen[node]:
            seen[node] = first
            node = heads[node]
        if node and seen[node] == first:
            cycle = [node]
            while heads[cycle[-1]] != node:
                cycle.append(heads[cycle[-1]])
            return cycle
    return []
