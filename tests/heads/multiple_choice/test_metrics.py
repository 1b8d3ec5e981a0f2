import pytest
import torch

from polyhead.batch import Row
from polyhead.contracts import Encoded
from polyhead.errors import InputError
from polyhead.heads import MultipleChoiceExample
from polyhead.heads.multiple_choice.metrics import MultipleChoiceMetrics, choice_logits

INF = torch.inf


def encoded(n_choices, label=None):
    example = MultipleChoiceExample(choices=tuple("abcd"[:n_choices]), label=label)
    target = None if label is None else torch.tensor([label])
    return Encoded(example, (Row((2, 3)),) * n_choices, target)


def test_accuracy_is_the_share_of_right_choices():
    metrics = MultipleChoiceMetrics()
    metrics.update(
        torch.tensor([[-3.0, -1.0, -INF], [2.0, 3.0, 1.0]]), [encoded(2, 1), encoded(3, 0)]
    )
    metrics.update(torch.tensor([[0.0], [5.0]]), [encoded(1, 0), encoded(1, 0)])
    assert metrics.compute() == {"accuracy": 0.75}
    assert metrics.primary in metrics.compute()


def test_choices_that_are_not_there_never_win():
    logits = torch.tensor([[-9.0, -8.0, 7.0], [1.0, 2.0, 3.0]])
    found = choice_logits(logits, [encoded(2), encoded(3)])
    assert torch.equal(found, torch.tensor([[-9.0, -8.0, -INF], [1.0, 2.0, 3.0]]))


@pytest.mark.parametrize("bad", [torch.nan, INF, -INF])
def test_logits_that_are_not_finite_are_refused(bad):
    logits = torch.tensor([[0.0, -INF], [0.0, bad]])
    with pytest.raises(InputError, match="logits of row 2 are not finite"):
        MultipleChoiceMetrics().update(logits, [encoded(1, 0), encoded(2, 0)])


def test_an_example_without_label_is_refused():
    with pytest.raises(InputError, match="1 of 1 examples have no label"):
        MultipleChoiceMetrics().update(torch.zeros(1, 2), [encoded(2)])


def test_without_examples_there_is_nothing_to_measure():
    with pytest.raises(InputError, match="no labelled examples"):
        MultipleChoiceMetrics().compute()
