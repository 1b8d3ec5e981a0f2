"""Adapters and heads put together into new ones, and adapters into a copy of the encoder."""

from polyhead.merging.averaging import weighted_sum
from polyhead.merging.encoder_copy import merged_encoder
from polyhead.merging.low_rank import low_rank_sum
from polyhead.merging.shares import equal_shares, normalised, read_shares
from polyhead.merging.strategies import STRATEGIES, Strategy, check_strategy, merged_adapter

__all__ = [
    "STRATEGIES",
    "Strategy",
    "check_strategy",
    "equal_shares",
    "low_rank_sum",
    "merged_adapter",
    "merged_encoder",
    "normalised",
    "read_shares",
    "weighted_sum",
]
