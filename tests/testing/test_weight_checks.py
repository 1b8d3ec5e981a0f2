import pytest
import torch
from torch import nn

from polyhead.contracts import Projection

INITIALISE = "test_initialise_only_reads_the_encoder"
PENALTY = "test_its_penalty_is_a_number_of_its_own_weights"
MERGED = "test_what_is_merged_computes_the_same"
NEUTRAL = "test_neutral_weights_change_nothing"


def starting(good_sites, start):
    """The good adapter with another start."""

    class Broken(good_sites):
        def initialise(self, encoder):
            start(self, encoder)

    return Broken


def writing(adapter, encoder):
    encoder.projection(1, "lin1").bias.add_(1)


def growing(adapter, encoder):
    adapter.sites[0]["q"].weight = nn.Parameter(encoder.projection(0, "lin1").bias.clone())


def sharing(adapter, encoder):
    adapter.sites[0]["q"].weight.data = encoder.projection(0, "q").bias


def drawing(adapter, encoder):
    adapter.sites[0]["q"].weight.normal_()


def drawing_elsewhere(adapter, encoder):
    generator = torch.Generator()
    generator.seed()
    adapter.sites[0]["q"].weight.normal_(generator=generator)


def looking_further(adapter, encoder):
    adapter.sites[0]["q"].weight.fill_(encoder.encoder.norm.eps)


@pytest.mark.parametrize(
    ("start", "match"),
    [
        (writing, "Broken.initialise writes into the encoder's weights, which all tasks share"),
        (growing, "Broken.initialise makes other tensors than __init__; fill those that are"),
        (
            sharing,
            r"\['sites.0.q.weight'\] of Broken are the encoder's own memory after init",
        ),
        (drawing, "Broken.initialise draws from torch's global generator; draw what is random in"),
        (drawing_elsewhere, r"Broken.initialise makes other \['sites.0.q.weight'\] each time"),
        (looking_further, "Broken.initialise fails. It raised AttributeError: .* 'encoder'"),
    ],
)
def test_a_start_that_does_more_than_read_is_found(good_sites, fails, start, match):
    fails(starting(good_sites, start), INITIALISE, match)


def costing(good_sites, cost):
    """The good adapter with another penalty."""

    class Broken(good_sites):
        def penalty(self):
            return cost(self, super().penalty())

    return Broken


def of_weights(adapter, good):
    return torch.stack([weight.sum() for weight in adapter.parameters()])


def of_a_draw(adapter, good):
    return good + torch.rand(())


def large(adapter, good):
    own = next(adapter.parameters()) + 300
    return own.square().mean() + good.to(own.dtype)


@pytest.mark.parametrize(
    ("cost", "match"),
    [
        (of_weights, r"Broken.penalty\(\) makes shape \(\d+,\) of shape \(\); return one number"),
        (lambda _, good: good.item(), r"Broken.penalty\(\) makes float of shape \(\); return one"),
        (lambda _, good: good / 0, r"Broken.penalty\(\) is inf; return a finite number"),
        (of_a_draw, r"Broken.penalty\(\) is .* after a call, and was .*; compute it from weights"),
        (lambda _, good: torch.ones(()), r"Broken.penalty\(\) cannot be derived; compute it from"),
        (lambda _, good: good.detach(), r"Broken.penalty\(\) cannot be derived; compute it from"),
        (large, r"Broken.penalty\(\) is inf in torch.float16; sum up in float32"),
    ],
)
def test_a_penalty_that_is_none_is_found(good_sites, fails, cost, match):
    fails(costing(good_sites, cost), PENALTY, match)


def test_a_penalty_of_others_weights_is_found(good_sites, fails):
    class Keeping(good_sites):
        def initialise(self, encoder):
            self.kept = (encoder.projection(0, "q").weight,)

        def penalty(self):
            return super().penalty() + self.kept[0].sum().to(super().penalty().dtype)

    class Weightless(good_sites):
        def penalty(self):
            return torch.zeros((), requires_grad=True)

    match = r"Keeping.penalty\(\) changes with weights of the encoder or of others; compute it from"
    fails(Keeping, PENALTY, match)
    match = r"Weightless.penalty\(\) depends on none of its weights; compute it from them"
    fails(Weightless, PENALTY, match)


