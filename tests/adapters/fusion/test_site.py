import itertools

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from polyhead.adapters import FusionConfig
from polyhead.adapters.fusion.site import FusedTap, FusionSite
from polyhead.batch import Packing
from polyhead.contracts import Change, ComposableTap

WIDTH, N_ADAPTERS = 8, 3
PACKING = Packing((4, 1, 6))
NAMES = ("a", "b", "c")
CHOICES = {
    "key": (True, False),
    "query": (True, False),
    "value": (True, False),
    "value_before_softmax": (True, False),
    "residual_before": (True, False),
    "query_before_ln": (True, False),
}


def configured(**fields):
    with_value = fields.get("value", True)
    also = {} if with_value else {"regularization": False, "value_initialized": False}
    return FusionConfig(adapters=NAMES, **also | fields)


def every_config():
    for values in itertools.product(*CHOICES.values()):
        try:
            yield configured(**dict(zip(CHOICES, values, strict=True)))
        except ValidationError:
            continue  # nothing would be learned


def filled(config):
    torch.manual_seed(0)
    site = FusionSite(config, WIDTH)
    for parameter in site.parameters():
        nn.init.normal_(parameter, std=0.5)
    return site.eval()


def tokens(seed, n_tokens=PACKING.n_tokens):
    return torch.randn(n_tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


def norm(values):
    return functional.layer_norm(values, (WIDTH,), eps=1e-12)


class Part:
    """A tap that reads the normed sum and adds a multiple of its tanh."""

    def __init__(self, factor, *, skips=True):
        self.factor = factor
        self.skips = skips

    def change(self, output, residual, norm, packing):
        read = norm(output + residual)
        return Change(read, output if self.skips else None, torch.tanh(read * self.factor))

    def close(self, changed, residual, norm):
        return norm(changed + residual) + self.factor

    def __call__(self, output, residual, norm, packing):
        return self.close(self.change(output, residual, norm, packing).output, residual, norm)


PARTS = tuple(Part(factor) for factor in (0.5, -1.0, 2.0))


def expected(site, f, h, parts=PARTS):
    """AdapterFusion as the adapters library writes it, token by token and adapter by adapter."""
    config = site.config
    read = norm(f + h)
    query = f if config.query_before_ln else read
    values = torch.stack([torch.tanh(read * part.factor) for part in parts], dim=1)
    if config.residual_before:
        values = values + f.unsqueeze(1)
    asked = query @ site.query.weight.T + site.query.bias if config.query else query
    keys = values @ site.key.weight.T + site.key.bias if config.key else values
    if config.value and config.value_before_softmax:
        values = values @ site.value.T
    scores = torch.stack(
        [
            torch.stack([torch.dot(one, key) for key in own])
            for one, own in zip(asked, keys, strict=True)
        ]
    )
    weights = scores.softmax(dim=1)
    context = (weights.unsqueeze(2) * values).sum(dim=1)
    if config.value and not config.value_before_softmax:
        context = context @ site.value.T
    return context if config.residual_before else context + f


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
def test_every_variant_follows_the_formula_of_the_adapters_library(mode):
    f, h = tokens(1), tokens(2)
    n_checked = 0
    for config in every_config():
        site = filled(config)
        tap = FusedTap(site, PARTS)
        with mode():
            context = expected(site, f, h)
            change = tap.change(f, h, norm, PACKING)
            torch.testing.assert_close(change.output, context, atol=1e-5, rtol=1e-5)
            closed = tap(f, h, norm, PACKING)
        # the last part ends the sub-layer
        torch.testing.assert_close(closed, norm(context + h) + 2.0, atol=1e-5, rtol=1e-5)
        n_checked += 1
    assert n_checked == 56


def test_a_change_says_what_is_asked_with_and_leaves_the_residual_apart():
    f, h = tokens(1), tokens(2)
    change = FusedTap(filled(configured()), PARTS).change(f, h, norm, PACKING)
    assert torch.equal(change.read, norm(f + h))
    assert change.skip is f
    before = FusedTap(filled(configured(query_before_ln=True, residual_before=True)), PARTS)
    change = before.change(f, h, norm, PACKING)
    assert change.read is f
    assert change.skip is None


def test_a_part_without_a_residual_leaves_none():
    site = filled(configured(residual_before=True))
    parts = (*PARTS[:2], Part(2.0, skips=False))
    f, h = tokens(1), tokens(2)
    found = FusedTap(site, parts).change(f, h, norm, PACKING)
    assert found.skip is None
    values = [part.change(f, h, norm, PACKING).added for part in parts]
    torch.testing.assert_close(found.output, site(norm(f + h), values))


def test_a_fused_tap_is_composable():
    assert isinstance(FusedTap(filled(configured()), PARTS), ComposableTap)


def test_fusions_can_be_fused():
    inner = FusedTap(filled(configured()), PARTS)
    outer = FusedTap(filled(configured(query=False)), (*PARTS[:2], inner))
    f, h = tokens(1), tokens(2)
    changes = [tap.change(f, h, norm, PACKING) for tap in outer.taps]
    found = outer.change(f, h, norm, PACKING)
    values = [change.added for change in changes]
    torch.testing.assert_close(found.output, f + outer.site(norm(f + h), values))


def test_of_one_adapter_the_value_is_all_there_is():
    site = filled(configured())
    values = tokens(3)
    torch.testing.assert_close(site(tokens(1), [values]), values @ site.value.T)


def test_what_is_raw_is_weighed_and_not_what_is_made_of_it():
    class Gated(Part):
        def change(self, output, residual, norm, packing):
            found = super().change(output, residual, norm, packing)
            return found._replace(added=found.added * 0.25, raw=found.added)

    site, f, h = filled(configured()), tokens(1), tokens(2)
    gated = tuple(Gated(part.factor) for part in PARTS)
    found = FusedTap(site, gated).change(f, h, norm, PACKING).output
    torch.testing.assert_close(found, expected(site, f, h))


def test_gradients_agree_with_finite_differences():
    for config in (configured(), configured(value=False), configured(key=False, query=False)):
        site = filled(config).double()
        given = [tokens(seed, 3).double().requires_grad_() for seed in range(4)]
        names = [name for name, _ in site.named_parameters()]
        assert torch.autograd.gradcheck(lambda query, *values: site(query, values), given)  # noqa: B023

        def run(*weights):
            changed = dict(zip(names, weights, strict=True))  # noqa: B023
            inputs = [values.detach() for values in given]  # noqa: B023
            return torch.func.functional_call(site, changed, (inputs[0], inputs[1:]))  # noqa: B023

        assert torch.autograd.gradcheck(run, tuple(site.parameters()))


def test_a_token_does_not_depend_on_those_beside_it():
    site = filled(configured())
    query, values = tokens(1), [tokens(seed) for seed in (2, 3, 4)]
    together = site(query, values)
    for place in range(len(query)):
        one = slice(place, place + 1)
        alone = site(query[one], [value[one] for value in values])
        torch.testing.assert_close(alone, together[one], atol=1e-6, rtol=1e-6)


def test_no_tokens_give_none():
    nothing = torch.empty(0, WIDTH)
    assert filled(configured())(nothing, [nothing] * N_ADAPTERS).shape == (0, WIDTH)


def test_dropout_takes_scores_out_in_training_alone():
    site = filled(configured(value=False, dropout_prob=0.5))
    query, values = tokens(1), [tokens(seed) for seed in (2, 3, 4)]
    quiet = site(query, values)
    assert torch.equal(quiet, site(query, values))
    site.train()
    torch.manual_seed(0)
    assert not torch.allclose(site(query, values), quiet)
    none = filled(configured(value=False, dropout_prob=0.0))
    assert torch.equal(none.train()(query, values), quiet)


def test_first_weights_are_those_of_the_adapters_library():
    torch.manual_seed(0)
    site = FusionSite(configured(), 256)
    for layer in (site.query, site.key):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert not layer.bias.any()
    eye = torch.eye(256)
    assert torch.equal(site.value, torch.where(eye == 1, eye, torch.tensor(1e-6)))
    drawn = FusionSite(configured(value_initialized=False), 256)
    assert drawn.value.std().item() == pytest.approx(0.02, rel=0.03)


def test_the_distance_is_the_sum_of_squares_to_the_identity():
    site = filled(configured())
    difference = site.value - torch.eye(WIDTH)
    torch.testing.assert_close(site.distance(), difference.pow(2).sum())
    assert FusionSite(configured(value=False), WIDTH).distance() is None
    assert site.to(torch.bfloat16).distance().dtype == torch.float32


def test_the_temperature_falls_from_50_to_1_with_passes_in_training():
    site = filled(configured(temperature=True, dropout_prob=0.0))
    plain = filled(configured(dropout_prob=0.0))
    query, values = tokens(1), [tokens(seed) for seed in (2, 3, 4)]

    def at(temperature):
        cold = filled(configured(dropout_prob=0.0))
        with torch.no_grad():
            cold.query.weight.div_(temperature)
            cold.query.bias.div_(temperature)
        return cold(query, values)

    site.train()
    torch.testing.assert_close(site(query, values), at(50.0))
    torch.testing.assert_close(site(query, values), at(49.95))
    assert site.steps == 2
    for steps, temperature in ((500, 25.0), (979, 1.05), (980, 1.0), (10**9, 1.0)):
        site.steps.fill_(steps)
        torch.testing.assert_close(site(query, values), at(temperature))
    assert torch.equal(site.eval()(query, values), plain(query, values))


def test_in_use_the_temperature_stays_as_training_left_it():
    site = filled(configured(temperature=True))
    query, values = tokens(1), [tokens(seed) for seed in (2, 3, 4)]
    first = site(query, values)
    assert torch.equal(site(query, values), first)
    with torch.no_grad():
        site.train()(query, values)
    assert site.steps == 0


def test_passes_are_counted_in_half_precision_too_and_saved():
    site = filled(configured(temperature=True)).to(torch.bfloat16).train()
    query, values = tokens(1).bfloat16(), [tokens(seed).bfloat16() for seed in (2, 3, 4)]
    site.steps.fill_(900)
    assert site(query, values).dtype == torch.bfloat16
    assert site.state_dict()["steps"] == 901
    assert "steps" not in filled(configured()).state_dict()
