"""Heads that read each row's first token alone: the last layer is not computed for the others."""

import copy
import random

import pytest
import torch

import polyhead as ph
from polyhead.batch import Row
from polyhead.heads.pooled_layers import PooledHead
from polyhead.model import HeadCall

PER_TOKEN = {
    "s": "seq_bn",
    "d": "double_seq_bn",
    "upper": "seq_bn[leave_out=[0,1]]",
    "lora": "lora[modules=['lin1','lin2','out','q']]",
    "dora": "lora[use_dora=true]",
    "prefix": "prefix_tuning_flat",
    "gated_prefix": "prefix_tuning[use_gating=true]",
    "ia3": "ia3",
    "parallel": "par_bn",
    "compacter": "compacter[reduction_factor=8]",
    "mam": "mam",
    "reft": "loreft",
    "last_reft": "loreft[prefix_positions=0,suffix_positions=2]",
    "untied_reft": "noreft[prefix_positions=1,suffix_positions=4,tied_weights=false]",
}
WHOLE_ROW = {
    "gated": "seq_bn[use_gating=true]",
    "gated_lora": "lora[use_gating=true,modules=['lin1','out']]",
    "gated_ia3": "ia3[use_gating=true]",
    "unipelt": "unipelt",
    "prompt": "prompt_tuning",
    "inv": "seq_bn_inv",
}
BLOCKS = [ph.Stack("s", "lora"), ph.Stack("s", "gated"), ph.Average("s", "d"), ph.Fuse("s", "d")]
SETUPS = [None, *PER_TOKEN, *WHOLE_ROW, *BLOCKS]
SMALLEST = ph.Split("s", "d", splits=[1, None])
LABELS = ("a", "b")


@pytest.fixture(scope="module")
def model(make_model, shake):
    model = make_model()
    for pooling in ("cls", "mean"):
        config = ph.ClassificationHeadConfig(labels=LABELS, pooling=pooling)
        model.add_head(pooling, config, adapter=None)
    mixed = ph.ClassificationHeadConfig(labels=LABELS, pooling="cls", hidden="mix")
    model.add_head("mixed", mixed, adapter=None)
    model.add_head("tags", ph.TaggingHeadConfig(labels=LABELS, hidden="last"), adapter=None)
    for name, config in (PER_TOKEN | WHOLE_ROW).items():
        model.add_adapter(name, config)
    model.add_adapter_fusion(["s", "d"])
    for number, part in enumerate((*model.adapters.values(), *model.heads.values())):
        shake(part, seed=number)
    model.eval()
    return model


@pytest.fixture
def whole(monkeypatch):
    """Computes as if no head said that it reads first tokens alone."""

    def compute(model, calls):
        with monkeypatch.context() as patch:
            patch.setattr(PooledHead, "reads_first_only", False)
            return model.compute(calls)

    return compute


@pytest.fixture
def last_tokens(monkeypatch):
    """How many tokens the last layer's feed-forward network computes, call by call."""

    def of(model):
        found = []
        lin1 = model.encoder.layers[-1].lin1
        forward = type(lin1).forward

        def counting(self, values, **options):
            if self is lin1:
                found.append(len(values))
            return forward(self, values, **options)

        monkeypatch.setattr(type(lin1), "forward", counting)
        return found

    return of


def row(*ids):
    return Row(ids)


def rows_of(chance):
    return tuple(Row(tuple(chance.choices(range(50), k=chance.randint(1, 9)))) for _ in range(5))


def check_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("setup", SETUPS, ids=repr)
@torch.inference_mode()
def test_answers_are_those_of_all_tokens(model, whole, setup):
    rows = rows_of(random.Random(0))  # noqa: S311 - which rows, not a secret
    calls = [HeadCall("cls", rows, (setup,) * len(rows))]
    check_same(model.compute(calls), whole(model, calls))


@torch.inference_mode()
def test_parts_of_rows_keep_their_places(model, whole):
    calls = [HeadCall("cls", (row(1, 2, 3), row(4, 5)), (SMALLEST,) * 2)]
    check_same(model.compute(calls), whole(model, calls))


@pytest.mark.parametrize("seed", range(12))
@torch.inference_mode()
def test_any_batch_gets_the_answers_of_all_tokens(model, whole, seed):
    chance = random.Random(seed)  # noqa: S311 - which rows, not a secret
    known = rows_of(chance)
    calls = []
    for head in chance.choices(
        ["cls", "cls", "cls", "mean", "mixed", "tags"], k=chance.randint(1, 4)
    ):
        rows = tuple(chance.choices(known, k=chance.randint(1, 8)))
        kinds = SETUPS if seed % 2 else [None, *PER_TOKEN]
        calls.append(HeadCall(head, rows, tuple(chance.choices(kinds, k=len(rows)))))
    check_same(model.compute(calls), whole(model, calls))


