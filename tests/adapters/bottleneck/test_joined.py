"""Bottlenecks of several adapters that are run together compute what each computes alone."""

import itertools

import pytest
import torch
from torch import nn

from polyhead.adapters import BottleneckConfig
from polyhead.adapters.bottleneck import joined
from polyhead.adapters.bottleneck.hypercomplex import HypercomplexShared
from polyhead.adapters.bottleneck.site import BottleneckSite
from polyhead.batch import Packing

WIDTH, INNER = 8, 4
PACKING = Packing((4, 1, 6, 2))
PARTS = [slice(0, 5), slice(5, 11), slice(11, 13)]
CLOSE = {"atol": 1e-6, "rtol": 1e-5}


def configured(**fields):
    return BottleneckConfig(
        mh_adapter=False, output_adapter=True, reduction_factor=2, non_linearity="gelu", **fields
    )


JOINABLE = [
    configured(original_ln_before=before, original_ln_after=after, residual_before_ln=residual)
    for before, after, residual in itertools.product(
        (False, True), (False, True), (True, False, "post_add")
    )
    if before or residual != "post_add"
] + [
    configured(is_parallel=True, scaling=4.0),
    configured(scaling=0.5),
    configured(phm_layer=True, phm_dim=2),
    configured(phm_layer=True, phm_dim=2, phm_bias=False, factorized_phm_W=False),
]
ALONE = [
    configured(use_gating=True),
    configured(ln_before=True),
    configured(ln_after=True),
    configured(scaling="learned"),
    configured(scaling="channel"),
]


def sites(config, number=3):
    made = []
    for seed in range(number):
        torch.manual_seed(seed)
        shared = HypercomplexShared(config, WIDTH, INNER, None) if config.phm_layer else None
        site = BottleneckSite(config, WIDTH, INNER, None, shared).eval()
        for module in (site, shared):
            for parameter in () if module is None else module.parameters():
                nn.init.normal_(parameter, std=0.5)
        made.append(site)
    return made


def drawn():
    generator = torch.Generator().manual_seed(5)
    return (torch.randn(PACKING.n_tokens, WIDTH, generator=generator) for _ in range(2))


def norm(values):
    return nn.functional.layer_norm(values, (WIDTH,))


@pytest.fixture(params=["sliced", "stacked"])
def way(request, monkeypatch):
    """Slice by slice, as on a CPU; and with stacked weights, as on a GPU."""
    monkeypatch.setattr(joined, "_is_stacked", lambda *_: request.param == "stacked")


@pytest.mark.parametrize("number", range(len(JOINABLE)))
@torch.no_grad()
def test_run_together_they_compute_what_each_computes_alone(way, number):
    several = sites(JOINABLE[number])
    assert len({site.join_key() for site in several}) == 1
    assert several[0].join_key() is not None
    output, residual = drawn()
    given = output.clone(), residual.clone()
    found = several[0].joined(several, PARTS, output, residual, norm)
    for site, part in zip(several, PARTS, strict=True):
        alone = site(output[part], residual[part], norm, Packing((part.stop - part.start,)))
        torch.testing.assert_close(found[part], alone, **CLOSE)
    assert torch.equal(output, given[0])
    assert torch.equal(residual, given[1])


@pytest.mark.parametrize("number", range(len(ALONE)))
def test_those_with_steps_of_their_own_run_alone(number):
    assert sites(ALONE[number], 1)[0].join_key() is None


def test_those_that_differ_have_different_keys():
    keys = [sites(config, 1)[0].join_key() for config in JOINABLE]
    assert len(set(keys)) == len(keys)


def test_dropout_makes_them_run_alone_only_in_training():
    for config in (configured(dropout=0.5), configured(stochastic_depth=0.5)):
        [site] = sites(config, 1)
        assert site.join_key() is not None
        assert site.train().join_key() is None


def test_weights_are_stacked_on_a_gpu_unless_padding_would_be_most_of_it():
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    even = [slice(0, 4), slice(4, 8), slice(8, 12)]
    one_long = [slice(0, 100), *(slice(100 + n, 101 + n) for n in range(9))]
    assert joined._is_stacked(gpu, even)
    assert not joined._is_stacked(gpu, one_long)
    assert not joined._is_stacked(gpu, even[:1])
    assert not joined._is_stacked(cpu, even)
