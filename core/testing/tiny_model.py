"""A model so small that a test makes one in milliseconds, and a tokenizer that reads any text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from polyhead.encoder import DistilBertConfig
from polyhead.model import DistilBertModelWithHeads
from polyhead.testing.tiny_vocabulary import tiny_vocabulary
from polyhead.tokenizer import TextSettings, Tokenizer
from polyhead.tokenizer.wordpiece import wordpiece_backend
from polyhead.train import seeded

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

__all__ = ["tiny_model", "tiny_tokenizer"]


def tiny_tokenizer(max_length: int = 128) -> Tokenizer:
    """A tokenizer that cuts any Latin text into sub-words, made without files.

    Words become syllables of two letters and single letters: "model" is mo, ##de, ##l.

    Args:
        max_length: Most tokens of a row, special tokens included.
    """
    return Tokenizer(_backend(), TextSettings(max_length=max_length))


def tiny_model(seed: int = 0, *, n_layers: int = 3, width: int = 32) -> DistilBertModelWithHeads:
    """A model with a random encoder and `tiny_tokenizer`, in evaluation mode.

    It takes up to 512 tokens a row. Each call makes a new one, so no test sees what another did.

    Args:
        seed: Of the encoder's weights; equal arguments make equal encoders, in any process. The
            caller's random numbers are left as they are.
        n_layers: Layers of the encoder.
        width: Size of its hidden states, a multiple of 4.
    """
    config = DistilBertConfig(
        vocab_size=_backend().get_vocab_size(),
        max_position_embeddings=512,
        n_layers=n_layers,
        n_heads=4,
        dim=width,
        hidden_dim=48,
        initializer_range=0.2,  # at 0.02 the hidden states of different texts would hardly differ
    )
    with seeded(seed):
        return DistilBertModelWithHeads.from_config(config, tiny_tokenizer())


@cache
def _backend() -> Backend:
    """The `tokenizers` library's object, which no call changes."""
    return wordpiece_backend(tiny_vocabulary())