def merging(good_sites, merge):
    """The good adapter with another way into a linear layer."""

    class Broken(good_sites):
        def merged(self, layer, site, projection):
            return merge(super().merged(layer, site, projection), layer, site, projection)

    return Broken


@pytest.mark.parametrize(
    ("merge", "match"),
    [
        (
            lambda good, layer, site, given: given if site == "lin2" else good,
            r"Broken.merged\(0, 'lin2', projection\) computes something else than the taps there",
        ),
        (
            lambda good, layer, site, given: Projection(good.weight * 1.001, good.bias),
            r"Broken.merged\(0, 'q', projection\) computes something else than the taps there; ret",
        ),
        (
            lambda good, layer, site, given: Projection(given.weight.mul_(1), given.bias.add_(1)),
            r"Broken.merged\(0, 'q', projection\) writes into `projection.bias`",
        ),
        (
            lambda good, layer, site, given: good.weight,
            r"Broken.merged\(0, 'q', projection\) returns a Tensor; return a polyhead.Projection",
        ),
        (
            lambda good, layer, site, given: (
                Projection(good.weight.T, good.bias) if site == "lin1" else good
            ),
            r"`weight` of Broken.merged\(0, 'lin1', projection\) makes shape \(32, 48\) of shape",
        ),
        (
            lambda good, layer, site, given: good.no_such_part,
            r"Broken.merged\(0, 'q', projection\) fails. It raised AttributeError",
        ),
    ],
)
def test_a_linear_layer_that_computes_something_else_is_found(good_sites, fails, merge, match):
    fails(merging(good_sites, merge), MERGED, match)


def test_weights_that_are_not_neutral_are_found(good_sites, fails):
    class Broken(good_sites):
        def neutral(self, weight):
            return 0.0

    class Odd(good_sites):
        def neutral(self, weight):
            return None

    class Silent(good_sites):
        def why_no_sum(self, shares):
            return None

    class Wordless(good_sites):
        def why_no_sum(self, shares):
            return False

    config = good_sites.Config(sites=("q", "output"), embeddings=False)
    match = "Broken changes the hidden states though each weight is what `neutral` says; let it"
    fails(Broken, NEUTRAL, match, config=config)
    match = r"Odd.neutral\('sites.0.q.weight'\) returns a NoneType; return a number"
    fails(Odd, NEUTRAL, match, config=config)
    fails(Silent, NEUTRAL, "Silent changes the hidden states though each weight is what")
    fails(Wordless, NEUTRAL, r"Wordless.why_no_sum\(\(0.5,\)\) returns a bool; return the end of")


def test_checks_that_do_not_apply_are_skipped_with_a_reason(
    good_adapter, good_side, good_sites, good_fusing, skips
):
    skips(good_adapter, INITIALISE, "its first weights do not depend on the encoder")
    skips(good_adapter, PENALTY, "it adds nothing to the loss")
    skips(good_adapter, MERGED, "no linear layer computes what it does")
    skips(good_side, NEUTRAL, "such kinds are merged by shares that add up to 1 alone")
    skips(good_fusing, NEUTRAL, "such kinds are merged by shares that add up to 1 alone")
    skips(good_sites, NEUTRAL, "it has no neutral weights, and says so")


def test_good_adapters_pass(good_sites, good_adapter, good_fusing, check_adapter):
    for name in (INITIALISE, PENALTY, MERGED):
        check_adapter(good_sites, name)
    inside = ("q", "lin2", "inner", "output", "ffn")
    check_adapter(good_sites, NEUTRAL, config=good_sites.Config(sites=inside, embeddings=False))
    check_adapter(good_adapter, NEUTRAL)
    fusing = good_fusing.Config(adapters=("first", "second"), regularization=True)
    check_adapter(good_fusing, PENALTY, config=fusing)
