import copy
import pickle
import re

import pytest
import torch

from polyhead.adapters import Ia3Adapter, Ia3Config
from polyhead.batch import Packing
from polyhead.contracts import NO_TAPS, PROJECTIONS, EncoderShape, Projection
from polyhead.errors import ConfigError
from polyhead.testing import AdapterConformance, shaken

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=48, max_positions=64, vocab_size=100
)
SIZES = {"lin1": (48, 32), "lin2": (32, 48)}
PACKING = Packing((4, 1, 6))


class TestIa3(AdapterConformance):
    adapter = Ia3Adapter
    is_neutral_at_first = True
    configs = (
        Ia3Config(),
        Ia3Config(outputs=("k", "v", "lin1"), inputs=()),
        Ia3Config(outputs=PROJECTIONS, inputs=PROJECTIONS, leave_out=(1,)),
    )


class TestGatedIa3(AdapterConformance):
    adapter = Ia3Adapter
    config = Ia3Config(outputs=("k", "v"), inputs=("q", "lin2"), use_gating=True)


def adapter_of(**fields):
    return shaken(Ia3Adapter(Ia3Config(**fields), SHAPE))


def projection(site):
    generator = torch.Generator().manual_seed(PROJECTIONS.index(site))
    written, read = SIZES.get(site, (32, 32))
    weight = torch.randn(written, read, generator=generator)
    return Projection(weight, torch.randn(written, generator=generator))


def tokens(site, packing=PACKING):
    generator = torch.Generator().manual_seed(7)
    return torch.randn(packing.n_tokens, SIZES.get(site, (32, 32))[1], generator=generator)


def computed(adapter, layer, site, x, packing=PACKING):
    """What the linear layer makes of x with the adapter, as the encoder calls its taps."""
    taps, frozen = adapter.taps(layer), projection(site)
    if site == "lin2" and taps.inner is not None:
        x = taps.inner(x, packing)
    tap = getattr(taps, site)
    return frozen(x) if tap is None else tap(x, frozen(x), frozen, packing)


def factors(adapter, place, x, packing):
    """One vector of factors, or of each token under a gate, as the paper and the libraries say."""
    group, site, _ = place.split(".")
    if site not in getattr(adapter.config, group):
        return 1.0
    part = adapter.get_submodule(place)
    if part.gate is None:
        return part.scale
    rows = torch.sigmoid(x @ part.gate.weight.T + part.gate.bias).split(packing.lengths)
    return part.scale * torch.cat([row.mean().expand_as(row) for row in rows])


def expected(adapter, layer, site, x, packing=PACKING):
    frozen = projection(site)
    scaled = x * factors(adapter, f"inputs.{site}.{layer}", x, packing)
    # behind its own site `inner`, lin2 and its gate read what is scaled already
    seen = scaled if site == "lin2" else x
    y = scaled @ frozen.weight.T + frozen.bias
    return y * factors(adapter, f"outputs.{site}.{layer}", seen, packing)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("use_gating", [False, True])
@pytest.mark.parametrize(
    ("outputs", "inputs"), [(PROJECTIONS, ()), ((), PROJECTIONS), (PROJECTIONS, PROJECTIONS)]
)
def test_inputs_and_outputs_are_scaled_as_the_paper_says(mode, use_gating, outputs, inputs):
    adapter = adapter_of(outputs=outputs, inputs=inputs, use_gating=use_gating)
    for site in PROJECTIONS:
        with mode():
            found = computed(adapter, 1, site, tokens(site))
            wanted = expected(adapter, 1, site, tokens(site))
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)


def test_behind_other_taps_it_scales_what_they_made():
    """An input's change is added to theirs; an output's factors multiply it too."""
    adapter = adapter_of(outputs=("v",), inputs=("q",))
    x, before = tokens("q"), torch.ones(PACKING.n_tokens, 32)
    q, v = projection("q"), projection("v")
    taps = adapter.taps(0)
    alone = taps.q(x, q(x), q, PACKING)
    torch.testing.assert_close(
        taps.q(x, q(x) + before, q, PACKING), alone + before, atol=2e-5, rtol=0
    )
    scale = adapter.get_submodule("outputs.v.0").scale
    torch.testing.assert_close(
        taps.v(x, v(x) + before, v, PACKING), (v(x) + before) * scale, atol=2e-5, rtol=0
    )


@pytest.mark.parametrize("use_gating", [False, True])
def test_a_row_does_not_depend_on_the_rows_beside_it(use_gating):
    adapter = adapter_of(outputs=PROJECTIONS, inputs=PROJECTIONS, use_gating=use_gating)
    for site in PROJECTIONS:
        x = tokens(site)
        alone = [
            computed(adapter, 0, site, row, Packing((len(row),)))
            for row in x.split(PACKING.lengths)
        ]
        together = computed(adapter, 0, site, x)
        torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


