import sys

import pytest
import torch

from polyhead.batch import Row
from polyhead.contracts import Encoded
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads import TextExample
from polyhead.heads.classification.metrics import ClassificationMetrics


def encoded(*targets):
    return [
        Encoded(
            TextExample(text="a"),
            (Row((1,)),),
            None if target is None else torch.tensor([target]),
        )
        for target in targets
    ]


def logits(*answers):
    return torch.nn.functional.one_hot(torch.tensor(answers), 3).float()


def test_accuracy_is_primary_and_more_is_better():
    assert ClassificationMetrics.primary == "accuracy"
    assert ClassificationMetrics.higher_is_better


def test_figures_cover_all_batches():
    metrics = ClassificationMetrics()
    metrics.update(logits(0, 1), encoded(0, 1))
    metrics.update(logits(1, 0), encoded(0, 0))
    found = metrics.compute()
    assert found["accuracy"] == 0.75
    # label 0: precision 1, recall 2/3; label 1: precision 1/2, recall 1; label 2 does not occur
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    # 1 true 1, 2 true 0, 1 false 1, 0 false 0: (1*2 - 1*0) / sqrt(2 * 1 * 3 * 2)
    assert found["mcc"] == pytest.approx(2 / 12**0.5)
    assert all(type(figure) is float for figure in found.values())


def test_a_label_never_answered_counts_as_zero_without_a_warning():
    metrics = ClassificationMetrics()
    metrics.update(logits(0, 0), encoded(0, 1))
    assert metrics.compute() == {"accuracy": 0.5, "macro_f1": pytest.approx(1 / 3), "mcc": 0.0}


@pytest.mark.parametrize(("answer", "accuracy"), [(0, 1.0), (1, 0.0)])
def test_one_label_in_the_data_leaves_mcc_at_zero_without_a_warning(answer, accuracy):
    metrics = ClassificationMetrics()
    metrics.update(logits(answer, answer), encoded(0, 0))
    found = metrics.compute()
    assert found["accuracy"] == accuracy
    assert found["mcc"] == 0.0


def test_no_examples_are_no_evaluation():
    with pytest.raises(InputError, match="no labelled examples to evaluate on"):
        ClassificationMetrics().compute()


def test_an_example_without_label_is_refused():
    with pytest.raises(InputError, match="1 of 2 examples have no label"):
        ClassificationMetrics().update(logits(0, 1), encoded(0, None))


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        ClassificationMetrics().update(
            torch.tensor([[0.0, 1.0], [float("nan"), 0.0]]), encoded(0, 1)
        )


def test_a_missing_scikit_learn_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    metrics = ClassificationMetrics()
    metrics.update(logits(0), encoded(0))
    with pytest.raises(MissingExtraError, match=r"scikit-learn.*pip install 'polyhead\[train\]'"):
        metrics.compute()
