import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from polyhead.adapters import BottleneckConfig
from polyhead.adapters.bottleneck.hypercomplex import HypercomplexShared
from polyhead.adapters.bottleneck.site import BottleneckSite
from polyhead.batch import Packing
from polyhead.contracts import ComposableTap

WIDTH, INNER = 8, 3
LENGTHS = (4, 1, 6)
PACKING = Packing(LENGTHS)
CHOICES = {
    "is_parallel": (False, True),
    "original_ln_before": (False, True),
    "original_ln_after": (True, False),
    "residual_before_ln": (True, False, "post_add"),
    "ln_before": (False, True),
    "ln_after": (False, True),
    "adapter_residual_before_ln": (False, True),
    "scaling": (1.0, 0.5, "learned", "channel"),
    "use_gating": (False, True),
}


def configured(**fields):
    return BottleneckConfig(
        **{"mh_adapter": False, "output_adapter": True, "reduction_factor": 2} | fields,
        non_linearity="gelu",
    )


def every_config():
    for values in itertools.product(*CHOICES.values()):
        fields = dict(zip(CHOICES, values, strict=True))
        try:
            yield configured(**fields)
        except ValidationError:
            continue  # a combination that is refused


def filled(config, seed=0):
    """A site in which every parameter counts."""
    torch.manual_seed(seed)
    site = BottleneckSite(config, WIDTH, INNER, None)
    for parameter in site.parameters():
        nn.init.normal_(parameter, std=0.5)
    return site.eval()


def tokens(seed, packing=PACKING):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(packing.n_tokens, WIDTH, generator=generator)


def norm(values):
    return functional.layer_norm(values, (WIDTH,), eps=1e-12)


def inputs(config, f, h):
    """What the bottleneck reads, and its own residual."""
    if config.is_parallel:
        return h, f
    if not config.original_ln_before:
        return f, f
    read = norm(f + h)
    return read, {True: f, "post_add": f + h, False: read}[config.residual_before_ln]


def expected(site, f, h, packing):
    """The bottleneck as the adapters library writes it, row by row on padded-free tensors."""
    config = site.config
    read, skip = inputs(config, f, h)
    inner = site.norm_before(read) if config.ln_before else read
    inner = functional.gelu(inner @ site.down.weight.T + site.down.bias)
    up = (inner @ site.up.weight.T + site.up.bias) * site.scale
    if config.use_gating:
        gates = torch.sigmoid(read @ site.gate.weight.T + site.gate.bias)
        rows = gates.split(packing.lengths)
        up = up * torch.cat([row.mean().expand_as(row) for row in rows])
    if config.is_parallel:
        up = site.norm_after(up) if config.ln_after else up
        changed = up + f
    elif config.adapter_residual_before_ln:
        changed = site.norm_after(up + skip)
    else:
        changed = (site.norm_after(up) if config.ln_after else up) + skip
    return norm(changed + h) if config.original_ln_after else changed


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_every_variant_follows_the_formula_of_the_adapters_library(mode):
    f, h = tokens(1), tokens(2)
    n_checked = 0
    for config in every_config():
        site = filled(config)
        with mode():
            found = site(f, h, norm, PACKING)
            torch.testing.assert_close(found, expected(site, f, h, PACKING), atol=2e-6, rtol=0)
        n_checked += 1
    assert n_checked > 300


def test_the_inputs_are_left_as_they_were():
    f, h = tokens(1), tokens(2)
    for config in every_config():
        filled(config)(f, h, norm, PACKING)
        assert torch.equal(f, tokens(1))
        assert torch.equal(h, tokens(2))


def test_every_parameter_takes_part_and_gets_a_gradient():
    for config in every_config():
        site = filled(config)
        site(tokens(1), tokens(2), norm, PACKING).square().sum().backward()
        for name, parameter in site.named_parameters():
            assert parameter.grad is not None, (config, name)
            assert parameter.grad.abs().sum() > 0 or not config.original_ln_after, (config, name)


@pytest.mark.parametrize(
    "fields",
    [
        {"original_ln_before": True},
        {},
        {"is_parallel": True, "scaling": "learned"},
        {"original_ln_before": True, "ln_after": True, "use_gating": True, "scaling": "channel"},
    ],
)
def test_gradients_agree_with_finite_differences(fields):
    site = filled(configured(**fields)).double()
    inputs = [tokens(seed).double().requires_grad_() for seed in (1, 2)]
    assert torch.autograd.gradcheck(lambda f, h: site(f, h, norm, PACKING), inputs)


