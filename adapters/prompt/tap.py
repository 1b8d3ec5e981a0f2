"""A prompt among the embeddings of each row.

Dimensions: N tokens of all rows, B rows, D width, P rows of the prompt, M = N + B * P.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import init

from polyhead.batch import Packing, sent
from polyhead.contracts import EmbeddingsTap

if TYPE_CHECKING:
    from polyhead.adapters.prompt.config import PromptConfig

__all__ = ["PromptTap"]


class PromptTap(nn.Module, EmbeddingsTap):
    """Puts the same learned rows in front of each text's tokens, or behind its first one.

    They have no position: they come in behind the embeddings' norm. Heads never see them.

    Source: Lester et al. 2021, arXiv:2104.08691, in the place where the `adapters` library 1.3 puts
    them, whose files the tests read.
    """

    def __init__(self, config: PromptConfig, width: int, generator: torch.Generator | None) -> None:
        """Builds a prompt of random rows.

        Args:
            config: Of the adapter it belongs to.
            width: D.
            generator: Where they are drawn from; None is torch's global generator.
        """
        super().__init__()
        self.place = 0 if config.combine == "prefix" else 1
        self.reads_prompt = config.cls == "prompt"
        self.weight = nn.Parameter(torch.empty(config.prompt_length, width))
        scale = config.random_uniform_scale
        init.uniform_(self.weight, -scale, scale, generator=generator)

    def enter(self, embeddings: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        """The rows with their prompts; see EmbeddingsTap. Shape: (N, D) -> (M, D)."""
        length = len(self.weight)
        longer = Packing(tuple(own + length for own in packing.lengths))
        column_M = longer.column_of_token - self.place
        own_M = torch.arange(longer.n_tokens) - length * (
            longer.row_of_token + (column_M >= length)
        )
        index_M = torch.where(self._is_own(longer), own_M, packing.n_tokens + column_M)
        both = torch.cat([embeddings, self.weight])
        return both.index_select(0, sent(index_M, both.device)), longer

    def leave(self, hidden: Tensor, packing: Packing) -> tuple[Tensor, Packing]:
        """The rows without their prompts; see EmbeddingsTap. Shape: (M, D) -> (N, D)."""
        index_N = self._is_own(packing).nonzero().squeeze(1)
        if self.reads_prompt:
            starts_B = torch.tensor(packing.starts[:-1], dtype=torch.long)
            is_first_N = packing.column_of_token[index_N] == self._first_own
            index_N[is_first_N] = starts_B + self.place
        own = Packing(tuple(length - len(self.weight) for length in packing.lengths))
        return hidden.index_select(0, sent(index_N, hidden.device)), own

    @property
    def _first_own(self) -> int:
        """The column of a row's own first token."""
        return 0 if self.place else len(self.weight)

    def _is_own(self, packing: Packing) -> Tensor:
        """Which tokens of the longer rows are no prompt. Shape: (M,)."""
        column_M = packing.column_of_token - self.place
        return (column_M < 0) | (column_M >= len(self.weight))
