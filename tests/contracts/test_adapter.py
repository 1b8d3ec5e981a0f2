import pytest
import torch

from polyhead.batch import Packing
from polyhead.contracts import (
    NO_TAPS,
    Adapter,
    AdapterConfig,
    EncoderShape,
    LayerTaps,
    SideAdapter,
)
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


class Last(SideAdapter):
    kind = "last"
    Config = ScaleConfig

    def read(self, layers, packing):
        return layers[-1] * self.config.start


def test_a_side_adapter_has_no_taps_and_reads_every_layer_up_to_the_heads():
    adapter = Last(ScaleConfig(), SHAPE)
    assert all(adapter.taps(layer) is NO_TAPS for layer in range(SHAPE.n_layers))
    assert list(adapter.reads(2)) == [0, 1, 2]
    assert list(adapter.reads(0)) == [0]


def test_side_adapters_read_one_after_the_other_unless_they_know_better():
    adapters = [Last(ScaleConfig(start=start), SHAPE) for start in (1, 2)]
    layers = (torch.ones(3, 4), torch.full((3, 4), 5.0))
    one, two = Last.read_many(adapters, layers, Packing((3,)))
    assert torch.equal(one, layers[1])
    assert torch.equal(two, 2 * layers[1])


def test_a_side_adapter_with_taps_is_refused_as_it_is_defined():
    with pytest.raises(ContractError, match="Both is a SideAdapter and has taps; leave `taps` out"):

        class Both(Last):
            def taps(self, layer):
                return NO_TAPS


def test_a_side_adapter_must_read():
    class Silent(SideAdapter):
        kind = "silent"
        Config = ScaleConfig

    with pytest.raises(TypeError, match="abstract"):
        Silent(ScaleConfig(), SHAPE)


class PerToken(Adapter):
    kind = "per_token"
    Config = ScaleConfig
    is_per_token = True

    def taps(self, layer):
        return NO_TAPS


def test_what_is_per_token_is_said_anew_with_taps_of_its_own():
    class Same(PerToken):
        pass

    class Other(PerToken):
        def taps(self, layer):
            return NO_TAPS

    found = [cls(ScaleConfig(), SHAPE).is_per_token for cls in (PerToken, Same, Other)]
    assert found == [True, True, False]
