"""Learned rows among the embeddings of each text."""

from polyhead.adapters.prompt.adapter import PromptAdapter
from polyhead.adapters.prompt.config import PromptConfig

__all__ = ["PromptAdapter", "PromptConfig"]
