"""The built-in kind of adapter, and one that reads beside the encoder, pass all checks."""

import torch
from pydantic import Field
from torch import nn

from polyhead.adapters import BottleneckAdapter, BottleneckConfig
from polyhead.contracts import AdapterConfig, SideAdapter
from polyhead.registry import registry
from polyhead.testing import AdapterConformance


def bottleneck(text: str) -> BottleneckConfig:
    return registry().adapter_config(text)


class TestBottleneckAdapter(AdapterConformance):
    adapter = BottleneckAdapter
    configs = (
        bottleneck("seq_bn[init_weights_seed=3,dropout=0.2]"),
        bottleneck("double_seq_bn[use_gating=true,ln_before=true,leave_out=(1,)]"),
        bottleneck("scaled_par_bn"),
    )


class TestParallelBottleneck(AdapterConformance):
    adapter = BottleneckAdapter
    config = bottleneck("par_bn[reduction_factor={'0': 2, 'default': 8}]")
    is_neutral_at_first = True


class SumConfig(AdapterConfig):
    """A sum of some layers."""

    top: int = Field(default=2, ge=1, description="How many of the highest layers are read.")
    size: int = Field(default=4, ge=1, description="Width of the network beside the encoder.")


class SumAdapter(SideAdapter):
    """The highest layer, and what a small network makes of the mean of the highest ones."""

    kind = "sum_of_layers"
    Config = SumConfig
    config: SumConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.down = nn.Linear(shape.width, config.size)
        self.up = nn.Linear(config.size, shape.width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def reads(self, depth):
        return range(max(0, depth + 1 - self.config.top), depth + 1)

    def read(self, layers, packing):
        chosen = [layers[number] for number in self.reads(len(layers) - 1)]
        mean = torch.stack(chosen).mean(dim=0)
        return layers[-1] + self.up(torch.tanh(self.down(mean)))


class TestSumAdapter(AdapterConformance):
    adapter = SumAdapter
    configs = (SumConfig(), SumConfig(top=9))
    is_neutral_at_first = True
