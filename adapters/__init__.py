"""The kinds of adapters that come with polyhead."""

from polyhead.adapters.bottleneck import BottleneckAdapter
from polyhead.adapters.bottleneck_config import BottleneckConfig

__all__ = ["BottleneckAdapter", "BottleneckConfig"]
