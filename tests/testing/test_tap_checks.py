from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from torch import nn

from polyhead.batch import Packing
from polyhead.contracts import (
    PROJECTIONS,
    Change,
    EmbeddingsTap,
    LayerTaps,
    Prefixes,
)

ONCE = "test_taps_are_made_once"
EMBEDDINGS_ONCE = "test_the_embeddings_tap_is_made_once"
OWN = "test_taps_keep_no_tensors_of_their_own"
RETURN = "test_taps_return_what_the_next_step_reads"
STEPS = "test_a_composable_tap_agrees_with_its_two_steps"
META = "test_it_makes_tensors_where_the_hidden_states_are"
EACH_SITE = (*PROJECTIONS, "inner", "output", "prefix", "attention", "ffn")


def with_tap(good_adapter, tap):
    """The good adapter with another tap at each of its sites."""

    class Broken(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for site in self.ffn.values():
                site.forward = tap

    return Broken


def test_taps_that_are_made_anew_are_found(good_adapter, fails):
    class Broken(good_adapter):
        def taps(self, layer):
            return LayerTaps(ffn=self.ffn[str(layer)])

    match = r"Broken.taps\(0\) makes a new object each time; make all of them in __init__"
    fails(Broken, ONCE, match)


def test_taps_that_are_none_are_found(good_adapter, fails):
    class Empty(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.made = (LayerTaps(), *self._taps[1:])

        def taps(self, layer):
            return self.made[layer]

    class Missing(good_adapter):
        def taps(self, layer):
            return None

    fails(Empty, ONCE, r"Empty.taps\(0\) returns LayerTaps without a tap; return NO_TAPS")
    fails(Missing, ONCE, r"Missing.taps\(0\) returns a NoneType; return a LayerTaps or NO_TAPS")


def test_a_tap_that_returns_something_else_is_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        return norm(packing.mean(output))

    match = r"the tap 'ffn' of layer 0 of Broken makes shape \(3, 32\) of shape \(8, 32\); return"
    fails(with_tap(good_adapter, tap), RETURN, match)


def test_a_tap_that_fails_on_no_token_is_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        return norm(output + residual / output.abs().max())

    match = "the tap 'ffn' of layer 0 of Broken fails on 0 tokens. It raised RuntimeError"
    fails(with_tap(good_adapter, tap), RETURN, match)


def test_a_tap_that_writes_into_what_it_reads_is_found(good_adapter, fails):
    def tap(output, residual, norm, packing):
        return norm(residual.add_(output))

    match = "the tap 'ffn' of layer 0 of Broken writes into `residual`, which others read; use oper"
    fails(with_tap(good_adapter, tap), RETURN, match)


def test_tensors_left_on_the_cpu_are_found(good_adapter, good_side, fails):
    def tap(output, residual, norm, packing):
        return norm(output + residual + torch.zeros(len(output), 1))

    class Beside(good_side):
        def read(self, layers, packing):
            return super().read(layers, packing) * torch.ones(layers[0].shape[1])

    fails(with_tap(good_adapter, tap), META, "Broken makes a tensor on the CPU whatever device")
    fails(Beside, META, "Beside makes a tensor on the CPU whatever device it is given")


def test_side_adapters_have_no_taps_to_check(good_side, skips):
    for name in (ONCE, OWN, RETURN, STEPS):
        skips(good_side, name, "it acts beside the encoder, without taps")


def wrapped(good_sites, site, change):
    """The good adapter whose tap at a site is a function of the good one and its arguments."""

    class Broken(good_sites):
        def tap(self, name):
            tap = super().tap(name)
            if name == site:
                good = tap.forward
                tap.forward = lambda *given: change(good, *given)
            return tap

    return Broken


@pytest.mark.parametrize("site", [site for site in EACH_SITE if site != "prefix"])
def test_a_tap_of_any_site_that_returns_another_shape_is_found(good_sites, fails, site):
    def change(good, *given):
        return good(*given)[:, :1]

    match = rf"the tap '{site}' of layer 0 of Broken makes shape \(8, 1\) of shape \(8, \d\d\); ret"
    fails(wrapped(good_sites, site, change), RETURN, match)


@pytest.mark.parametrize("site", [site for site in EACH_SITE if site != "prefix"])
def test_a_tap_of_any_site_that_returns_another_type_is_found(good_sites, fails, site):
    def change(good, *given):
        return good(*given).double()

    match = f"the tap '{site}' of layer 0 of Broken makes torch.float64 of torch.float32; return"
    fails(wrapped(good_sites, site, change), RETURN, match)


@pytest.mark.parametrize("site", EACH_SITE)
def test_a_tap_of_any_site_that_writes_into_its_arguments_is_found(good_sites, fails, site):
    def change(good, *given):
        given[0].mul_(2)
        return good(*given)

    match = rf"the tap '{site}' of layer 0 of Broken writes into `(inputs|values|output)`, which"
    fails(wrapped(good_sites, site, change), RETURN, match)


@pytest.mark.parametrize("site", PROJECTIONS)
def test_a_tap_that_writes_into_what_was_computed_or_into_weights_is_found(good_sites, fails, site):
    def adding(good, inputs, outputs, projection, packing):
        return outputs.add_(1)

    def scaling(good, inputs, outputs, projection, packing):
        with torch.no_grad():
            projection.weight.mul_(2)
        return good(inputs, outputs, projection, packing)

    match = f"the tap '{site}' of layer 0 of Broken writes into "
    fails(wrapped(good_sites, site, adding), RETURN, match + "`outputs`")
    fails(wrapped(good_sites, site, scaling), RETURN, match + "`projection.weight`")


def test_a_tap_that_needs_its_values_in_one_piece_is_found(good_sites, fails):
    def change(good, inputs, outputs, projection, packing):
        return good(inputs, outputs.view(-1).view(outputs.shape), projection, packing)

    match = "the tap 'v' of layer 0 of Broken fails on 8 tokens. It raised RuntimeError: view"
    fails(wrapped(good_sites, "v", change), RETURN, match)


def test_a_tap_that_fails_in_training_alone_is_found(good_sites, fails):
    class Broken(good_sites):
        def tap(self, name):
            tap = super().tap(name)
            if name == "out":
                tap.forward = lambda inputs, outputs, projection, packing: (
                    outputs[:1] if tap.training else outputs
                )
            return tap

    match = r"the tap 'out' of layer 0 of Broken makes shape \(1, 32\) of shape \(8, 32\)"
    fails(Broken, RETURN, match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda good, inputs, packing: good(inputs, packing).keys,
            "returns a Tensor; return Prefixes, which Prefixes.shared and Prefixes.of_rows make",
        ),
        (
            lambda good, inputs, packing: good(inputs, packing.rows(0, 1)),
            "makes prefixes of 1 rows for 3; make one for each, with the length 0 for a row that",
        ),
        (
            lambda good, inputs, packing: replace(
                good(inputs, packing), packing=Packing((3,) * packing.n_rows)
            ),
            r"`keys` makes shape \(6, 4, 8\) of shape \(9, 4, 8\); return as many as the lengths",
        ),
        (
            lambda good, inputs, packing: replace(
                good(inputs, packing), values=good(inputs, packing).values.flatten(1)
            ),
            r"`values` makes shape \(6, 32\) of shape \(6, 4, 8\); .* apart for each attention",
        ),
    ],
)
def test_prefixes_that_do_not_fit_are_found(good_sites, fails, change, match):
    fails(wrapped(good_sites, "prefix", change), RETURN, match)


