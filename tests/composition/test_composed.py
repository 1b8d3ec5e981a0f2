"""What acts where a call names several adapters, with the built-in kinds, in a whole model."""

import pytest
import torch

from polyhead import Average, Fuse, Split, Stack
from polyhead.adapters import FusionConfig
from polyhead.composition import (
    Block,
    acting,
    check_taps,
    fusion_of,
    trained_names,
    with_fusions_named,
)
from polyhead.contracts import AdapterConfig, SideAdapter
from polyhead.errors import ConfigError, UnknownAdapterError
from polyhead.merging import merged_encoder
from polyhead.testing.registration import registered

KINDS = {
    "seq": "seq_bn[reduction_factor=4]",
    "double": "double_seq_bn[reduction_factor=4]",
    "par": "par_bn[reduction_factor=4]",
    "lora": "lora[r=2]",
    "wide": "lora[r=4,modules=(q,v,lin1)]",
    "ia3": "ia3",
    "nice": "seq_bn_inv",
    "prefix": "prefix_tuning_flat[prefix_length=2]",
    "prompt": "prompt_tuning[prompt_length=2]",
}
IDS = torch.tensor([[2, 7, 9, 3, 0], [2, 11, 8, 4, 3]])
MASK = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]])


class BesideConfig(AdapterConfig):
    """Of an adapter that only reads."""


class Beside(SideAdapter):
    kind = "beside"
    Config = BesideConfig

    def read(self, layers, packing):
        return layers[-1]


@pytest.fixture(scope="module")
def model(make_model, shake):
    model = make_model()
    for number, (name, config) in enumerate(KINDS.items()):
        model.add_adapter(name, config)
        shake(model.adapters[name], seed=number)
    for number, (name, config) in enumerate(
        {
            "own": FusionConfig.dynamic("seq", "par"),
            "again": FusionConfig.static("seq", "par"),
            "single": FusionConfig.dynamic("double", "seq", sites=("attention", "ffn")),
            "upper": FusionConfig.dynamic("own", "seq"),
        }.items()
    ):
        model.add_adapter(name, config)
        shake(model.adapters[name], seed=100 + number)
    return model


@pytest.fixture
def states(model):
    """The last hidden states of the tokens under a setup."""

    def computed(setup):
        with torch.no_grad():
            found = model(IDS, MASK, adapter_names=setup, head=None)
        return found.last_hidden_state[MASK.bool()]

    return computed


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", KINDS)
def test_one_adapter_in_a_block_is_that_adapter(states, name):
    blocks = [Stack(name), Stack(Stack(name))]
    if name not in {"nice", "prompt"}:  # what acts on the embeddings is only stacked
        blocks += [Average(name), Average(name, name), Average({name: 1})]
        if name != "prefix":
            blocks.append(Split(name, splits=(None,)))
    for block in blocks:
        close(states(block), states(name))


def test_stacked_loras_and_ia3_are_the_linear_layers_with_all_merged_in(model, states):
    encoder = model.encoder
    for name in ("lora", "ia3", "wide"):
        encoder = merged_encoder(encoder, model.adapters[name], name)
    with torch.no_grad():
        expected = type(model)(encoder)(IDS, MASK, head=None).last_hidden_state[MASK.bool()]
    close(states(Stack("lora", "ia3", "wide")), expected)
    assert not torch.allclose(states(Stack("lora", "wide")), expected, atol=1e-2)


def test_the_order_of_a_stack_counts(states):
    assert (states(Stack("seq", "par")) - states(Stack("par", "seq"))).abs().max() > 1e-3
    close(states(Stack("lora", "wide")), states(Stack("wide", "lora")))  # these add up


def test_stacks_nest_flat(states):
    flat = states(Stack("seq", "lora", "double", "prefix"))
    close(states(Stack(Stack("seq", "lora"), Stack("double", Stack("prefix")))), flat)


