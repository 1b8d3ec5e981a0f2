import pytest
import torch

from polyhead.errors import InputError
from polyhead.heads.multilabel.thresholds import chosen, tune_thresholds


def column(*values):
    return torch.tensor(values)[:, None]


def test_a_label_is_chosen_when_its_probability_reaches_its_threshold():
    probabilities = torch.tensor([[0.5, 0.5], [0.49, 0.9]])
    assert chosen(probabilities, (0.5, 0.6)).tolist() == [[True, False], [False, True]]


def test_thresholds_are_compared_as_written_not_as_float32_rounds_them():
    # the float32 next to 0.1 lies above it, the one next to 0.7 below
    assert chosen(torch.tensor([[0.1, 0.7]]), (0.1, 0.7)).tolist() == [[True, False]]


def test_the_threshold_lies_between_texts_with_and_without_the_label():
    found = tune_thresholds(column(0.1, 0.3, 0.2), column(0, 1, 0))
    assert found == pytest.approx([0.25])


def test_every_label_has_its_own_threshold():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    targets = torch.tensor([[1, 0], [0, 0], [0, 1]])
    assert tune_thresholds(probabilities, targets) == pytest.approx([0.85, 0.25])


def test_the_best_f1_wins_where_texts_cannot_be_parted():
    # cuts behind 1, 2, 3, 4 texts: F1 2/4, 2/5, 4/6, 6/7
    found = tune_thresholds(column(0.9, 0.8, 0.6, 0.4, 0.2), column(1, 0, 1, 1, 0))
    assert found == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("probabilities", "threshold"), [((0.9, 0.8, 0.62, 0.5), 0.25), ((0.7, 0.6, 0.4, 0.1), 0.65)]
)
def test_of_equally_good_thresholds_the_one_nearest_one_half_is_taken(probabilities, threshold):
    # a cut behind the first text and one behind the last have F1 2/3
    assert tune_thresholds(column(*probabilities), column(1, 0, 0, 1)) == pytest.approx([threshold])


def test_equal_probabilities_are_not_parted():
    found = tune_thresholds(column(0.6, 0.6, 0.2), column(1, 0, 0))
    assert found == pytest.approx([0.4])


def test_a_label_that_every_text_has_is_always_chosen():
    found = tune_thresholds(column(0.6, 0.02), column(1, 1))
    assert found == pytest.approx([0.01])


@pytest.mark.parametrize(("probabilities", "targets"), [((0.9, 0.2), (0, 0)), ((0.0, 0.0), (1, 0))])
def test_a_label_nothing_can_be_learnt_of_keeps_one_half(probabilities, targets):
    assert tune_thresholds(column(*probabilities), column(*targets)) == [0.5]


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_higher_f1(seed):
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(40, 3, generator=generator)
    targets = torch.rand(40, 3, generator=generator) < 0.3

    def f1(thresholds):
        answers = chosen(probabilities, thresholds)
        hits = (answers & targets).sum(0)
        return 2 * hits / (answers.sum(0) + targets.sum(0))

    best = f1(tune_thresholds(probabilities, targets))
    for step in range(1, 100):
        assert (f1((step / 100,) * 3) <= best + 1e-6).all()


@pytest.mark.parametrize(
    ("probabilities", "targets", "message"),
    [
        (torch.zeros(0, 2), torch.zeros(0, 2), "no labelled examples to tune thresholds on"),
        (torch.zeros(2, 2), torch.zeros(2, 3), r"of shape \(2, 2\) and targets of shape \(2, 3\)"),
        (torch.zeros(2), torch.zeros(2), r"of shape \(2,\) and targets of shape \(2,\) do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(probabilities, targets, message):
    with pytest.raises(InputError, match=message):
        tune_thresholds(probabilities, targets)
