"""From rows with their adapters to one packed pass: the plan of a batch and its taps."""

from polyhead.routing.batching import token_batches
from polyhead.routing.plan import Plan, Segment
from polyhead.routing.route import Route

__all__ = ["Plan", "Route", "Segment", "token_batches"]