def test_a_split_row_has_each_adapter_on_its_own_tokens(model, states):
    """In the first layer, where attention has not mixed them yet."""
    split = Split("seq", "double", splits=(2, None))
    seen = {}
    for setup in ("seq", "double", split):
        with torch.no_grad():
            out = model(IDS, MASK, adapter_names=setup, head=None, output_hidden_states=True)
        seen[setup] = out.hidden_states[1]
    is_token = MASK.bool()
    close(seen[split][:, :2], seen["seq"][:, :2])
    close(seen[split][:, 2:][is_token[:, 2:]], seen["double"][:, 2:][is_token[:, 2:]])
    assert (seen["seq"] - seen["double"]).abs().max() > 1e-3


def test_an_average_of_a_fusion_and_a_stack(states):
    """They nest; with all the weight on one part it is that part."""
    block = Average(
        Fuse("seq", "par", name="own"), Stack("lora", "double"), "ia3", weights=(0.0, 1.0, 0.0)
    )
    close(states(block), states(Stack("lora", "double")))
    fused = Average(Fuse("seq", "par", name="own"), "lora", weights=(1.0, 0.0))
    close(states(fused), states("own"))


def test_a_fusion_is_called_by_its_name_by_those_it_fuses_or_by_both(states):
    close(states("own"), states(Fuse("seq", "par", name="own")))
    assert (states("own") - states("again")).abs().max() > 1e-3
    close(states(Fuse("double", "seq")), states("single"))
    close(states(Fuse("own", "seq")), states("upper"))


def test_a_fusion_over_a_stack_weighs_all_that_it_adds(states):
    """With an adapter in front that adds nothing it is the fusion alone."""
    more = Fuse(Stack("par", "seq"), "par", name="own")
    assert (states(more) - states("own")).abs().max() > 1e-3
    nothing = Average({"par": 0.0})
    close(states(Fuse(Stack(nothing, "seq"), "par", name="own")), states("own"))


# ------------------------------------------------------------------------------ which fusion it is


def test_the_fusion_is_found_by_name_or_by_the_adapters(model):
    table = model.adapter_table
    assert fusion_of(Fuse("double", "seq"), table) == "single"
    assert fusion_of(Fuse(Stack("par", "double"), "seq"), table) == "single"
    assert fusion_of(Fuse("seq", "par", name="again"), table) == "again"


@pytest.mark.parametrize(
    ("block", "error", "reason"),
    [
        (Fuse("seq", "par"), ConfigError, r"several fusions of seq, par: again, own; choose one"),
        (Fuse("par", "seq"), UnknownAdapterError, r"add_adapter_fusion\(\['par', 'seq'\]\)"),
        (Fuse("seq", "nil"), UnknownAdapterError, "no adapter 'nil'"),
        (Fuse("seq", "par", name="nil"), UnknownAdapterError, "no adapter 'nil'"),
        (Fuse("seq", "par", name="lora"), ConfigError, "'lora', which is no fusion"),
        (Fuse("seq", "par", name="single"), ConfigError, "which fuses double, seq, in this order"),
        (Fuse("seq", "par", name="upper"), ConfigError, "which fuses own, seq"),
    ],
    ids=str,
)
def test_a_fusion_that_is_not_there_is_refused(model, block, error, reason):
    with pytest.raises(error, match=reason):
        acting(block, model.adapter_table)


def test_what_is_kept_names_its_fusions(model):
    table = model.adapter_table
    inner = Fuse("double", "seq")
    named = Fuse("double", "seq", name="single")
    for make in (
        lambda fuse: fuse,
        lambda fuse: Stack("lora", fuse),
        lambda fuse: Average(fuse, "lora", weights=(2.0, -1.0)),
        lambda fuse: Split("lora", fuse, splits=(3, None)),
        lambda fuse: Stack("ia3", Split(Stack("lora", fuse), "par", splits=(1, None))),
    ):
        assert with_fusions_named(make(inner), table) == make(named)
    assert with_fusions_named("own", table) == "own"
    assert with_fusions_named(None, table) is None
    with pytest.raises(ConfigError, match="choose one"):
        with_fusions_named(Stack("lora", Fuse("seq", "par")), table)


# --------------------------------------------------------------------- what cannot be put together