def test_what_it_is_given_is_left_as_it_was():
    adapter = adapter_of(outputs=PROJECTIONS, inputs=PROJECTIONS)
    for site in PROJECTIONS:
        x, frozen = tokens(site), projection(site)
        y = frozen(x)
        getattr(adapter.taps(0), site)(x, y, frozen, PACKING)
        assert torch.equal(x, tokens(site))
        assert torch.equal(y, frozen(x))
        assert torch.equal(frozen.weight, projection(site).weight)
    inner = tokens("lin2")
    adapter.taps(0).inner(inner, PACKING)
    assert torch.equal(inner, tokens("lin2"))


def test_a_fresh_adapter_changes_no_bit():
    adapter = Ia3Adapter(Ia3Config(outputs=PROJECTIONS, inputs=PROJECTIONS), SHAPE)
    for site in PROJECTIONS:
        x = tokens(site)
        assert torch.equal(computed(adapter, 0, site, x), projection(site)(x))


@pytest.mark.parametrize(("ffn_width", "n_parameters"), [(64, 9_600), (3072, 27_648)])
def test_it_has_as_many_parameters_as_in_the_adapters_library(ffn_width, n_parameters):
    shape = EncoderShape(
        width=768, n_layers=6, n_heads=12, ffn_width=ffn_width, max_positions=512, vocab_size=30522
    )
    for config in (Ia3Config(outputs=("k", "v", "lin1"), inputs=()), Ia3Config()):
        with torch.device("meta"):
            adapter = Ia3Adapter(config, shape)
        assert sum(parameter.numel() for parameter in adapter.parameters()) == n_parameters


def test_tensors_have_short_names_without_the_adapters_name():
    adapter = Ia3Adapter(Ia3Config(leave_out=(0, 2), use_gating=True), SHAPE)
    places = ("outputs.k.1", "outputs.v.1", "inputs.lin2.1")
    parts = ("scale", "gate.weight", "gate.bias")
    shapes = {name: tuple(tensor.shape) for name, tensor in adapter.state_dict().items()}
    assert set(shapes) == {f"{place}.{part}" for place in places for part in parts}
    assert shapes["outputs.k.1.scale"] == (32,)
    assert shapes["inputs.lin2.1.scale"] == (48,)
    assert shapes["inputs.lin2.1.gate.weight"] == (1, 48)


def test_taps_are_ready_made_and_there_only_where_the_adapter_acts():
    adapter = Ia3Adapter(Ia3Config(leave_out=(1,)), SHAPE)
    assert adapter.taps(1) is NO_TAPS
    for layer in (0, 2):
        taps = adapter.taps(layer)
        assert taps is adapter.taps(layer)
        acting = {site for site in taps.sites() if getattr(taps, site) is not None}
        assert acting == {"k", "v", "inner"}


@pytest.mark.parametrize(
    ("outputs", "inputs"),
    [(("k", "v"), ("lin2",)), (PROJECTIONS, PROJECTIONS), (("lin1",), ()), ((), ("out",))],
)
def test_a_merged_linear_layer_computes_what_the_adapter_does(outputs, inputs):
    adapter = adapter_of(outputs=outputs, inputs=inputs, leave_out=(1,))
    for layer in range(SHAPE.n_layers):
        for site in PROJECTIONS:
            frozen, x = projection(site), tokens(site)
            merged = adapter.merged(layer, site, frozen)
            torch.testing.assert_close(
                merged(x), computed(adapter, layer, site, x), atol=2e-5, rtol=0
            )
            assert not merged.weight.requires_grad
            assert torch.equal(frozen.weight, projection(site).weight)
            if layer == 1 or site not in {*outputs, *inputs}:
                assert merged is frozen


@pytest.mark.parametrize(
    ("fields", "layer", "site", "message"),
    [
        ({"use_gating": True}, 0, "k", "an adapter with use_gating has another effect on each"),
        ({}, 3, "k", "no layer 3; the encoder has 0 to 2."),
        ({}, 0, "key", "no linear layer 'key'; there are: q, k, v, out, lin1, lin2."),
    ],
)
def test_what_has_no_merged_weight_is_refused(fields, layer, site, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        adapter_of(**fields).merged(layer, site, projection("k"))


def test_copies_and_pickles_tap_and_merge_with_their_own_weights():
    adapter = adapter_of()
    for twin in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):  # noqa: S301
        assert twin.taps(0).k is twin.get_submodule("outputs.k.0")
        assert twin.taps(0).k is not adapter.taps(0).k
        with torch.no_grad():
            twin.taps(0).k.scale.fill_(2.0)
        merged = twin.merged(0, "k", projection("k"))
        assert torch.equal(merged.weight, projection("k").weight * 2)
