"""Adapters in the host's memory, brought to a GPU when they are needed."""

from polyhead.hosting.adapter_prefetch import AdapterPrefetch

__all__ = ["AdapterPrefetch"]
