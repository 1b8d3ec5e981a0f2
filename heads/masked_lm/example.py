"""What a user writes for a masked language model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from polyhead.contracts import Example

__all__ = ["MaskedLMExample"]


class MaskedLMExample(Example):
    """One text: any text to learn from, or one with [MASK] where words are asked for."""

    target_fields: ClassVar[tuple[str, ...]] = ()  # the text is its own target

    text: str = Field(
        description="The text. In training and evaluation any; in prediction one that holds [MASK] "
        "wherever a word is to be found.",
        examples=["a text with a [MASK]"],
    )