def test_an_embeddings_tap_that_is_made_anew_is_found(good_sites, fails):
    class Broken(good_sites):
        def embeddings_tap(self):
            return type(self.prompt)(self.shape.width)

    match = r"Broken.embeddings_tap\(\) makes a new object each time; make it in __init__"
    fails(Broken, EMBEDDINGS_ONCE, match)


def test_an_embeddings_tap_of_another_type_is_found(good_sites, fails):
    class Broken(good_sites):
        def embeddings_tap(self):
            return self.prompt.enter

    match = "returns a method; return an instance of a subclass of polyhead.EmbeddingsTap, or None"
    fails(Broken, EMBEDDINGS_ONCE, match)


def test_an_embeddings_tap_that_is_never_asked_for_is_found(
    good_side, good_fusing, good_adapter, fails, skips
):
    class Nothing(EmbeddingsTap):
        pass

    tap = Nothing()

    class Beside(good_side):
        def embeddings_tap(self):
            return tap

    class Over(good_fusing):
        def embeddings_tap(self):
            return tap

    for broken in (Beside, Over):
        match = rf"{broken.__name__}.embeddings_tap\(\) is never asked for: a SideAdapter changes"
        fails(broken, EMBEDDINGS_ONCE, match)
    skips(good_adapter, EMBEDDINGS_ONCE, "it leaves the embeddings as they are")


