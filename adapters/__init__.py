"""The kinds of adapters that come with polyhead."""

from polyhead.adapters.bottleneck import BottleneckAdapter
from polyhead.adapters.bottleneck_config import BottleneckConfig
from polyhead.adapters.fusion import FusionAdapter
from polyhead.adapters.fusion_config import FusionConfig
from polyhead.adapters.ia3 import Ia3Adapter
from polyhead.adapters.ia3_config import Ia3Config
from polyhead.adapters.lora import LoraAdapter
from polyhead.adapters.lora_config import LoraConfig
from polyhead.adapters.prefix import PrefixAdapter
from polyhead.adapters.prefix_config import PrefixConfig
from polyhead.adapters.prompt import PromptAdapter
from polyhead.adapters.prompt_config import PromptConfig
from polyhead.adapters.reft import ReftAdapter
from polyhead.adapters.reft_config import ReftConfig

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
