"""What a dependency head answers."""

from __future__ import annotations

from pydantic import Field

import polyhead as ph

__all__ = ["DependencyPrediction"]


class DependencyPrediction(ph.Prediction):
    """The tree of one sentence.

    The lists are as long as one another, a place a word. Characters are those of the text or, where
    the sentence was given as words, of the words with a space between.
    """

    words: list[str] = Field(description="Each word.")
    heads: list[int] = Field(description="Its head, the words counted from 1; 0 for the root.")
    deprels: list[str] = Field(description="Its relation to its head.")
    scores: list[float] = Field(
        description="The probability of that head times that of the relation, each by itself: "
        "whether it fits the other words is not in it."
    )
    starts: list[int] = Field(description="The word's first character, counted from 0.")
    ends: list[int] = Field(description="The character after its last.")
    n_unread: int = Field(
        description="How many words more the sentence has, which did not fit and have no answer."
    )

    def __str__(self) -> str:
        words = ["ROOT", *(" ".join(word.split()) for word in self.words)]
        arcs = zip(self.deprels, self.heads, words[1:], strict=True)
        return ", ".join(f"{relation}({words[head]}, {word})" for relation, head, word in arcs)

    def conllu(self) -> str:
        """The tree as a block of CoNLL-U: ten columns a word, `_` where nothing is known."""
        lines = [
            "\t".join(
                (str(number), " ".join(word.split()) or "_", *"____", str(head), relation, *"__")
            )
            for number, (word, head, relation) in enumerate(
                zip(self.words, self.heads, self.deprels, strict=True), 1
            )
        ]
        return "\n".join([*lines, "", ""])
