import pytest
import torch
from torch import nn

from polyhead.adapters import BottleneckConfig
from polyhead.adapters.bottleneck.hypercomplex import HypercomplexLinear, HypercomplexShared

WIDTH, INNER = 24, 8


def configured(**fields):
    return BottleneckConfig(
        mh_adapter=False,
        output_adapter=True,
        reduction_factor=3,
        non_linearity="relu",
        phm_layer=True,
        **fields,
    )


def made(config, seed=0, *, is_filled=True):
    """The projections down and up, and what they share."""
    generator = torch.Generator().manual_seed(seed)
    shared = HypercomplexShared(config, WIDTH, INNER, generator)
    down, up = (
        HypercomplexLinear(config, *sizes, generator, rule=shared.rule, blocks=blocks)
        for sizes, blocks in (((WIDTH, INNER), shared.down), ((INNER, WIDTH), shared.up))
    )
    if is_filled:
        torch.manual_seed(seed)
        for module in (shared, down, up):
            for tensor in module.state_dict().values():
                nn.init.normal_(tensor)
    return shared, down, up


def whole(matrices):
    """P matrices, put together of their factors one by one."""
    state = matrices.state_dict()
    if "whole" in state:
        return list(state["whole"])
    return [left @ right for left, right in zip(state["left"], state["right"], strict=True)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"phm_dim": 2},
        {"phm_dim": 2, "phm_rank": 3},
        {"phm_dim": 2, "shared_phm_rule": False, "factorized_phm_rule": True, "phm_bias": False},
        {"phm_dim": 1, "phm_rank": 2},
        {"phm_dim": 1},
        {"phm_dim": 8, "factorized_phm_W": False},
        {"shared_phm_rule": False},
        {"shared_phm_rule": False, "factorized_phm_rule": True},
        {"factorized_phm_rule": True, "learn_phm": False},
        {"shared_W_phm": True},
        {"shared_W_phm": True, "factorized_phm_W": False},
        {"phm_bias": False},
    ],
)
def test_the_matrix_is_a_sum_of_kronecker_products(fields):
    config = configured(**fields)
    shared, down, up = made(config)
    for layer, blocks in ((down, shared.down), (up, shared.up)):
        rules = whole(shared.rule if config.shared_phm_rule else layer.rule)
        parts = whole(blocks if config.shared_W_phm else layer.blocks)
        assert len(rules) == len(parts) == config.phm_dim
        matrix = sum(torch.kron(rule, part) for rule, part in zip(rules, parts, strict=True))
        values = torch.randn(5, matrix.shape[0])
        expected = values @ matrix
        if config.phm_bias:
            expected = expected + layer.bias
        torch.testing.assert_close(layer(values), expected, atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(layer.matrix(), matrix.T, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("fields", "is_thin"),
    [
        ({"phm_dim": 2}, True),  # 2 * (24 + 2 * 8) products a token, and 24 * 8 with the matrix
        ({"phm_dim": 4}, False),  # 4 * (24 + 4 * 8)
        ({"phm_dim": 2, "phm_rank": 3}, False),
        ({"phm_dim": 2, "factorized_phm_W": False}, False),
    ],
)
def test_thin_factors_are_multiplied_where_that_is_less_work(fields, is_thin):
    _, down, _ = made(configured(**fields))
    assert down.is_thin is is_thin


def test_layers_have_far_fewer_numbers_than_their_matrices():
    _, down, _ = made(configured())
    # 4 columns of 24 / 4, 4 rows of 8 / 4, and the bias
    assert sum(parameter.numel() for parameter in down.parameters()) == 24 + 8 + 8
    assert down.matrix().numel() == 24 * 8


def test_what_is_shared_belongs_to_no_layer():
    shared, down, up = made(configured(shared_W_phm=True))
    assert set(down.state_dict()) == set(up.state_dict()) == {"bias"}
    assert set(shared.state_dict()) == {
        "rule.whole",
        "down.left",
        "down.right",
        "up.left",
        "up.right",
    }


def test_a_rule_that_is_not_learned_gets_no_gradient_and_is_saved():
    shared, down, _ = made(configured(learn_phm=False))
    assert list(shared.parameters()) == []
    assert set(shared.state_dict()) == {"rule.whole"}
    down(torch.randn(3, WIDTH)).sum().backward()
    assert all(parameter.grad is not None for parameter in down.parameters())


def test_gradients_reach_what_is_shared_from_every_layer():
    shared, down, up = made(configured(shared_W_phm=True))
    up(down(torch.randn(3, WIDTH))).square().sum().backward()
    assert all(parameter.grad.any() for parameter in shared.parameters())


def test_gradients_agree_with_finite_differences():
    shared, down, _ = made(configured(phm_dim=2))
    shared.double()
    down.double()
    names = [name for name, _ in down.named_parameters()]

    def run(values, *weights):
        changed = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(down, changed, (values,))

    values = torch.randn(2, WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (values, *down.parameters()))


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        # a block's thin matrices are 96 x 1, for which glorot's deviation is sqrt(2 / 97)
        ("glorot-uniform", (2 / 97) ** 0.5),
        ("glorot-normal", (2 / 97) ** 0.5),
        ("normal", 0.05),
    ],
)
def test_blocks_are_drawn_as_the_name_says(name, spread):
    config = configured(hypercomplex_nonlinearity=name, phm_init_range=0.05)
    torch.manual_seed(0)
    layer = HypercomplexLinear(config, 384, 384, None, rule=None, blocks=None)
    for factor in layer.blocks.state_dict().values():
        assert factor.std().item() == pytest.approx(spread, rel=0.1)
        bound = 3**0.5 * spread  # of a uniform distribution with that deviation
        assert (factor.abs().max() <= bound) == (name == "glorot-uniform")
    assert not layer.bias.any()


@pytest.mark.parametrize(
    ("fields", "spread", "is_bounded"),
    [
        ({"phm_init_range": 0.02}, 0.02, False),
        ({"phm_c_init": "uniform"}, 3**-0.5, True),
        ({"shared_phm_rule": False, "phm_init_range": 0.5}, 0.01, False),
        ({"shared_phm_rule": False, "phm_c_init": "uniform"}, 0.01 * 3**-0.5, True),
    ],
)
def test_rules_are_drawn_as_the_fields_say(fields, spread, is_bounded):
    config = configured(phm_dim=8, **fields)
    shared, down, _ = made(config, is_filled=False)
    rule = (shared.rule if config.shared_phm_rule else down.rule).state_dict()["whole"]
    assert rule.shape == (8, 8, 8)
    assert rule.std().item() == pytest.approx(spread, rel=0.1)
    assert (rule.abs().max() <= 3**0.5 * spread) == is_bounded


def test_weights_follow_their_generator():
    states = [
        [module.state_dict() for module in made(configured(), seed, is_filled=False)]
        for seed in (1, 1, 2)
    ]
    assert str(states[0]) == str(states[1])
    assert str(states[0]) != str(states[2])
