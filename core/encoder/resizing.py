"""Encoders with more or fewer positions or token ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyhead.encoder.sinusoids import sinusoids
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.encoder.encoder import Encoder

__all__ = ["resize_positions", "resize_words", "resized_rows"]


def resize_positions(encoder: Encoder, number: int) -> None:
    """Gives the encoder `number` positions.

    The first ones stay. New ones are drawn with the config's `initializer_range`, or computed where
    they are sinusoidal.

    Raises:
        ConfigError: It is less than 1.
    """
    encoder.config.max_position_embeddings = number  # checks it
    held = encoder.position_embeddings
    weight = resized_rows(held.weight, number, encoder.config.initializer_range)
    if encoder.config.sinusoidal_pos_embds:
        n_kept = min(number, held.num_embeddings)
        weight[n_kept:] = sinusoids(number, encoder.config.dim)[n_kept:].to(weight)
    encoder.position_embeddings = _embedding(weight, held)


def resize_words(encoder: Encoder, number: int) -> None:
    """Gives the encoder `number` token ids.

    The first ones stay, new ones are drawn with the config's `initializer_range`.

    Raises:
        ConfigError: It is less than 1, or the padding token is not among them.
    """
    padding = encoder.word_embeddings.padding_idx
    if padding is not None and padding >= number:
        raise ConfigError(
            f"a vocabulary of {number} token ids would not have the padding token, {padding}."
        )
    encoder.config.vocab_size = number  # checks it
    held = encoder.word_embeddings
    weight = resized_rows(held.weight, number, encoder.config.initializer_range)
    encoder.word_embeddings = _embedding(weight, held)


def resized_rows(weight: Tensor, number: int, spread: float) -> Tensor:
    """The first `number` rows of a weight, with fresh ones behind where there are fewer.

    Args:
        weight: Shape: (K, ...).
        number: Of rows.
        spread: Standard deviation of fresh ones.

    Returns:
        A copy, out of autograd's graph. Shape: (number, ...).
    """
    fresh = weight.new_empty(number, *weight.shape[1:], requires_grad=False)
    n_kept = min(number, len(weight))
    with torch.no_grad():
        fresh[:n_kept] = weight[:n_kept]
        fresh[n_kept:].normal_(std=spread)
    return fresh


def _embedding(weight: Tensor, like: nn.Embedding) -> nn.Embedding:
    """An embedding of that weight, trained or not as the one it replaces."""
    made = nn.Embedding(
        weight.shape[0], weight.shape[1], padding_idx=like.padding_idx, _weight=weight
    )
    made.weight.requires_grad_(like.weight.requires_grad)
    made.train(like.training)
    return made
