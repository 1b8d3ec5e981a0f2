"""What a masked language model finds behind the masks of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from polyhead.contracts import Prediction
from polyhead.heads.masked_lm.encoding import EncodedText

__all__ = ["MaskFilling", "MaskedLMPrediction", "filled"]

_SHOWN_TOKENS: Final = 3


class MaskFilling(BaseModel):
    """One token for one mask, under the names that transformers' fill-mask gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: float = Field(description="The token's probability.")
    token: int = Field(description="Its id.")
    token_str: str = Field(description="The token as the vocabulary spells it.")
    sequence: str = Field(description="The text with this token in place of the mask.")


class MaskedLMPrediction(Prediction):
    """What stands behind the masks of one text."""

    text: str = Field(description="The text with the most probable token in place of each mask.")
    masks: tuple[tuple[MaskFilling, ...], ...] = Field(
        description="For each mask, in the order of the text, the most probable tokens, best first."
    )

    def __str__(self) -> str:
        return "; ".join(
            ", ".join(f"{found.token_str} ({found.score:.2f})" for found in mask[:_SHOWN_TOKENS])
            for mask in self.masks
        )


def filled(text: EncodedText, best: Sequence[Sequence[tuple[int, float]]]) -> MaskedLMPrediction:
    """The answer for one text.

    Args:
        text: The text and its rows.
        best: For each of its masks the best tokens' ids and probabilities, best first.
    """
    ids = [token for row in text.rows for token in row.ids[1:-1]]  # special ones at the ends
    places = [place for place, token in enumerate(ids) if token == text.mask_id]
    masks = tuple(
        tuple(_filling(text, ids, place, token, score) for token, score in fillings)
        for place, fillings in zip(places, best, strict=True)
    )
    for place, fillings in zip(places, best, strict=True):
        ids[place] = fillings[0][0]
    return MaskedLMPrediction(text=text.tokenizer.decode(ids), masks=masks)


def _filling(
    text: EncodedText, ids: Sequence[int], place: int, token: int, score: float
) -> MaskFilling:
    sequence = text.tokenizer.decode(
        [*ids[:place], token, *ids[place + 1 :]],
        keep_special=ids.count(text.mask_id) > 1,  # the other masks stay visible
    )
    spelled = text.tokenizer.token(token)
    return MaskFilling(score=score, token=token, token_str=spelled, sequence=sequence)
