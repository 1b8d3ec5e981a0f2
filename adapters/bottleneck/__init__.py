"""Bottlenecks behind or beside the sub-layers, with invertible and hypercomplex parts."""

from polyhead.adapters.bottleneck.adapter import BottleneckAdapter
from polyhead.adapters.bottleneck.config import BottleneckConfig

__all__ = ["BottleneckAdapter", "BottleneckConfig"]
