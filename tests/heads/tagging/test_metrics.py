import random
import sys

import pytest
import torch
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

from polyhead.batch import Row
from polyhead.contracts import Encoded, EncoderShape
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads import TaggingExample, TaggingHead, TaggingHeadConfig
from polyhead.heads.tagging.metrics import EntityMetrics, TagMetrics
from polyhead.heads.tagging.subwords import IGNORED

LABELS = ("O", "B-X", "I-X", "B-Y", "I-Y")
SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)


def encoded(*targets):
    """Words of one sub-word each."""
    n_words = len(targets)
    row = Row(
        ids=(2, *[5] * n_words, 3),
        offsets=((0, 0), *((2 * place, 2 * place + 1) for place in range(n_words)), (0, 0)),
        words=(-1, *range(n_words), -1),
    )
    return Encoded(
        TaggingExample(tokens=("w",) * n_words),
        (row,),
        torch.tensor([IGNORED, *targets, IGNORED]),
    )


def logits(*answers):
    return torch.nn.functional.one_hot(torch.tensor([0, *answers, 0]), len(LABELS)).float()


def names(numbers):
    return [LABELS[number] for number in numbers]


def a_head(aggregation="first"):
    config = TaggingHeadConfig(labels=LABELS, aggregation=aggregation, follows_scheme=False)
    return TaggingHead(config, SHAPE)


@pytest.fixture
def metrics():
    return EntityMetrics(a_head())


def test_the_scheme_decides_what_is_measured(tiny_model):
    def metrics_of(labels):
        head = TaggingHead(TaggingHeadConfig(labels=labels), tiny_model.shape)
        assert head.metrics() is not head.metrics()
        return head.metrics()

    assert type(metrics_of(("O", "B-X"))) is EntityMetrics
    assert metrics_of(("O", "S-X")).primary == "f1"
    assert type(metrics_of(("NN", "VB"))) is TagMetrics
    assert metrics_of(("NN", "VB")).primary == "accuracy"
    assert metrics_of(("NN", "VB")).higher_is_better


def test_figures_are_those_of_seqeval_over_all_batches(metrics):
    rng = random.Random(0)  # noqa: S311
    targets = [[rng.randrange(5) for _ in range(rng.randrange(1, 9))] for _ in range(60)]
    answers = [
        [rng.randrange(5) if rng.random() < 0.3 else number for number in one] for one in targets
    ]
    for start in range(0, 60, 7):
        batch = [encoded(*one) for one in targets[start : start + 7]]
        metrics.update(torch.cat([logits(*one) for one in answers[start : start + 7]]), batch)
    expected, found = [names(one) for one in targets], [names(one) for one in answers]
    figures = metrics.compute()
    assert figures == {
        "f1": pytest.approx(f1_score(expected, found)),
        "precision": pytest.approx(precision_score(expected, found)),
        "recall": pytest.approx(recall_score(expected, found)),
        "accuracy": pytest.approx(accuracy_score(expected, found)),
    }
    assert 0.3 < figures["f1"] < figures["accuracy"] < 1
    assert all(type(figure) is float for figure in figures.values())


def test_an_entity_counts_where_its_borders_and_its_type_are_right(metrics):
    metrics.update(logits(1, 2, 0, 3), [encoded(1, 2, 0, 1)])
    metrics.update(logits(1, 2, 2, 0), [encoded(1, 2, 0, 0)])
    third = pytest.approx(1 / 3)
    figures = {"f1": third, "precision": third, "recall": third, "accuracy": 0.75}
    assert metrics.compute() == figures


@pytest.mark.parametrize(("answers", "targets"), [((0, 0), (0, 1)), ((1, 0), (0, 0)), ((0,), (0,))])
def test_nothing_found_or_nothing_to_find_is_zero_without_a_warning(metrics, answers, targets):
    metrics.update(logits(*answers), [encoded(*targets)])
    figures = metrics.compute()
    assert figures["f1"] == figures["precision"] == figures["recall"] == 0


def test_accuracy_counts_words_and_not_texts():
    metrics = TagMetrics(a_head())
    metrics.update(torch.cat([logits(0, 1, 2), logits(3)]), [encoded(0, 1, 1), encoded(0)])
    assert metrics.compute() == {"accuracy": 0.5}


@pytest.mark.parametrize(
    ("aggregation", "answer"),
    [("none", 1), ("simple", 1), ("first", 1), ("max", 2), ("average", 2)],
)
def test_a_word_counts_as_it_would_be_answered(aggregation, answer):
    row = Row(ids=(2, 5, 6, 3), offsets=((0, 0), (0, 1), (1, 2), (0, 0)), words=(-1, 0, 0, -1))
    item = Encoded(
        TaggingExample(tokens=("ab",)), (row,), torch.tensor([IGNORED, 1, IGNORED, -100])
    )
    found = torch.zeros(4, 5)
    found[1, 1], found[2, 2] = 1.0, 3.0
    metrics = TagMetrics(a_head(aggregation))
    metrics.update(found, [item])
    assert metrics.compute()["accuracy"] == float(answer == 1)


def test_a_word_counts_once_however_many_of_its_sub_words_have_its_tag():
    row = Row(ids=(2, 5, 6, 3), offsets=((0, 0), (0, 1), (1, 2), (0, 0)), words=(-1, 0, 0, -1))
    example = TaggingExample(tokens=("ab",))
    item = Encoded(example, (row,), torch.tensor([IGNORED, 1, 1, IGNORED]))
    metrics = EntityMetrics(a_head("average"))
    metrics.update(logits(1, 1), [item])
    assert metrics.compute() == {"f1": 1.0, "precision": 1.0, "recall": 1.0, "accuracy": 1.0}


@pytest.mark.parametrize("kind", [TagMetrics, EntityMetrics])
def test_no_examples_are_no_evaluation(kind):
    with pytest.raises(InputError, match="no labelled examples to evaluate on"):
        kind(a_head()).compute()


def test_an_example_without_tags_is_refused(metrics):
    item = encoded(0)
    with pytest.raises(InputError, match="1 of 2 examples have no label"):
        metrics.update(torch.cat([logits(0), logits(0)]), [item, Encoded(item.example, item.rows)])


def test_logits_that_are_not_finite_are_refused(metrics):
    with pytest.raises(InputError, match="logits of token 1 are not finite"):
        metrics.update(logits(0) * float("nan"), [encoded(0)])


def test_a_missing_seqeval_is_named_with_its_extra(metrics, monkeypatch):
    monkeypatch.setitem(sys.modules, "seqeval.metrics.sequence_labeling", None)
    metrics.update(logits(0), [encoded(0)])
    with pytest.raises(MissingExtraError, match=r"seqeval.*pip install 'polyhead\[train\]'"):
        metrics.compute()


def test_plain_tags_need_no_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqeval.metrics.sequence_labeling", None)
    metrics = TagMetrics(a_head())
    metrics.update(logits(0), [encoded(0)])
    assert metrics.compute() == {"accuracy": 1.0}
