"""What fresh adapters may read of a model's encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from polyhead.contracts import TextSettings
from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.contracts import Projection
    from polyhead.encoder import Encoder
    from polyhead.tokenizer import Tokenizer

__all__ = ["View"]

_LONGEST: Final = 512


@dataclass(frozen=True)
class View:
    """An `EncoderView` of a model.

    Attributes:
        encoder: The model's.
        tokenizer: Its tokenizer, or None.
    """

    encoder: Encoder
    tokenizer: Tokenizer | None

    def projection(self, layer: int, site: str) -> Projection:
        """See `EncoderView`."""
        return self.encoder.projection(layer, site)

    def embedded(self, text: str) -> Tensor:
        """See `EncoderView`."""
        if self.tokenizer is None:
            raise InputError(
                "an adapter that starts from a text needs a tokenizer, and this backbone came "
                "without one; choose another start for its weights."
            )
        [row] = self.tokenizer.with_settings(TextSettings(max_length=_LONGEST)).rows([text])
        ids = row.ids[1:-1]  # without [CLS] and [SEP]
        weight = self.encoder.word_embeddings.weight
        return weight[torch.tensor(ids, dtype=torch.long, device=weight.device)]
