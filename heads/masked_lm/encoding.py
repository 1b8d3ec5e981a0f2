"""Texts as a masked language model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import torch

from polyhead.contracts import Encoded, Tokenizer
from polyhead.errors import InputError
from polyhead.heads.masked_lm.example import MaskedLMExample

if TYPE_CHECKING:
    from polyhead.batch import Row

__all__ = ["IGNORED", "EncodedText", "encode_texts"]

IGNORED: Final = -100
"""The target of a token that is not asked for."""


@dataclass(frozen=True)
class EncodedText(Encoded):
    """One text, ready for the encoder.

    Attributes:
        tokenizer: It read the text. It knows the mask, and how tokens are spelled.
        mask_id: Id of the token that hides another.
    """

    example: MaskedLMExample
    tokenizer: Tokenizer = field(kw_only=True)
    mask_id: int = field(kw_only=True)

    @property
    def masks(self) -> list[int]:
        """The places of the masks among the tokens of its rows."""
        ids = (token for row in self.rows for token in row.ids)
        return [place for place, token in enumerate(ids) if token == self.mask_id]


def encode_texts(
    examples: Sequence[MaskedLMExample], tokenizer: Tokenizer, *, keep_words: bool
) -> list[EncodedText]:
    """Each text's rows, which cover all of it without overlap, and every token as its own target.

    The target of a special token, those that stand in the text among them, is `IGNORED`.

    Args:
        examples: The texts.
        tokenizer: A row has at most its `settings.max_length` tokens.
        keep_words: Whether the rows tell which word each token is a part of.

    Raises:
        InputError: The vocabulary has no [MASK], or a text has no words.
    """
    mask_id = tokenizer.mask_id
    if mask_id is None:
        raise InputError(
            "the vocabulary of this backbone has no [MASK] token, behind which words are hidden; a "
            "masked language model needs a backbone whose vocabulary has one."
        )
    special = {tokenizer.cls_id, tokenizer.sep_id, tokenizer.unk_id, tokenizer.pad_id, mask_id}
    encoded = []
    texts = [example.text for example in examples]
    for example, windows in zip(examples, tokenizer.windows(texts, overlap=0), strict=True):
        rows = tuple(_lean(row, keep_words=keep_words) for row in windows)
        target = torch.tensor(
            [IGNORED if token in special else token for row in rows for token in row.ids]
        )
        encoded.append(EncodedText(example, rows, target, tokenizer=tokenizer, mask_id=mask_id))
    return encoded


def _lean(row: Row, *, keep_words: bool) -> Row:
    """Without what is not read: unlabelled text comes in masses, and memory holds all of it."""
    return replace(row, offsets=None, segments=None, words=row.words if keep_words else None)
