"""Every pair of kinds in one batch: each row is answered, and each adapter taught, as if alone."""

import itertools
import random

import pytest
import torch

from polyhead.adapters import FusionConfig
from polyhead.composition import Average, Fuse, Split, Stack
from polyhead.heads import ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads

KINDS = {
    "seq": "seq_bn[reduction_factor=4]",
    "double": "double_seq_bn[reduction_factor=8]",
    "par": "par_bn",
    "partly": "seq_bn[leave_out=(0,2)]",
    "gated": "seq_bn[use_gating=true]",
    "plus": "adapter_plus[reduction_factor=8]",
    "nice": "seq_bn_inv",
    "glow": "seq_bn[inv_adapter=glow,inv_adapter_reduction_factor=2]",
    "compacter": "compacter[reduction_factor=4]",
    "lora": "lora[r=4]",
    "lora_all": "lora[modules=(q,k,v,out,lin1,lin2),r=2,use_rslora=true]",
    "dora": "dora[r=2]",
    "ia3": "ia3",
    "ia3_before": "ia3[outputs=(k,v,lin1),inputs=()]",
    "prefix": "prefix_tuning[prefix_length=3,bottleneck_size=8]",
    "flat": "prefix_tuning_flat[prefix_length=5]",
    "prompt": "prompt_tuning[prompt_length=2]",
    "prompt_cls": "prompt_tuning[prompt_length=3,combine=prefix_after_bos]",
    "loreft": "loreft",
    "noreft": "noreft[suffix_positions=2]",
    "direft": "direft[prefix_positions=1]",
    "mam": "prefix_tuning[prefix_length=2,bottleneck_size=8]|par_bn",
    "unipelt": "prefix_tuning[prefix_length=4,bottleneck_size=8,use_gating=true]"
    "|seq_bn[use_gating=true]|lora[r=2,alpha=2,use_gating=true]",
}
BLOCKS = [
    Stack("seq", "double"),
    Stack("lora", "nice", "prefix", "loreft"),
    Stack("prompt", "flat", "seq"),
    Fuse("seq", "par"),
    Stack("gated", Fuse("seq", "par")),
    Average({"seq": 0.7, "lora": -0.4, "loreft": 0.5}),
    Split("double", "ia3", splits=(2, None)),
]
SETUPS = [*KINDS, *BLOCKS, None]
PAIRS = list(itertools.combinations(SETUPS, 2))
GROUP = 6
ATOL = 1e-5
N_ROWS = 4


def groups():
    """Some setups each, so that any two of all lie in one group at least: greedily chosen."""
    open_pairs = {frozenset(pair) for pair in PAIRS}
    while open_pairs:
        group = list(min(open_pairs, key=lambda pair: sorted(map(SETUPS.index, pair))))
        while len(group) < GROUP:
            gains = {
                setup: sum(frozenset((setup, one)) in open_pairs for one in group)
                for setup in SETUPS
                if setup not in group
            }
            group.append(max(gains, key=gains.__getitem__))
        open_pairs -= set(map(frozenset, itertools.combinations(group, 2)))
        yield group


GROUPS = list(groups())


