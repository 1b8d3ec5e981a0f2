"""Tests for heads and adapters of one's own, and a tiny model for further ones."""

from polyhead.testing.adapter import AdapterConformance
from polyhead.testing.failure import ConformanceError
from polyhead.testing.head import HeadConformance
from polyhead.testing.noise import shaken
from polyhead.testing.tiny_model import tiny_model, tiny_tokenizer

__all__ = [
    "AdapterConformance",
    "ConformanceError",
    "HeadConformance",
    "shaken",
    "tiny_model",
    "tiny_tokenizer",
]
