"""How good the answers of a dependency head are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import polyhead as ph
from polyhead_dependency.example import DependencyExample
from polyhead_dependency.parse import Parse

__all__ = ["DependencyMetrics"]

Parser = Callable[[ph.HeadOutput, Sequence[ph.Encoded]], list[Parse]]


class DependencyMetrics(ph.Metrics):
    """Attachment scores: the share of words with the right head.

    All words count, punctuation among them, and a relation is right where all of it is, a subtype
    such as that of `acl:relcl` included. Words that did not fit into the window count as wrong.
    """

    primary = "las"

    def __init__(self, parser: Parser) -> None:
        """Makes an empty collector.

        Args:
            parser: Finds the trees in a head's output.
        """
        self._parser = parser
        self._n_words = self._n_heads = self._n_both = 0

    def update(self, output: ph.HeadOutput, encoded: Sequence[ph.Encoded]) -> None:
        """Takes in a batch's output and its labelled examples.

        Raises:
            InputError: An example has no tree, or the scores are not finite.
        """
        examples = [cast("DependencyExample", item.example) for item in encoded]
        n_unlabelled = sum(example.heads is None for example in examples)
        if n_unlabelled:
            raise ph.InputError(f"{n_unlabelled} of {len(examples)} examples have no label.")
        for example, parse in zip(examples, self._parser(output, encoded), strict=True):
            heads, deprels = example.heads or (), example.deprels or ()
            self._n_words += len(heads)
            # not strict: what did not fit has no answer, and is wrong by that
            for head, deprel, own_head, own_deprel in zip(
                heads, deprels, parse.heads, parse.deprels, strict=False
            ):
                self._n_heads += head == own_head
                self._n_both += head == own_head and deprel == own_deprel

    def compute(self) -> dict[str, float]:
        """`las`, of words with the right head and relation, and `uas`, with the right head.

        Raises:
            InputError: There was no example.
        """
        if not self._n_words:
            raise ph.InputError("there are no labelled examples to evaluate on.")
        return {"las": self._n_both / self._n_words, "uas": self._n_heads / self._n_words}
