import copy
import pickle

import pytest
import torch

from polyhead.adapters import ReftAdapter, ReftConfig
from polyhead.adapters.reft.config import PRESETS
from polyhead.contracts import NO_TAPS, EncoderShape
from polyhead.errors import ConfigError
from polyhead.testing import AdapterConformance, shaken, tiny_model

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
THEIRS = "distilbert.transformer.layer.{}.reft_layer.refts.a.units.{}."
ORTHOGONAL = "projection.parametrizations.weight."


class TestReft(AdapterConformance):
    adapter = ReftAdapter
    configs = (
        ReftConfig(r=2, suffix_positions=2, init_weights_seed=3),
        ReftConfig(r=4, orthogonality=False, layers=(0,), non_linearity="tanh"),
        ReftConfig(
            r=2,
            orthogonality=False,
            subtract_projection=False,
            suffix_positions=1,
            tied_weights=True,
        ),
    )


def adapter_of(**fields):
    return shaken(ReftAdapter(ReftConfig(**fields), SHAPE)).eval()


def our_names(theirs, config):
    """The tensors of an adapter file under our names."""
    ours = {}
    for layer in config.layers_of(SHAPE):
        for number, unit in enumerate(config.units):
            there, here = THEIRS.format(layer, number), f"output.{layer}.{unit}."
            ours[f"{here}source.weight"] = theirs[f"{there}learned_source.weight"]
            ours[f"{here}source.bias"] = theirs[f"{there}learned_source.bias"]
            if config.orthogonality:
                pair = (theirs[there + ORTHOGONAL + part] for part in ("original", "0.base"))
                ours[f"{here}projection"] = ReftAdapter.projection_of(*pair)
            else:
                ours[f"{here}projection"] = theirs[f"{there}projection.weight"]
    return ours


@pytest.mark.parametrize("name", ["loreft", "noreft", "direft"])
def test_files_of_the_adapters_library_give_what_they_gave_there(name, recorded):
    """One text of four tokens has three first and two last ones."""
    theirs = recorded(f"{name}/bin")
    # that library does not save this field, and turns direft into noreft when it loads it
    config = ReftConfig(**theirs.kept(ReftConfig), subtract_projection=name != "direft")
    adapter = ReftAdapter(config, SHAPE)
    adapter.load_state_dict(our_names(theirs.tensors, config))
    states, logits = theirs.computed(adapter)
    for found, expected in zip(states, theirs.states, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, theirs.logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_half_the_parameters_of_the_adapters_library(name):
    """That library keeps a network for the last tokens, of which the presets change none.

    Where both ends are changed there are as many as there, 18,444. What it saves of an orthogonal
    projection is a square matrix besides, which is no parameter and not needed here.
    """
    shape = EncoderShape(
        width=768, n_layers=6, n_heads=12, ffn_width=3072, max_positions=512, vocab_size=30522
    )
    both = PRESETS[name].model_copy(update={"suffix_positions": 3})
    with torch.device("meta"):
        counts = [
            sum(parameter.numel() for parameter in ReftAdapter(config, shape).parameters())
            for config in (PRESETS[name], both)
        ]
    assert counts == [9_222, 18_444]


def test_tensors_have_short_names_without_the_adapters_name():
    parts = ("source.weight", "source.bias", "projection")
    names = set(adapter_of(suffix_positions=1, layers=(1,)).state_dict())
    assert names == {f"output.1.{unit}.{part}" for unit in ("prefix", "suffix") for part in parts}
    names = set(adapter_of(tied_weights=True, layers=(2,)).state_dict())
    assert names == {f"output.2.tied.{part}" for part in parts}


def test_taps_are_ready_made_and_there_only_where_the_adapter_acts():
    adapter = adapter_of(layers=(0, 2))
    assert adapter.taps(1) is NO_TAPS
    assert adapter.embeddings_tap() is None
    for layer in (0, 2):
        taps = adapter.taps(layer)
        assert taps is adapter.taps(layer)
        assert taps.output is adapter.output[str(layer)]


def test_a_config_for_another_encoder_is_refused():
    model = tiny_model()
    for text, message in (("loreft[layers=[5]]", "layer 5"), ("noreft[r=64]", "the most is 32")):
        with pytest.raises(ConfigError, match=message):
            model.add_adapter("a", text)
    assert not model.adapters


def test_as_many_directions_as_the_encoder_is_wide_are_all_there_are():
    """What a state was is forgotten."""
    unit = adapter_of(r=32, layers=(0,)).output["0"].prefix
    states = torch.randn(3, 32)
    expected = unit.source(states) @ unit.directions()
    torch.testing.assert_close(unit(states), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("orthogonality", [True, False])
def test_one_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(orthogonality):
    config = ReftConfig(r=2, suffix_positions=1, orthogonality=orthogonality, init_weights_seed=0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = ReftAdapter(config, SHAPE).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = ReftAdapter(config, SHAPE).state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    drawn = [tensor for name, tensor in one.items() if name.endswith("projection")]
    assert len({tuple(tensor.flatten().tolist()) for tensor in drawn}) == 6


def test_copies_and_pickles_tap_with_their_own_weights():
    adapter = adapter_of()
    for twin in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):  # noqa: S301
        assert twin.taps(0).output is twin.output["0"]
        assert twin.taps(0).output is not adapter.taps(0).output
        assert torch.equal(
            twin.output["0"].prefix.projection, adapter.output["0"].prefix.projection
        )


def test_directions_at_right_angles_are_not_merged():
    assert adapter_of().why_no_sum((1.0,)) is None
    assert "right angles" in adapter_of().why_no_sum((0.5, 0.5))
    assert adapter_of(orthogonality=False).why_no_sum((0.5, 0.25)) is None
