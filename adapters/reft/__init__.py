"""Changes of low rank of a few tokens' hidden states."""

from polyhead.adapters.reft.adapter import ReftAdapter
from polyhead.adapters.reft.config import ReftConfig

__all__ = ["ReftAdapter", "ReftConfig"]
