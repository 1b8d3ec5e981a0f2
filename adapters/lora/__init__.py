"""Changes of low rank of linear layers."""

from polyhead.adapters.lora.adapter import LoraAdapter
from polyhead.adapters.lora.config import LoraConfig

__all__ = ["LoraAdapter", "LoraConfig"]
