"""A learned mix of all layers' hidden states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["LayerMix"]


class LayerMix(nn.Module):
    """`gain * sum_k softmax(weights)_k h_k` over the embeddings and every layer.

    All layers start with the same share, and the gain starts at 1.

    Source: ELMo, Peters et al. 2018, arXiv:1802.05365, equation 1.
    """

    def __init__(self, n_states: int) -> None:
        """Makes an even mix.

        Args:
            n_states: The number of layers and one more, for the embeddings.
        """
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(n_states))
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """The mixed states. Shape: `n_states` of (N, D) -> (N, D)."""
        shares = (self.gain * self.weights.softmax(dim=0)).to(states[0].dtype).unbind()
        mixed = states[0] * shares[0]
        for state, share in zip(states[1:], shares[1:], strict=True):
            mixed = torch.addcmul(mixed, state, share)
        return mixed
