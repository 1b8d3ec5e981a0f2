"""A learned attention over what several adapters make of a sub-layer."""

from polyhead.adapters.fusion.adapter import FusionAdapter
from polyhead.adapters.fusion.config import FusionConfig

__all__ = ["FusionAdapter", "FusionConfig"]
