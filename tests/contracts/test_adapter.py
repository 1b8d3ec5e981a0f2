import pytest
import torch

from polyhead.contracts import NO_TAPS, Adapter, AdapterConfig, EncoderShape, LayerTaps
from polyhead.errors import ContractError

SHAPE = EncoderShape(width=4, n_layers=2, n_heads=2, ffn_width=8, max_positions=16, vocab_size=10)


class ScaleConfig(AdapterConfig):
    start: float = 1.0


class Scale(Adapter):
    kind = "scale"
    Config = ScaleConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.factor = torch.nn.Parameter(torch.tensor(config.start))

    def taps(self, layer):
        return LayerTaps(ffn=self.tap) if layer == 0 else NO_TAPS

    def tap(self, output, residual, norm, packing):
        return norm(output * self.factor + residual)


def test_a_complete_class_is_accepted_and_keeps_config_and_shape():
    adapter = Scale(ScaleConfig(start=2), SHAPE)
    assert adapter.config == ScaleConfig(start=2)
    assert adapter.shape is SHAPE
    assert adapter.taps(1) is NO_TAPS
    assert adapter.presets == {}


def test_a_class_without_kind_is_refused_as_it_is_defined():
    with pytest.raises(ContractError, match="Nameless must set `kind`"):

        class Nameless(Adapter):
            Config = ScaleConfig

            def taps(self, layer):
                return NO_TAPS


def test_a_class_with_an_empty_kind_is_refused_as_it_is_defined():
    with pytest.raises(ContractError, match="must set `kind`"):

        class Empty(Adapter):
            kind = ""
            Config = ScaleConfig

            def taps(self, layer):
                return NO_TAPS


@pytest.mark.parametrize("config", [None, dict, ScaleConfig()])
def test_a_class_with_another_config_is_refused_as_it_is_defined(config):
    with pytest.raises(ContractError, match="must set `Config`, a subclass of AdapterConfig"):

        class Odd(Adapter):
            kind = "odd"
            Config = config

            def taps(self, layer):
                return NO_TAPS


def test_an_abstract_step_in_between_needs_no_kind():
    class Between(Adapter):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Between(ScaleConfig(), SHAPE)


def test_taps_can_be_told_apart_and_not_be_changed():
    assert LayerTaps() == NO_TAPS
    assert NO_TAPS.attention is None
    assert NO_TAPS.ffn is None
    with pytest.raises(AttributeError):
        NO_TAPS.ffn = print
