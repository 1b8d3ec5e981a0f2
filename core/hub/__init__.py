"""Tasks, adapters and heads to the Hugging Face hub and from it, through its own client."""

from polyhead.hub.address import Address, is_hub_address, parse_address
from polyhead.hub.pulling import FOREIGN, Pulled, pull, pull_checked
from polyhead.hub.pushing import Pushed, PushSettings, push, push_checked

__all__ = [
    "FOREIGN",
    "Address",
    "Pulled",
    "PushSettings",
    "Pushed",
    "is_hub_address",
    "parse_address",
    "pull",
    "pull_checked",
    "push",
    "push_checked",
]