def test_gradients_of_the_weights_agree_with_finite_differences():
    site = filled(configured(original_ln_before=True, scaling="channel")).double()
    f, h = tokens(1).double(), tokens(2).double()
    names = [name for name, _ in site.named_parameters()]

    def run(*weights):
        changed = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(site, changed, (f, h, norm, PACKING))

    assert torch.autograd.gradcheck(run, tuple(site.parameters()))


def test_the_change_and_the_end_of_the_sublayer_make_what_a_call_makes():
    f, h = tokens(1), tokens(2)
    for config in every_config():
        site = filled(config)
        change = site.change(f, h, norm, PACKING)
        found = site.close(change.output, h, norm)
        torch.testing.assert_close(found, site(f, h, norm, PACKING), atol=3e-6, rtol=0)


def test_a_change_says_what_was_read_and_what_a_fusion_weighs():
    f, h = tokens(1), tokens(2)
    for config in every_config():
        site = filled(config)
        change = site.change(f, h, norm, PACKING)
        read, skip = inputs(config, f, h)
        inner = site.norm_before(read) if config.ln_before else read
        inner = functional.gelu(inner @ site.down.weight.T + site.down.bias)
        up = (inner @ site.up.weight.T + site.up.bias) * site.scale
        torch.testing.assert_close(change.read, read, atol=2e-6, rtol=0)
        torch.testing.assert_close(change.skip, skip, atol=2e-6, rtol=0)
        torch.testing.assert_close(change.fused, up, atol=2e-6, rtol=0)


def test_a_plain_change_is_what_is_added():
    change = filled(configured(original_ln_before=True)).change(tokens(1), tokens(2), norm, PACKING)
    assert change.raw is None
    assert change.fused is change.added


def test_a_site_is_composable():
    assert isinstance(filled(configured()), ComposableTap)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=2, max_size=6),
    gated=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_a_row_does_not_depend_on_the_rows_beside_it(lengths, gated, order):
    site = filled(configured(original_ln_before=True, use_gating=gated))
    packing = Packing(tuple(lengths))
    f, h = tokens(1, packing), tokens(2, packing)
    alone = [
        site(f_row, h_row, norm, Packing((len(f_row),)))
        for f_row, h_row in zip(f.split(lengths), h.split(lengths), strict=True)
    ]
    places = list(range(len(lengths)))
    order.shuffle(places)
    mixed = site(
        torch.cat([f.split(lengths)[place] for place in places]),
        torch.cat([h.split(lengths)[place] for place in places]),
        norm,
        Packing(tuple(lengths[place] for place in places)),
    )
    torch.testing.assert_close(
        mixed, torch.cat([alone[place] for place in places]), atol=1e-6, rtol=0
    )


def test_the_gate_of_a_row_is_the_mean_over_its_own_tokens():
    site = filled(configured(use_gating=True))
    read = tokens(3)
    gates = torch.sigmoid(read @ site.gate.weight.T + site.gate.bias).squeeze(1)
    means = torch.stack([row.mean() for row in gates.split(LENGTHS)])
    found = site._share(read, PACKING)
    torch.testing.assert_close(found.squeeze(1), means.repeat_interleave(torch.tensor(LENGTHS)))


@pytest.mark.parametrize("fields", [{}, {"is_parallel": True}, {"original_ln_before": True}])
def test_a_fresh_mam_adapter_changes_nothing_at_all(fields):
    site = BottleneckSite(configured(init_weights="mam_adapter", **fields), WIDTH, INNER, None)
    f, h = tokens(1), tokens(2)
    assert torch.equal(site(f, h, norm, PACKING), norm(f + h))


def test_dropout_acts_in_training_alone():
    site = filled(configured(dropout=0.5))
    f, h = tokens(1), tokens(2)
    quiet = site(f, h, norm, PACKING)
    torch.testing.assert_close(quiet, expected(site, f, h, PACKING), atol=2e-6, rtol=0)
    site.train()
    torch.manual_seed(0)
    assert not torch.allclose(site(f, h, norm, PACKING), quiet)


def test_dropout_keeps_or_drops_single_numbers_of_the_result():
    site = filled(configured(dropout=0.5, original_ln_after=False)).train()
    f, h = tokens(1), tokens(2)
    torch.manual_seed(0)
    change = site(f, h, norm, PACKING) - f
    kept = 2 * (expected(site, f, h, PACKING) - f)
    is_dropped = change.abs() < 1e-6
    torch.testing.assert_close(change[~is_dropped], kept[~is_dropped], atol=1e-5, rtol=0)
    assert 0.3 < is_dropped.float().mean() < 0.7


