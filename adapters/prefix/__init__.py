"""Learned keys and values in front of those of each row."""

from polyhead.adapters.prefix.adapter import PrefixAdapter
from polyhead.adapters.prefix.config import PrefixConfig

__all__ = ["PrefixAdapter", "PrefixConfig"]
