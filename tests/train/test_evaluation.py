import pytest
import torch

from polyhead.errors import InputError, UnknownTaskError
from polyhead.train import evaluate


def test_figures_are_those_of_the_predictions(task_model, train_examples):
    model = task_model()
    answers = model.predict([example.text for example in train_examples], task="mood")
    right = [a.label == e.label for a, e in zip(answers, train_examples, strict=True)]
    assert evaluate(model, "mood", train_examples)["accuracy"] == sum(right) / len(right)


@pytest.mark.parametrize("batch_tokens", [1, 7, 30, 10_000])
def test_figures_do_not_depend_on_the_batches(task_model, train_examples, batch_tokens):
    model = task_model()
    figures = evaluate(model, "mood", train_examples, batch_tokens=batch_tokens)
    assert figures == evaluate(model, "mood", train_examples)


def test_a_task_without_adapter_is_measured(task_model, train_examples):
    assert 0 <= evaluate(task_model(adapter=None), "mood", train_examples)["accuracy"] <= 1


def test_dropout_is_off_and_the_mode_comes_back(task_model, train_examples):
    model = task_model()
    expected = evaluate(model, "mood", train_examples)
    model.heads["mood"].train()
    state = torch.get_rng_state()
    assert evaluate(model, "mood", train_examples) == expected
    assert torch.equal(torch.get_rng_state(), state)
    assert model.heads["mood"].training


def test_no_examples_and_no_such_task_are_refused(task_model, train_examples):
    with pytest.raises(InputError, match="no evaluation examples"):
        evaluate(task_model(), "mood", [])
    with pytest.raises(UnknownTaskError):
        evaluate(task_model(), "none", train_examples)
