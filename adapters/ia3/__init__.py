"""Learned factors of what linear layers read or write."""

from polyhead.adapters.ia3.adapter import Ia3Adapter
from polyhead.adapters.ia3.config import Ia3Config

__all__ = ["Ia3Adapter", "Ia3Config"]
