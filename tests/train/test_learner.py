import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from polyhead.errors import ContractError, InputError
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.train import learner as module
from polyhead.train.learner import Learner


class TiedHead(ClassificationHead):
    """A head that holds the encoder's own word embeddings, as a language model's does."""

    kind = "tied"

    def __init__(self, config, shape, words=None):
        super().__init__(config, shape)
        self.words = words
        self.register_buffer("count", torch.zeros(1))


@dataclass
class Scripted:
    """Metrics that have their figures from the test."""

    figures: dict[str, float]
    higher_is_better: bool = True
    primary: str = "accuracy"

    def compute(self):
        return self.figures


@pytest.fixture
def judged(task_model, train_examples, monkeypatch):
    """Figures in, which of them were kept: each epoch is judged by a scripted accuracy."""

    def judging(*accuracies, higher_is_better=True):
        learner = Learner(task_model(), "mood")
        learner.read(train_examples, train_examples)
        figures = iter(Scripted({"accuracy": value}, higher_is_better) for value in accuracies)
        monkeypatch.setattr(module, "measured", lambda *_, **__: next(figures))
        kept = [learner.judge(epoch, 1.0)[1] for epoch in range(1, len(accuracies) + 1)]
        return kept, learner

    return judging


def test_parameters_are_those_of_head_and_adapter_alone(task_model):
    model = task_model()
    learner = Learner(model, "mood")
    own = [*model.heads["mood"].parameters(), *model.adapters["mood"].parameters()]
    assert {id(weight) for weight in learner.parameters} == {id(weight) for weight in own}


def test_a_weight_of_the_encoder_in_a_head_is_neither_trained_nor_copied(task_model):
    model = task_model()
    words = model.encoder.word_embeddings
    config = ClassificationHeadConfig(labels=("bad", "good"))
    model._heads._modules["mood"] = head = TiedHead(config, model.shape, words)
    learner = Learner(model, "mood")
    assert not any(weight is words.weight for weight in learner.parameters)
    head.count.fill_(3)
    with torch.no_grad():
        words.weight[0, 0] = 7.0
    learner.restore()
    assert words.weight[0, 0] == 7.0
    assert head.count == 0


def test_a_task_without_weights_is_refused(task_model):
    model = task_model(adapter=None)
    head = model.heads["mood"]
    head.out, head.dense = nn.Identity(), nn.ModuleList()
    with pytest.raises(InputError, match="'mood' has no weights"):
        Learner(model, "mood")


def test_the_best_epoch_is_the_first_of_the_best(judged):
    kept, learner = judged(0.5, 0.9, 0.9, 0.6)
    assert kept == [True, True, False, False]
    assert learner.best_epoch == 2
    assert learner.best_figures == {"accuracy": 0.9}


def test_lower_is_better_where_the_metrics_say_so(judged):
    kept, _ = judged(0.5, 0.9, 0.4, higher_is_better=False)
    assert kept == [True, False, True]


def test_a_figure_that_is_no_number_is_never_better(judged):
    kept, learner = judged(math.nan, math.nan, 0.1, math.nan, 0.2)
    assert kept == [True, False, True, False, True]
    assert learner.best_figures == {"accuracy": 0.2}


def test_patience_counts_epochs_since_the_best(judged):
    _, learner = judged(0.5, 0.9, 0.6, 0.7)
    assert learner.is_out_of_patience(2)
    assert not learner.is_out_of_patience(3)
    assert not learner.is_out_of_patience(None)


def test_metrics_without_their_primary_figure_break_the_contract(
    task_model, train_examples, monkeypatch
):
    learner = Learner(task_model(), "mood")
    learner.read(train_examples, train_examples)
    monkeypatch.setattr(module, "measured", lambda *_, **__: Scripted({"f1": 1.0}))
    with pytest.raises(ContractError, match=r"no figure 'accuracy'.* they have: f1"):
        learner.judge(1, 1.0)


def test_without_evaluation_examples_every_epoch_is_the_best(task_model, train_examples):
    learner = Learner(task_model(), "mood")
    learner.read(train_examples, [])
    assert learner.judge(1, 0.5) == ({"train_loss": 0.5}, True)
    assert learner.judge(2, 0.7) == ({"train_loss": 0.7}, True)
    assert learner.best_epoch == 2
