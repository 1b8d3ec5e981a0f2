import sys

import pytest
import torch

from polyhead.batch import Row
from polyhead.contracts import Encoded
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads import MultilabelExample
from polyhead.heads.multilabel.metrics import MultilabelMetrics


def encoded(*targets):
    return [
        Encoded(
            MultilabelExample(text="a"),
            (Row((1,)),),
            None if target is None else torch.tensor([target], dtype=torch.float32),
        )
        for target in targets
    ]


def logits(*answers):
    return torch.tensor(answers) * 4.0 - 2


def test_micro_f1_is_primary_and_more_is_better():
    assert MultilabelMetrics.primary == "micro_f1"
    assert MultilabelMetrics.higher_is_better


def test_figures_cover_all_batches():
    metrics = MultilabelMetrics((0.5, 0.5, 0.5))
    metrics.update(logits([1, 0, 0], [1, 1, 0]), encoded([1, 0, 0], [1, 0, 0]))
    metrics.update(logits([0, 1, 0]), encoded([1, 1, 0]))
    found = metrics.compute()
    # right answers 2, 1, 0 of 2, 2, 0 answers and 3, 1, 0 labels
    assert found == pytest.approx(
        {
            "micro_f1": 2 * 3 / (4 + 4),
            "micro_precision": 3 / 4,
            "micro_recall": 3 / 4,
            "macro_f1": (4 / 5 + 2 / 3 + 0) / 3,
            "macro_precision": (1 + 1 / 2 + 0) / 3,
            "macro_recall": (2 / 3 + 1 + 0) / 3,
            "accuracy": 1 / 3,
        }
    )
    assert all(type(figure) is float for figure in found.values())


def test_each_label_is_chosen_at_its_own_threshold():
    metrics = MultilabelMetrics((0.9, 0.1))
    # probabilities 0.88 and 0.12
    metrics.update(logits([1, 0]), encoded([0, 1]))
    assert metrics.compute()["accuracy"] == 1.0


def test_a_single_label_is_counted_where_it_is_not_where_it_is_absent():
    metrics = MultilabelMetrics((0.5,))
    metrics.update(logits([0], [1], [1], [0]), encoded([0], [1], [0], [0]))
    found = metrics.compute()
    assert found["micro_f1"] == found["macro_f1"] == pytest.approx(2 / 3)
    assert found["accuracy"] == 0.75


def test_no_label_anywhere_counts_as_zero_without_a_warning():
    metrics = MultilabelMetrics((0.5, 0.5))
    metrics.update(logits([0, 0]), encoded([0, 0]))
    found = metrics.compute()
    assert found.pop("accuracy") == 1.0
    assert set(found.values()) == {0.0}


def test_no_examples_are_no_evaluation():
    with pytest.raises(InputError, match="no labelled examples to evaluate on"):
        MultilabelMetrics((0.5,)).compute()


def test_an_example_without_labels_is_refused():
    with pytest.raises(InputError, match="1 of 2 examples have no label"):
        MultilabelMetrics((0.5,)).update(logits([0], [1]), encoded([0], None))


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        MultilabelMetrics((0.5,)).update(torch.tensor([[0.0], [torch.nan]]), encoded([0], [1]))


def test_a_missing_scikit_learn_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    metrics = MultilabelMetrics((0.5,))
    metrics.update(logits([0]), encoded([0]))
    with pytest.raises(MissingExtraError, match=r"scikit-learn.*pip install 'polyhead\[train\]'"):
        metrics.compute()