@pytest.fixture(scope="module")
def model(make_model, shake) -> DistilBertModelWithHeads:
    """An adapter of each kind with weights that matter, and for each setup a head of its own."""
    model = make_model(n_layers=3, dim=16, hidden_dim=24, n_heads=2)  # small, since pairs add up
    for number, (name, config) in enumerate(KINDS.items()):
        model.add_adapter(name, config)
        shake(model.adapters[name], seed=number)
    model.add_adapter("fusion", FusionConfig.dynamic("seq", "par"))
    shake(model.adapters["fusion"], seed=99)
    for number, setup in enumerate(SETUPS):
        labels = ("a", "b", "c")[: 2 + number % 2]
        pooling = ("cls", "mean")[number // 2 % 2]
        config = ClassificationHeadConfig(labels=labels, pooling=pooling)
        model.add_head(head_of(setup), config, adapter=None)
        shake(model.heads[head_of(setup)], seed=number)
    return model


def head_of(setup):
    return f"head-{SETUPS.index(setup)}"


def rows(chance, n_rows, vocab_size):
    """Rows of different lengths, with padding on either side."""
    ids = torch.tensor([[chance.randrange(vocab_size) for _ in range(9)] for _ in range(n_rows)])
    mask = torch.zeros_like(ids)
    for row in mask:
        length = chance.randint(1, 9)
        start = chance.choice([0, 9 - length])
        row[start : start + length] = 1
    return ids, mask


@pytest.fixture(scope="module")
def alone(model):
    """What each row is answered alone under each setup: its hidden states and its logits."""
    ids, mask = rows(random.Random(0), N_ROWS, model.shape.vocab_size)  # noqa: S311
    answers = {}
    with torch.no_grad():
        for setup, row in itertools.product(SETUPS, range(N_ROWS)):
            own = slice(row, row + 1)
            found = model(ids[own], mask[own], adapter_names=setup, head=head_of(setup))
            answers[setup, row] = found.last_hidden_state[0], found.logits[0]
    return ids, mask, answers


def test_any_two_setups_lie_in_one_batch():
    together = {frozenset(pair) for group in GROUPS for pair in itertools.combinations(group, 2)}
    assert together == {frozenset(pair) for pair in PAIRS}
    assert len(SETUPS) == len(set(SETUPS)) >= 31


def test_every_setup_changes_every_row(alone):
    """Otherwise the comparisons below compare nothing."""
    _, _, answers = alone
    for setup, row in itertools.product(SETUPS[:-1], range(N_ROWS)):
        difference = (answers[setup, row][0] - answers[None, row][0]).abs().max()
        assert difference > 1e-3, (setup, row)


@pytest.mark.parametrize("n_together", [GROUP, len(SETUPS)], ids=["some", "all"])
def test_rows_of_any_setups_are_answered_as_alone(model, alone, n_together):
    """Shuffled, with rows of none among them."""
    ids, mask, answers = alone
    chance = random.Random(1)  # noqa: S311 - any order will do
    for group in GROUPS if n_together == GROUP else [SETUPS]:
        batch = list(itertools.product(dict.fromkeys([*group, None]), range(N_ROWS)))
        chance.shuffle(batch)
        order = [row for _, row in batch]
        setups = [setup for setup, _ in batch]
        with torch.no_grad():
            together = model(
                ids[order], mask[order], adapter_names=setups, head=list(map(head_of, setups))
            )
        for place, key in enumerate(batch):
            hidden, logits = answers[key]
            found = together.last_hidden_state[place], together.rows[place]
            for one, expected in zip(found, (hidden, logits), strict=True):
                assert (one - expected).abs().max() <= ATOL, (key, group)


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def test_any_setups_are_taught_in_one_batch_as_apart(model, alone):
    """Each with its own head, its own labels and its own loss."""
    ids, mask, _ = alone
    labels = {
        head_of(setup): torch.tensor([0, 1, 1, 0]) if number % 3 else torch.tensor([1, 1, 0, 0])
        for number, setup in enumerate(SETUPS)
    }
    apart = {}
    for setup in SETUPS:
        head = head_of(setup)
        found = model(ids, mask, adapter_names=setup, head=head, labels=labels[head])
        apart[setup] = gradients(model, found.losses[head])
    for group in GROUPS:
        setups = group * N_ROWS
        order = [row for row in range(N_ROWS) for _ in group]
        heads = list(map(head_of, setups))
        found = model(
            ids[order],
            mask[order],
            adapter_names=setups,
            head=heads,
            labels={head: labels[head] for head in heads},
        )
        together = gradients(model, sum(found.losses.values()))
        expected = {}
        for setup in group:
            for name, grad in apart[setup].items():
                expected[name] = expected[name] + grad if name in expected else grad
        assert together.keys() == expected.keys(), group
        for name, grad in expected.items():
            off = (together[name] - grad).abs().max()
            assert off <= 2e-5 + 1e-4 * grad.abs().max(), (name, group)


def test_the_encoder_takes_no_gradient(model, alone):
    ids, mask, _ = alone
    head = head_of("unipelt")
    labels = torch.zeros(N_ROWS).long()
    found = model(ids, mask, adapter_names="unipelt", head=head, labels=labels)
    assert not any(name.startswith("encoder.") for name in gradients(model, found.loss))