def test_a_tensor_kept_by_a_plain_tap_is_found(good_sites, fails):
    @dataclass(frozen=True, slots=True)
    class Masked:
        good: object
        mask: tuple

        def __call__(self, values, packing):
            return self.good(values, packing) * self.mask[0]

    @dataclass(frozen=True)
    class Outer:
        inside: Masked

        def __call__(self, values, packing):
            return self.inside(values, packing)

    class Broken(good_sites):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            masked = Masked(self.sites[1]["output"], (torch.ones(shape.width),))
            self.own_taps[1] = replace(self.own_taps[1], output=Outer(masked))

    match = r"Broken.taps\(1\).output.inside keeps a tensor in `mask`, which stays where it is when"
    fails(Broken, OWN, match)


def with_steps(good_sites, **steps):
    """The good adapter with other steps of its composable tap."""

    class Broken(good_sites):
        def tap(self, name):
            tap = super().tap(name)
            if name == "ffn":
                for step, change in steps.items():
                    setattr(tap, step, partial(change, tap))
            return tap

    return Broken


def test_steps_that_make_something_else_than_the_call_are_found(good_sites, fails):
    def without_skip(tap, output, residual, norm, packing):
        return Change(output, None, output * tap.weight)

    def without_norm(tap, changed, residual, norm):
        return changed + residual

    match = "the tap 'ffn' of layer 0 of Broken makes something else in two steps than when it is"
    fails(with_steps(good_sites, change=without_skip), STEPS, match)
    fails(with_steps(good_sites, close=without_norm), STEPS, match)


def test_steps_that_return_something_else_are_found(good_sites, fails):
    def of_rows(tap, output, residual, norm, packing):
        return Change(output, output, packing.mean(output))

    def tensor(tap, output, residual, norm, packing):
        return output

    def writing(tap, changed, residual, norm):
        return norm(residual.add_(changed))

    match = r"`added` in `change` of the tap 'ffn' of layer 0 of Broken makes shape \(3, 32\)"
    fails(with_steps(good_sites, change=of_rows), STEPS, match)
    match = "`change` of the tap 'ffn' of layer 0 of Broken returns a Tensor; return a polyhead.Ch"
    fails(with_steps(good_sites, change=tensor), STEPS, match)
    match = "`close` of the tap 'ffn' of layer 0 of Broken writes into `residual`"
    fails(with_steps(good_sites, close=writing), STEPS, match)


def test_a_tap_with_one_of_the_two_steps_is_found(good_sites, fails, skips):
    class Half(nn.Module):
        def change(self, output, residual, norm, packing):
            return Change(output, output, output)

        def forward(self, output, residual, norm, packing):
            return norm(2 * output + residual)

    class Broken(good_sites):
        def tap(self, name):
            return Half() if name == "ffn" else super().tap(name)

    match = "the tap 'ffn' of layer 0 of Broken has `change` alone; a tap that can be put together"
    fails(Broken, STEPS, match)
    config = good_sites.Config(sites=("q",))
    skips(good_sites, STEPS, "it has no taps that could be stacked", config=config)


@pytest.mark.parametrize("site", EACH_SITE)
def test_tensors_that_any_site_leaves_on_the_cpu_are_found(good_sites, fails, site):
    def change(good, *given):
        found = good(*given)
        if isinstance(found, Prefixes):
            return replace(found, keys=found.keys * torch.ones(8))
        return found * torch.ones(found.shape[1])

    match = "Broken makes a tensor on the CPU whatever device"
    fails(wrapped(good_sites, site, change), META, match)


@pytest.mark.parametrize("step", ["enter", "leave", "inverted", "penalty"])
def test_tensors_that_other_steps_leave_on_the_cpu_are_found(good_sites, fails, step):
    class Broken(good_sites):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            owner = self if step == "penalty" else self.prompt
            good = getattr(owner, step)

            def broken(*given):
                found = good(*given)
                if isinstance(found, tuple):
                    return found[0] * torch.ones(1, 32), found[1]
                return found * torch.ones(32)

            object.__setattr__(owner, step, broken)

    fails(Broken, META, "Broken makes a tensor on the CPU whatever device")


def test_good_adapters_pass(good_adapter, good_side, good_sites, good_fusing, check_adapter):
    for name in (ONCE, OWN, RETURN, STEPS, META):
        for adapter in (good_adapter, good_sites, good_fusing):
            check_adapter(adapter, name)
    check_adapter(good_sites, EMBEDDINGS_ONCE)
    check_adapter(good_side, META)