def test_stochastic_depth_drops_whole_rows_in_training_alone():
    site = filled(configured(stochastic_depth=0.5, original_ln_after=False))
    packing = Packing((2,) * 200)
    f, h = tokens(1, packing), tokens(2, packing)
    full = expected(site, f, h, packing) - f
    torch.testing.assert_close(site(f, h, norm, packing) - f, full, atol=2e-6, rtol=0)
    site.train()
    torch.manual_seed(0)
    change = site(f, h, norm, packing) - f
    kept = (change.abs().amax(dim=1) > 1e-6).view(-1, 2)
    assert torch.equal(kept[:, 0], kept[:, 1])
    assert 0.4 < kept.float().mean() < 0.6
    rows = kept.flatten()
    torch.testing.assert_close(change[rows], 2 * full[rows], atol=1e-5, rtol=0)


def test_a_gate_and_stochastic_depth_act_together():
    fields = {"use_gating": True, "original_ln_after": False}
    site = filled(configured(stochastic_depth=0.25, **fields))
    f, h = tokens(1), tokens(2)
    gated = expected(site, f, h, PACKING) - f
    torch.manual_seed(1)
    change = site.train()(f, h, norm, PACKING) - f
    for own, full in zip(change.split(LENGTHS), gated.split(LENGTHS), strict=True):
        scale = 0.0 if not own.any() else 1 / 0.75
        torch.testing.assert_close(own, full * scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "fields",
    [
        {"original_ln_before": True},
        {"phm_bias": False, "scaling": "channel"},
        {"phm_bias": False, "is_parallel": True, "scaling": 4.0, "use_gating": True},
    ],
)
def test_hypercomplex_projections_take_the_place_of_plain_ones(fields):
    config = configured(phm_layer=True, phm_dim=2, **fields)
    shared = HypercomplexShared(config, WIDTH, 4, None)
    torch.manual_seed(0)
    site = BottleneckSite(config, WIDTH, 4, None, shared)
    for parameter in (*site.parameters(), *shared.parameters()):
        nn.init.normal_(parameter, std=0.7)
    plain = BottleneckSite(configured(**fields | {"phm_bias": True}), WIDTH, 4, None)
    with torch.no_grad():
        for own, theirs in ((plain.down, site.down), (plain.up, site.up)):
            weight, bias = theirs.matrix(), theirs.bias
            own.weight.copy_(weight)
            own.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)
        if config.scaling == "channel":
            plain.scale.copy_(site.scale)
        if config.use_gating:
            plain.gate.load_state_dict(site.gate.state_dict())
    f, h = tokens(1), tokens(2)
    found = site(f, h, norm, PACKING)
    torch.testing.assert_close(found, plain(f, h, norm, PACKING), atol=2e-6, rtol=0)
    change = site.change(f, h, norm, PACKING)
    torch.testing.assert_close(site.close(change.output, h, norm), found, atol=2e-6, rtol=0)


def test_training_mode_without_dropout_computes_the_same():
    for config in (configured(), configured(use_gating=True), configured(ln_after=True)):
        site = filled(config)
        f, h = tokens(1), tokens(2)
        assert torch.equal(site(f, h, norm, PACKING), site.train()(f, h, norm, PACKING))


def test_no_rows_give_no_tokens():
    for config in every_config():
        nothing = torch.empty(0, WIDTH)
        assert filled(config)(nothing, nothing, norm, Packing(())).shape == (0, WIDTH)


def test_initial_weights_are_those_of_the_named_scheme():
    torch.manual_seed(0)

    def site(scheme):
        config = configured(init_weights=scheme, use_gating=True, scaling="channel", ln_before=True)
        return BottleneckSite(config, 384, 96, None)

    bert = site("bert")
    for weight in (bert.down.weight, bert.up.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert weight.abs().max() > 0.05  # not cut off
    houlsby = site("houlsby")
    for weight in (houlsby.down.weight, houlsby.up.weight):
        # a normal distribution cut off at two deviations keeps 0.88 of its spread
        assert weight.std().item() == pytest.approx(0.0088, rel=0.03)
        assert weight.abs().max() <= 0.02
    mam = site("mam_adapter")
    bound = 384**-0.5  # kaiming uniform with a = sqrt(5)
    assert 0.99 * bound < mam.down.weight.abs().max() <= bound
    assert mam.down.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)
    assert not mam.up.weight.any()
    for module in (bert, houlsby, mam):
        assert not module.down.bias.any()
        assert not module.up.bias.any()
        assert not module.gate.bias.any()
        assert module.gate.weight.std().item() == pytest.approx(0.02, rel=0.15)
        assert torch.equal(module.scale, torch.ones(384))
        assert torch.equal(module.norm_before.weight, torch.ones(384))
