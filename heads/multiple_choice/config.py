"""The configuration of a multiple-choice head."""

from __future__ import annotations

from polyhead.heads.pooled_layers import PooledHeadConfig

__all__ = ["MultipleChoiceHeadConfig"]


class MultipleChoiceHeadConfig(PooledHeadConfig):
    """The right one of the choices that an example brings along, any number of them."""
