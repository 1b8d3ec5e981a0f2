import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from polyhead.adapters import LoraConfig
from polyhead.adapters.lora.site import DoraSite, LoraSite
from polyhead.batch import Packing
from polyhead.contracts import Projection

READ, WRITTEN, RANK, SCALE = 8, 6, 3, 0.7
LENGTHS = (4, 1, 6)
PACKING = Packing(LENGTHS)
VARIANTS = [
    {},
    {"lora_bias": True},
    {"use_gating": True},
    {"use_gating": True, "lora_bias": True},
    {"use_dora": True},
]


def fresh(generator=None, **fields):
    config = LoraConfig(**fields)
    site_class = DoraSite if config.use_dora else LoraSite
    return site_class(config, RANK, SCALE, (WRITTEN, READ), generator)


def filled(**fields):
    """A site in which every parameter counts."""
    site = fresh(**fields)
    generator = torch.Generator().manual_seed(0)
    for parameter in site.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return site.eval()


def tokens(seed, packing=PACKING, width=READ):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(packing.n_tokens, width, generator=generator)


def projection():
    generator = torch.Generator().manual_seed(9)
    weight = torch.randn(WRITTEN, READ, generator=generator)
    return Projection(weight, torch.randn(WRITTEN, generator=generator))


def expected(site, x, y, frozen, packing):
    """What the papers write, row by row. `y` may be more than what `frozen` makes of `x`."""
    rows = []
    for x_row, y_row in zip(x.split(packing.lengths), y.split(packing.lengths), strict=True):
        change = x_row @ site.down.T @ site.up.T
        if site.bias is not None:
            change = change + site.bias
        scale = SCALE
        if site.gate is not None:
            scale = torch.sigmoid(x_row @ site.gate.weight.T + site.gate.bias).mean()
        if isinstance(site, DoraSite):
            norm = (frozen.weight + SCALE * site.up @ site.down).norm(dim=1)
            weighted = y_row - frozen.bias + scale * change
            rows.append(site.magnitude / norm * weighted + frozen.bias)
        else:
            rows.append(y_row + scale * change)
    return torch.cat(rows)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("fields", VARIANTS)
def test_every_variant_follows_the_formula_of_its_paper(mode, fields):
    site, frozen = filled(**fields), projection()
    x = tokens(1)
    with mode():
        for y in (frozen(x), tokens(2, width=WRITTEN)):
            found = site(x, y, frozen, PACKING)
            torch.testing.assert_close(
                found, expected(site, x, y, frozen, PACKING), atol=2e-6, rtol=0
            )


def test_dora_is_the_layer_whose_weight_the_paper_writes():
    site, frozen = filled(use_dora=True), projection()
    direction = frozen.weight + SCALE * site.up @ site.down
    weight = site.magnitude[:, None] * direction / direction.norm(dim=1, keepdim=True)
    found = site(tokens(1), frozen(tokens(1)), frozen, PACKING)
    torch.testing.assert_close(
        found, functional.linear(tokens(1), weight, frozen.bias), atol=2e-6, rtol=0
    )


@pytest.mark.parametrize("fields", VARIANTS)
def test_what_it_is_given_is_left_as_it_was(fields):
    site, frozen = filled(**fields), projection()
    x, y = tokens(1), tokens(2, width=WRITTEN)
    site(x, y, frozen, PACKING)
    assert torch.equal(x, tokens(1))
    assert torch.equal(y, tokens(2, width=WRITTEN))
    assert torch.equal(frozen.weight, projection().weight)
    assert torch.equal(frozen.bias, projection().bias)


@pytest.mark.parametrize("fields", VARIANTS)
def test_outputs_may_be_a_part_of_a_wider_matrix(fields):
    """As queries, keys and values are, which the encoder computes in one."""
    site, frozen = filled(**fields), projection()
    wide = tokens(2, width=3 * WRITTEN)
    part = wide.chunk(3, dim=1)[1]
    found = site(tokens(1), part, frozen, PACKING)
    assert torch.equal(found, site(tokens(1), part.contiguous(), frozen, PACKING))
    assert torch.equal(wide, tokens(2, width=3 * WRITTEN))


@pytest.mark.parametrize("fields", VARIANTS)
def test_every_parameter_takes_part_and_gets_a_gradient(fields):
    site, frozen = filled(**fields), projection()
    site(tokens(1), tokens(2, width=WRITTEN), frozen, PACKING).square().sum().backward()
    for name, parameter in site.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert frozen.weight.grad is None


@pytest.mark.parametrize("fields", VARIANTS)
def test_gradients_of_inputs_outputs_and_weights_are_those_of_the_formula(fields):
    site = filled(**fields).double()
    frozen = Projection(*(part.double() for part in projection()))
    x, y = tokens(1).double(), tokens(2, width=WRITTEN).double()
    gradients = []
    for compute in (site, lambda *given: _with_constant_norm(site, *given)):
        given = [x.clone().requires_grad_(), y.clone().requires_grad_()]
        loss = compute(*given, frozen, PACKING).square().sum()
        gradients.append(torch.autograd.grad(loss, [*given, *site.parameters()]))
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted)


