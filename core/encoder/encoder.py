"""The frozen encoder: token ids in, hidden states out, packed throughout."""

from __future__ import annotations

import ctypes
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from polyhead.contracts import NO_TAPS, LayerTaps
from polyhead.encoder.attention import LengthGroups
from polyhead.encoder.layer import EncoderLayer
from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.batch import Packed
    from polyhead.encoder.config import DistilBertConfig

__all__ = ["Encoder", "EncoderOutput"]


@dataclass(frozen=True)
class EncoderOutput:
    """What one pass computed.

    Attributes:
        last: Hidden states of the last layer. Shape: (N, D).
        layers: The embeddings and every layer's hidden states, each (N, D), or None when they were
            not asked for.
    """

    last: Tensor
    layers: tuple[Tensor, ...] | None


class Encoder(nn.Module):
    """DistilBERT, frozen: its parameters take no gradient and it has no training mode.

    Source: Sanh et al. 2019, arXiv:1910.01108; parity is tested against transformers.
    """

    def __init__(self, config: DistilBertConfig) -> None:
        """Makes an encoder with fresh random weights.

        Args:
            config: Its sizes.
        """
        super().__init__()
        self.config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.dim)
        self.norm = nn.LayerNorm(config.dim, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layers))
        self._initialise()
        self.freeze()

    def freeze(self) -> None:
        """Takes all parameters out of training."""
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Encoder:
        """Does nothing: a frozen encoder computes the same in training and in use."""
        del mode
        return super().train(mode=False)

    def forward(
        self,
        packed: Packed,
        taps: Callable[[int], LayerTaps] = lambda _: NO_TAPS,
        *,
        keep_layers: bool = False,
    ) -> EncoderOutput:
        """Hidden states of the packed rows.

        Layers below the first tap that has parameters are outside autograd's graph by themselves,
        since nothing in them takes a gradient.

        Args:
            packed: The rows.
            taps: What acts in each layer, by the layer's number.
            keep_layers: Whether to return every layer's hidden states.

        Raises:
            InputError: A token id or a position is out of range.
        """
        self._check(packed)
        groups = LengthGroups.of(packed.packing, packed.ids.device)
        embedded = self.word_embeddings(packed.ids) + self.position_embeddings(packed.positions)
        hidden: Tensor = self.norm(embedded)
        kept = [hidden]
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden, packed.packing, groups, taps(number))
            if keep_layers:
                kept.append(hidden)
        return EncoderOutput(hidden, tuple(kept) if keep_layers else None)

    def fingerprint(self) -> str:
        """A digest of what the encoder computes: its weights and the constants they are used with.

        Returns:
            The hex SHA-256 over the canonical weights (Q, K and V as one matrix; a BERT checkpoint
            folded), so it does not depend on the file format they came from.
        """
        digest = hashlib.sha256()
        constants = (self.config.n_heads, self.config.activation, self.config.layer_norm_eps)
        digest.update(repr(constants).encode())
        for name, weight in sorted(self.state_dict().items()):
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            _add_bytes(digest, weight)
        return digest.hexdigest()

    def _check(self, packed: Packed) -> None:
        if packed.ids.numel() == 0:
            return
        low, high = (int(bound) for bound in packed.ids.aminmax())
        if low < 0 or high >= self.config.vocab_size:
            wrong = low if low < 0 else high
            raise InputError(
                f"token id {wrong} is outside the vocabulary, 0 to {self.config.vocab_size - 1}."
            )
        last = int(packed.positions.max())
        if last >= self.config.max_position_embeddings:
            raise InputError(
                f"a row of {last + 1} positions is longer than the encoder's "
                f"{self.config.max_position_embeddings}; shorten it or lower max_length."
            )

    def _initialise(self) -> None:
        spread = self.config.initializer_range
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=spread)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=spread)
        if self.config.sinusoidal_pos_embds:
            with torch.no_grad():
                self.position_embeddings.weight.copy_(_sinusoids(self.config))


class _Digest(Protocol):
    def update(self, data: ctypes.Array[ctypes.c_ubyte], /) -> None: ...


def _add_bytes(digest: _Digest, weight: Tensor) -> None:
    """Digests the tensor's bytes in place; through ctypes, since torch works without NumPy."""
    dense = weight.detach().cpu().contiguous()
    buffer = (ctypes.c_ubyte * dense.nbytes).from_address(dense.data_ptr())
    digest.update(buffer)


def _sinusoids(config: DistilBertConfig) -> Tensor:
    """Fixed position embeddings: sine on even places, cosine on odd ones. Shape: (P, D)."""
    places = torch.arange(config.max_position_embeddings, dtype=torch.float64).unsqueeze(1)
    rates = torch.exp(
        torch.arange(0, config.dim, 2, dtype=torch.float64) * (-math.log(1e4) / config.dim)
    )
    table = torch.empty(config.max_position_embeddings, config.dim, dtype=torch.float64)
    table[:, 0::2] = torch.sin(places * rates)
    table[:, 1::2] = torch.cos(places * rates[: config.dim // 2])
    return table.float()
