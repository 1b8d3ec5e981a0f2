"""From rows with their adapters to one packed pass: the plan of a batch and its taps."""

from polyhead.routing.batching import token_batches
from polyhead.routing.entry import Entry, entry_of
from polyhead.routing.plan import Plan
from polyhead.routing.route import Route
from polyhead.routing.stages import Segment

__all__ = ["Entry", "Plan", "Route", "Segment", "entry_of", "token_batches"]
