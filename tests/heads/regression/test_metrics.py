import sys

import pytest
import torch

from polyhead.batch import Row
from polyhead.contracts import Encoded
from polyhead.errors import InputError, MissingExtraError
from polyhead.heads import RegressionExample
from polyhead.heads.regression.metrics import RegressionMetrics


def encoded(*targets):
    return [
        Encoded(
            RegressionExample(text="a"),
            (Row((1,)),),
            None if target is None else torch.tensor([target]),
        )
        for target in targets
    ]


def measured(answers, targets):
    metrics = RegressionMetrics()
    metrics.update(torch.tensor(answers), encoded(*targets))
    return metrics.compute()


def test_spearman_is_primary_and_more_is_better():
    assert RegressionMetrics.primary == "spearman"
    assert RegressionMetrics.higher_is_better


def test_figures_cover_all_batches():
    metrics = RegressionMetrics()
    metrics.update(torch.tensor([[1.0], [2.0]]), encoded([1.0], [2.0]))
    metrics.update(torch.tensor([[4.0]]), encoded([9.0]))
    found = metrics.compute()
    assert set(found) == {"spearman", "pearson", "mse", "mae"}
    assert found["spearman"] == pytest.approx(1)
    # about the means 7/3 and 4: (-4/3, -1/3, 5/3) with (-3, -2, 5)
    assert found["pearson"] == pytest.approx(13 / ((42 / 9) ** 0.5 * 38**0.5))
    assert found["mse"] == pytest.approx(25 / 3)
    assert found["mae"] == pytest.approx(5 / 3)
    assert all(type(figure) is float for figure in found.values())


def test_figures_are_the_mean_over_the_outputs():
    found = measured([[1.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [2.0, 2.0]])
    assert found == pytest.approx({"spearman": 0.0, "pearson": 0.0, "mse": 1.25, "mae": 0.75})


def test_ties_share_their_rank():
    found = measured([[1.0], [1.0], [2.0]], [[1.0], [2.0], [3.0]])
    # ranks 1.5, 1.5, 3 with 1, 2, 3
    assert found["spearman"] == pytest.approx(1.5 / (1.5 * 2) ** 0.5)


@pytest.mark.parametrize(
    ("answers", "targets"),
    [
        ([[3.0], [3.0]], [[1.0], [2.0]]),
        ([[1.0], [2.0]], [[3.0], [3.0]]),
        ([[3.0], [3.0]], [[3.0], [3.0]]),
        ([[3.0]], [[1.0]]),
    ],
)
def test_an_undefined_correlation_counts_as_zero_without_a_warning(answers, targets):
    found = measured(answers, targets)
    assert (found["spearman"], found["pearson"]) == (0.0, 0.0)


def test_answers_that_barely_differ_give_a_correlation_without_a_warning():
    step = 2.0**-20
    found = measured([[1.0], [1.0 + step], [1.0 + 2 * step]], [[1.0], [2.0], [3.0]])
    assert found["pearson"] == pytest.approx(1)


def test_no_examples_are_no_evaluation():
    with pytest.raises(InputError, match="no labelled examples to evaluate on"):
        RegressionMetrics().compute()


def test_an_example_without_label_is_refused():
    with pytest.raises(InputError, match="1 of 2 examples have no label"):
        RegressionMetrics().update(torch.zeros(2, 1), encoded([1.0], None))


def test_outputs_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        RegressionMetrics().update(torch.tensor([[0.0], [torch.nan]]), encoded([0.0], [1.0]))


@pytest.mark.parametrize("module", ["sklearn.metrics", "scipy.stats"])
def test_a_missing_scikit_learn_is_named_with_its_extra(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"scikit-learn.*pip install 'polyhead\[train\]'"):
        measured([[0.0]], [[1.0]])