@pytest.mark.parametrize(
    ("setup", "error", "reason"),
    [
        ("nil", UnknownAdapterError, "no adapter 'nil'; this model has: "),
        (Stack("seq", "nil"), UnknownAdapterError, "no adapter 'nil'"),
        (Stack("seq", Average("nil", "par")), UnknownAdapterError, "no adapter 'nil'"),
        (
            Average("prompt", "seq"),
            ConfigError,
            r"acts on the embeddings .* Average cannot .* Stack",
        ),
        (Split("nice", "seq", splits=(1, None)), ConfigError, "Split cannot put together"),
        (Average(Stack("prompt", "seq"), "par"), ConfigError, "acts on the embeddings"),
        (Fuse("nice", "seq", name="own"), ConfigError, "which fuses seq, par"),
        (Average("prefix", "seq"), ConfigError, "cannot be averaged with one that has none"),
        (Split("prefix", "seq", splits=(1, None)), ConfigError, "belongs to a whole row"),
        (Fuse(Stack("lora", "seq"), "par", name="own"), ConfigError, "acts at 'q'"),
        (Fuse(Stack("prompt", "seq"), "par", name="own"), ConfigError, "acts on the embeddings"),
        (Fuse(Average("double", "seq"), "par", name="own"), ConfigError, "acts at 'attention'"),
    ],
    ids=str,
)
def test_what_cannot_be_put_together_is_refused_in_one_sentence(model, setup, error, reason):
    with pytest.raises(error, match=reason) as caught:
        check_taps(acting(setup, model.adapter_table), 3)
    assert "\n" not in str(caught.value)
    with pytest.raises(error, match=reason):
        model(IDS, MASK, adapter_names=["seq", setup], head=None)


def test_an_adapter_beside_the_encoder_stands_alone(make_model):
    with registered(Beside):
        model = make_model()
        model.add_adapter("a")
        model.add_adapter("beside", BesideConfig())
        for block in (
            Stack("a", "beside"),
            Stack("beside"),
            Average("a", "beside"),
            Split("beside", "a", splits=(1, None)),
            Average(Stack("beside"), "a"),
        ):
            with pytest.raises(ConfigError, match="'beside' stands beside the encoder"):
                acting(block, model.adapter_table)
        with pytest.raises(ConfigError, match="'beside' stands beside the encoder"):
            model.add_adapter("f", FusionConfig.dynamic("a", "beside"))
        assert list(model.adapters) == ["a", "beside"]


def test_a_block_of_another_kind_is_refused(model):
    class Parallel(Block):
        children = ("seq", "par")

        def __hash__(self):
            return 1

    with pytest.raises(ConfigError, match="use Stack, Fuse, Average or Split"):
        acting(Parallel(), model.adapter_table)


# ------------------------------------------------------------------------------------- which learn


@pytest.mark.parametrize(
    ("setup", "names"),
    [
        (None, ()),
        ("seq", ("seq",)),
        ("own", ("own",)),
        (Stack("seq", "par"), ("par",)),
        (Stack("lora", Stack("seq", "par")), ("par",)),
        (Stack("lora", Average("seq", "par")), ("seq", "par")),
        (Fuse("seq", "par", name="own"), ("own",)),
        (Stack("lora", Fuse("double", "seq")), ("single",)),
        (Fuse(Stack("par", "double"), "seq"), ("single",)),
        (Average("seq", "par"), ("seq", "par")),
        (Average(Stack("seq", "par"), Stack("seq", "double"), "par"), ("par", "double")),
        (Split("seq", "seq", splits=(1, None)), ("seq",)),
        (Split("ia3", Fuse("double", "seq"), splits=(1, None)), ("ia3", "single")),
    ],
    ids=str,
)
def test_the_last_of_a_stack_learns_and_a_fusions_own_weights(model, setup, names):
    assert trained_names(setup, model.adapter_table) == names


def test_which_of_several_fusions_learns_must_be_said(model):
    with pytest.raises(ConfigError, match="choose one with Fuse"):
        trained_names(Stack("lora", Fuse("seq", "par")), model.adapter_table)
    with pytest.raises(UnknownAdapterError, match="Add the fusion"):
        trained_names(Fuse("lora", "ia3"), model.adapter_table)
