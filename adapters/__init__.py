"""The kinds of adapters that come with polyhead."""

from polyhead.adapters.bottleneck import BottleneckAdapter, BottleneckConfig
from polyhead.adapters.fusion import FusionAdapter, FusionConfig
from polyhead.adapters.ia3 import Ia3Adapter, Ia3Config
from polyhead.adapters.lora import LoraAdapter, LoraConfig
from polyhead.adapters.prefix import PrefixAdapter, PrefixConfig
from polyhead.adapters.prompt import PromptAdapter, PromptConfig
from polyhead.adapters.reft import ReftAdapter, ReftConfig

__all__ = [
    "BottleneckAdapter",
    "BottleneckConfig",
    "FusionAdapter",
    "FusionConfig",
    "Ia3Adapter",
    "Ia3Config",
    "LoraAdapter",
    "LoraConfig",
    "PrefixAdapter",
    "PrefixConfig",
    "PromptAdapter",
    "PromptConfig",
    "ReftAdapter",
    "ReftConfig",
]