@pytest.mark.parametrize("adapter", [None, *PER_TOKEN])
@torch.inference_mode()
def test_the_last_layer_computes_first_tokens_alone(model, last_tokens, adapter):
    found = last_tokens(model)
    model.compute([HeadCall("cls", (row(1, 2, 3), row(4, 5)), (adapter,) * 2)])
    assert found == [2]


@pytest.mark.parametrize("adapter", WHOLE_ROW)
@torch.inference_mode()
def test_adapters_that_read_rows_get_whole_rows(model, last_tokens, adapter):
    found = last_tokens(model)
    model.compute([HeadCall("cls", (row(1, 2, 3), row(4, 5)), (adapter,) * 2)])
    assert found[0] >= 5  # a prompt makes rows longer


@torch.inference_mode()
def test_one_such_adapter_leaves_the_rows_of_others_short(model, last_tokens):
    found = last_tokens(model)
    model.compute([HeadCall("cls", (row(1, 2, 3), row(4, 5)), ("s", "gated"))])
    assert found == [1 + 2]


@torch.inference_mode()
def test_a_row_that_another_head_reads_is_computed_to_its_end(model, whole, last_tokens):
    calls = [
        HeadCall("cls", (row(1, 2, 3), row(4, 5)), (None, None)),
        HeadCall("tags", (row(4, 5),), (None,)),
    ]
    expected = whole(model, calls)
    found = last_tokens(model)
    check_same(model.compute(calls), expected)
    assert found == [1 + 2]


@torch.inference_mode()
def test_rows_that_part_in_the_last_layer_part_short(model, whole, last_tokens):
    last = "seq_bn[leave_out=[0,1]]"
    own = copy.deepcopy(model)
    own.add_adapter("other_upper", last)
    calls = [HeadCall("cls", (row(1, 2, 3),) * 3, (None, "upper", "other_upper"))]
    expected = whole(own, calls)
    found = last_tokens(own)
    check_same(own.compute(calls), expected)
    assert found == [1]  # they part behind it


@torch.inference_mode()
def test_a_head_of_several_layers_reads_all_tokens(model, last_tokens):
    found = last_tokens(model)
    model.compute([HeadCall("mixed", (row(1, 2, 3),), (None,))])
    assert found == [3]


@torch.inference_mode()
def test_the_tensor_call_shows_all_tokens(model):
    output = model(torch.tensor([[1, 2, 3]]), head="cls", adapter_names="s")
    assert output.last_hidden_state.shape == (1, 3, 32)
    [found] = model.compute([HeadCall("cls", (row(1, 2, 3),), ("s",))])
    torch.testing.assert_close(found, output.logits, atol=1e-6, rtol=1e-5)


def test_gradients_are_those_of_all_tokens(model, whole):
    calls = [HeadCall("cls", (row(1, 2, 3), row(4, 5)), ("s", "lora"))]
    names = [model.adapters[name].parameters() for name in ("s", "lora")]
    weights = [*model.heads["cls"].parameters(), *(weight for each in names for weight in each)]
    found, expected = (
        torch.autograd.grad(compute(model, calls)[0].square().sum(), weights, allow_unused=True)
        for compute in (lambda model, calls: model.compute(calls), whole)
    )
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_rows_out_of_the_prefix_cache_end_short_too(model, whole, last_tokens):
    own = copy.deepcopy(model)
    calls = [HeadCall("cls", (row(1, 2, 3), row(4, 5), row(1, 2, 3)), ("upper", "upper", "s"))]
    expected = whole(own, calls)
    own.prefix_cache = ph.PrefixCache(layer=2, max_bytes=1_000_000)
    for _ in range(2):  # kept, then found
        check_same(own.compute(calls), expected)
    found = last_tokens(own)
    own.compute(calls)
    assert found == [2, 1]


@pytest.mark.parametrize(
    "config",
    [
        ph.RegressionHeadConfig(pooling="cls"),
        ph.MultilabelHeadConfig(labels=LABELS, pooling="cls"),
        ph.MultipleChoiceHeadConfig(pooling="cls"),
        ph.EmbeddingHeadConfig(pooling="cls"),
    ],
    ids=lambda config: type(config).__name__,
)
@torch.inference_mode()
def test_every_kind_that_pools_the_first_token_gains(make_model, last_tokens, config):
    own = make_model()
    own.add_head("first", config, adapter=None)
    found = last_tokens(own)
    own.compute([HeadCall("first", (row(1, 2, 3), row(4, 5)), (None, None))])
    assert found == [2]
