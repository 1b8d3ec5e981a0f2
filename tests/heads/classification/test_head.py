import json

import pytest
import torch
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from polyhead.batch import Hidden, Packing
from polyhead.contracts import EncoderShape, targets_of
from polyhead.errors import InputError
from polyhead.heads import (
    ClassificationHead,
    ClassificationHeadConfig,
    ClassificationPrediction,
    TextExample,
)
from polyhead.registry import registry
from polyhead.tokenizer import TextSettings, Tokenizer

SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
LABELS = ("no", "yes", "maybe")
PACKING = Packing((3, 1, 2))


@pytest.fixture
def tokenizer():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return Tokenizer(BertWordPieceTokenizer(vocab=vocabulary)._tokenizer)


def a_head(**fields):
    torch.manual_seed(0)
    return ClassificationHead(ClassificationHeadConfig(labels=LABELS, **fields), SHAPE).eval()


def hidden(seed=1, packing=PACKING):
    generator = torch.Generator().manual_seed(seed)
    return Hidden.of_rows(torch.randn(packing.n_tokens, 8, generator=generator), packing)


def encoded(*labels):
    return a_head().encode(
        [TextExample(text="good", label=label) for label in labels], AnyTokenizer()
    )


class AnyTokenizer:
    """Rows of one token, where the text does not matter."""

    def rows(self, texts, pairs=None):
        return [object() for _ in texts]


def test_the_registry_gives_it_by_kind_and_by_config():
    kinds = registry()
    assert kinds.head("classification") is ClassificationHead
    assert kinds.head_for(ClassificationHeadConfig(labels=LABELS)) is ClassificationHead
    assert kinds.provider_of_head("classification").distribution == "polyhead"
    found, options = kinds.head_spec("classification[layers=1,class_weights=balanced]")
    assert found is ClassificationHead
    assert options == {"layers": 1, "class_weights": "balanced"}


def test_texts_and_pairs_become_one_row_each(tokenizer):
    texts = [
        TextExample(text="good film", label="yes"),
        TextExample(text="bad", text_pair="film good"),
    ]
    first, second = a_head().encode(texts, tokenizer)
    assert [row.ids for row in first.rows] == [(2, 4, 6, 3)]
    assert [row.ids for row in second.rows] == [(2, 5, 3, 6, 4, 3)]
    assert torch.equal(first.target, torch.tensor([1]))
    assert first.target.dtype == torch.int64
    assert second.target is None
    assert [first.example, second.example] == texts


def test_text_settings_reach_the_rows(tokenizer):
    short = tokenizer.with_settings(TextSettings(max_length=3))
    (found,) = a_head().encode([TextExample(text="good bad film")], short)
    assert found.rows[0].ids == (2, 4, 3)
    assert found.rows[0].n_dropped == 2


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (TextExample(text=" "), "example 1: the text has no words"),
        (TextExample(text="good", text_pair=""), "example 1: the second text has no words"),
    ],
)
def test_a_text_without_words_is_refused(tokenizer, example, message):
    with pytest.raises(InputError, match=message):
        a_head().encode([example], tokenizer)


def test_an_unknown_label_is_refused_with_the_known_ones(tokenizer):
    examples = [TextExample(text="good", label="no"), TextExample(text="good", label="never")]
    with pytest.raises(
        InputError, match=r"label 'never' is unknown .* 'no', 'yes', 'maybe'\."
    ) as caught:
        a_head().encode(examples, tokenizer)
    assert caught.value.index == 1


def test_a_tuple_is_a_pair_and_a_number_is_a_label():
    head = a_head()
    assert head.parse(("a", "b")) == TextExample(text="a", text_pair="b")
    assert head.parse({"text": "a", "label": 1}) == TextExample(text="a", label="1")
    assert head.parse("a") == TextExample(text="a")


def test_targets_of_a_padded_batch_are_the_labels_numbers():
    mask = torch.ones(3, 4, dtype=torch.bool)
    found = a_head().targets(torch.tensor([0, 2, 1], dtype=torch.int32), mask)
    assert torch.equal(found, torch.tensor([0, 2, 1]))
    assert found.dtype == torch.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1]), r"labels of shape \(2,\) do not fit a batch of 3 rows"),
        (torch.zeros(3, 1, dtype=torch.long), r"labels of shape \(3, 1\) do not fit"),
        (torch.tensor(0), r"labels of shape \(\) do not fit"),
        (torch.tensor([0.0, 1.0, 2.0]), "whole numbers, not torch.float32"),
        (torch.tensor([True, False, True]), "whole numbers, not torch.bool"),
        (torch.tensor([0, 3, 1]), "the label 3 is not one of 0 to 2"),
        (torch.tensor([0, -100, 1]), "the label -100 is not one of 0 to 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        a_head().targets(labels, torch.ones(3, 4, dtype=torch.bool))


def test_loss_is_the_mean_cross_entropy():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    targets = torch.tensor([0, 1])
    expected = -torch.stack([row.log_softmax(0)[t] for row, t in zip(logits, targets, strict=True)])
    torch.testing.assert_close(a_head().loss(logits, targets), expected.mean())


def test_class_weights_weigh_the_loss():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    targets = torch.tensor([0, 1])
    losses = -torch.stack([row.log_softmax(0)[t] for row, t in zip(logits, targets, strict=True)])
    weights = torch.tensor([0.5, 3.0])
    found = a_head(class_weights=(0.5, 3.0, 1.0)).loss(logits, targets)
    torch.testing.assert_close(found, (losses * weights).sum() / weights.sum())


def test_loss_of_half_precision_logits_is_computed_in_float32():
    logits = torch.tensor([[2.0, 0.0, 0.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = a_head(class_weights=(1, 2, 3)).loss(logits, torch.tensor([0]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert logits.grad.dtype == torch.bfloat16


def test_gradients_reach_every_parameter():
    head = a_head()
    head.loss(head(hidden()), torch.tensor([0, 1, 2])).backward()
    assert all(parameter.grad.any() for parameter in head.parameters())


def test_answers_are_typed_and_json_ready():
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]], dtype=torch.bfloat16)
    first, second = a_head().decode(logits, encoded(None, None))
    assert isinstance(first, ClassificationPrediction)
    assert (first.label, second.label) == ("yes", "no")
    assert tuple(first.probabilities) == LABELS
    assert first.score == first.probabilities["yes"]
    assert sum(first.probabilities.values()) == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(
        torch.tensor(list(first.probabilities.values())), logits[0].float().softmax(0)
    )
    assert json.loads(first.model_dump_json()) == first.model_dump()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_are_refused(bad):
    logits = torch.tensor([[0.0, 0.0, 0.0], [0.0, bad, 0.0]])
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        a_head().decode(logits, encoded(None, None))


def test_metrics_are_fresh_each_time():
    head = a_head()
    metrics = head.metrics()
    batch = encoded("yes", "no")
    assert torch.equal(targets_of(batch), torch.tensor([1, 0]))
    metrics.update(torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), batch)
    assert metrics.compute()["accuracy"] == 0.5
    assert head.metrics() is not metrics
