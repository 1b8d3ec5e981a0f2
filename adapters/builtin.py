"""The plugin that registers polyhead's own kinds of adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.adapters.bottleneck import BottleneckAdapter
from polyhead.adapters.fusion import FusionAdapter
from polyhead.adapters.ia3 import Ia3Adapter
from polyhead.adapters.lora import LoraAdapter
from polyhead.adapters.prefix import PrefixAdapter
from polyhead.adapters.prompt import PromptAdapter
from polyhead.adapters.reft import ReftAdapter
from polyhead.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.contracts import Adapter

__all__ = ["polyhead_register_adapters"]


@hookimpl
def polyhead_register_adapters(register: Callable[[type[Adapter]], None]) -> None:
    """Registers each kind with its presets."""
    for kind in (
        BottleneckAdapter,
        FusionAdapter,
        Ia3Adapter,
        LoraAdapter,
        PrefixAdapter,
        PromptAdapter,
        ReftAdapter,
    ):
        register(kind)
