"""What a user writes for a task on the trees of sentences."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

import polyhead as ph
from polyhead.heads import Label
from polyhead_dependency.tree import fault_of

__all__ = ["DependencyExample"]

_WORD = re.compile(r"\S+")


def _as_list(value: object) -> object:
    if value is None or isinstance(value, list | tuple):
        return value
    raise ValueError("must be a list")


_AsList = BeforeValidator(_as_list)


class DependencyExample(ph.Example):
    """One sentence, whole or as its words, and where it is known its tree."""

    target_fields: ClassVar[tuple[str, ...]] = ("heads", "deprels")

    text: str | None = Field(
        default=None, description="The sentence; its words are what white space divides."
    )
    tokens: Annotated[tuple[str, ...] | None, _AsList] = Field(
        default=None, description="The sentence's words, in place of the text."
    )
    heads: Annotated[tuple[Annotated[int, Strict()], ...] | None, _AsList] = Field(
        default=None,
        description="The head of each word, for training and evaluation: the words are counted "
        "from 1, and 0 stands for the root.",
    )
    deprels: Annotated[tuple[Label, ...] | None, _AsList] = Field(
        default=None, description="The relation of each word to its head."
    )

    @property
    def words(self) -> tuple[str, ...]:
        """The words, given or found."""
        return tuple(_WORD.findall(self.text or "")) if self.tokens is None else self.tokens

    def spans(self) -> list[tuple[int, int]]:
        """Start and end of each word.

        They count characters of the text or, where there are words, of these with a space between.
        """
        if self.tokens is None:
            return [found.span() for found in _WORD.finditer(self.text or "")]
        spans = []
        start = 0
        for token in self.tokens:
            spans.append((start, start + len(token)))
            start += len(token) + 1
        return spans

    @model_validator(mode="after")
    def _one_sentence(self) -> Self:
        if (self.text is None) == (self.tokens is None):
            state = "neither is there" if self.text is None else "both are there"
            raise ValueError(f"it takes a text or its tokens, and {state}")
        if self.tokens is not None and not self.tokens:
            raise ValueError("the list of tokens is empty")
        return self

    @model_validator(mode="after")
    def _one_tree(self) -> Self:
        if self.heads is None and self.deprels is None:
            return self
        if self.heads is None or self.deprels is None:
            missing = "heads" if self.heads is None else "deprels"
            raise ValueError(f"heads and deprels go together, and {missing} are missing")
        if self.tokens is None:
            raise ValueError("heads need tokens, one a head; a text has none")
        if not len(self.tokens) == len(self.heads) == len(self.deprels):
            raise ValueError(
                "tokens, heads and deprels differ in number: "
                f"{len(self.tokens)}, {len(self.heads)} and {len(self.deprels)}"
            )
        fault = fault_of(self.heads)
        if fault is not None:
            raise ValueError(fault)
        return self