def _with_constant_norm(site, x, y, frozen, packing):
    """The formula, with DoRA's norm as a constant."""
    if not isinstance(site, DoraSite):
        return expected(site, x, y, frozen, packing)
    norm = (frozen.weight + SCALE * site.up @ site.down).norm(dim=1).detach()
    change = SCALE * x @ site.down.T @ site.up.T
    return site.magnitude / norm * (y - frozen.bias + change) + frozen.bias


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=2, max_size=6),
    fields=st.sampled_from(VARIANTS),
    order=st.randoms(use_true_random=False),
)
def test_a_row_does_not_depend_on_the_rows_beside_it(lengths, fields, order):
    site, frozen, packing = filled(**fields), projection(), Packing(tuple(lengths))
    x, y = tokens(1, packing).split(lengths), tokens(2, packing, WRITTEN).split(lengths)
    alone = [site(x[n], y[n], frozen, Packing((size,))) for n, size in enumerate(lengths)]
    places = list(range(len(lengths)))
    order.shuffle(places)
    mixed = site(
        torch.cat([x[place] for place in places]),
        torch.cat([y[place] for place in places]),
        frozen,
        Packing(tuple(lengths[place] for place in places)),
    )
    torch.testing.assert_close(
        mixed, torch.cat([alone[place] for place in places]), atol=1e-6, rtol=0
    )


def test_one_behind_the_other_adds_both_changes():
    one, two, frozen = filled(), filled(lora_bias=True), projection()
    x, y = tokens(1), projection()(tokens(1))
    chained = two(x, one(x, y, frozen, PACKING), frozen, PACKING)
    apart = one(x, y, frozen, PACKING) + two(x, y, frozen, PACKING) - y
    torch.testing.assert_close(chained, apart, atol=2e-6, rtol=0)


def test_dora_behind_another_takes_its_result_for_that_of_the_weight():
    one, two, frozen = filled(), filled(use_dora=True), projection()
    x = tokens(1)
    chained = two(x, one(x, frozen(x), frozen, PACKING), frozen, PACKING)
    norm = (frozen.weight + SCALE * two.up @ two.down).norm(dim=1)
    weighted = x @ (frozen.weight + one.delta() + two.delta()).T
    torch.testing.assert_close(
        chained, two.magnitude / norm * weighted + frozen.bias, atol=3e-6, rtol=0
    )


@pytest.mark.parametrize("fields", VARIANTS)
def test_a_fresh_change_is_none_at_all(fields):
    site, frozen = fresh(**fields), projection()
    if isinstance(site, DoraSite):
        site.initialise(frozen)
    y = frozen(tokens(1))
    found = site(tokens(1), y, frozen, PACKING)
    torch.testing.assert_close(found, y, atol=1e-6, rtol=0)
    if not isinstance(site, DoraSite):
        assert torch.equal(found, y)


def test_dora_starts_from_the_lengths_of_the_weights_rows():
    site = fresh(use_dora=True)
    assert torch.equal(site.magnitude, torch.ones(WRITTEN))
    site.initialise(projection())
    torch.testing.assert_close(site.magnitude, projection().weight.norm(dim=1))
    assert site.magnitude.requires_grad


def test_dora_leaves_a_row_of_zeros_as_it_is():
    """As those of a head that was pruned; there is no direction to learn."""
    weight, bias = projection()
    weight[2] = 0
    frozen = Projection(weight, bias)
    site = fresh(use_dora=True)
    site.initialise(frozen)
    y = frozen(tokens(1))
    found = site(tokens(1), y, frozen, PACKING)
    torch.testing.assert_close(found, y, atol=1e-6, rtol=0)
    found.sum().backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in site.parameters())


@pytest.mark.parametrize("fields", [{}, {"lora_bias": True}, {"use_dora": True}])
def test_merged_into_the_weight_it_computes_the_same(fields):
    site, frozen = filled(**fields), projection()
    merged = site.merged(frozen)
    found = site(tokens(1), frozen(tokens(1)), frozen, PACKING)
    torch.testing.assert_close(merged(tokens(1)), found, atol=2e-6, rtol=0)
    assert torch.equal(frozen.weight, projection().weight)


@pytest.mark.parametrize("fields", VARIANTS)
def test_dropout_acts_on_what_a_reads_and_in_training_alone(fields):
    site, frozen = filled(dropout=0.5, **fields), projection()
    x, y = tokens(1), tokens(2, width=WRITTEN)
    quiet = site(x, y, frozen, PACKING)
    torch.testing.assert_close(quiet, expected(site, x, y, frozen, PACKING), atol=2e-6, rtol=0)
    site.train()
    torch.manual_seed(0)
    found = site(x, y, frozen, PACKING)
    torch.manual_seed(0)
    dropped = functional.dropout(x, 0.5)
    assert not torch.allclose(found, quiet)
    if site.gate is None:
        torch.testing.assert_close(
            found, expected(site, dropped, y, frozen, PACKING), atol=2e-6, rtol=0
        )


def test_training_mode_without_dropout_computes_the_same():
    for fields in VARIANTS:
        site, frozen = filled(**fields), projection()
        x, y = tokens(1), tokens(2, width=WRITTEN)
        quiet = site(x, y, frozen, PACKING)
        assert torch.equal(quiet, site.train()(x, y, frozen, PACKING))


@pytest.mark.parametrize("fields", VARIANTS)
def test_no_rows_give_no_tokens(fields):
    found = filled(**fields)(
        torch.empty(0, READ), torch.empty(0, WRITTEN), projection(), Packing(())
    )
    assert found.shape == (0, WRITTEN)


def test_initial_weights_are_those_of_the_named_scheme():
    def site(scheme):
        config = LoraConfig(init_weights=scheme, use_gating=True, lora_bias=True)
        return LoraSite(config, 64, 1.0, (256, 384), torch.Generator().manual_seed(0))

    lora, bert = site("lora"), site("bert")
    bound = 384**-0.5  # kaiming uniform with a = sqrt(5)
    assert 0.99 * bound < lora.down.abs().max() <= bound
    assert lora.down.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)
    assert not lora.up.any()
    for weight in (bert.down, bert.up):
        assert weight.std().item() == pytest.approx(0.02, rel=0.03)
    for made in (lora, bert):
        assert not made.bias.any()
        assert not made.gate.bias.any()
        assert made.gate.weight.std().item() == pytest.approx(0.02, rel=0.15)
