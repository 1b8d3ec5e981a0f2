"""Where nothing that learns changes it, what the encoder computes of a text is computed once."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from polyhead.contracts import AdapterConfig, SideAdapter
from polyhead.registry import registry
from polyhead.train import Trainer, TrainSettings
from polyhead.train.activations import activation_cache
from polyhead.train.learner import Learner
from polyhead.train.observers import Observers
from polyhead.train.run import Run


class ShiftConfig(AdapterConfig):
    pass


class Shift(SideAdapter):
    """Adds a learned part of the embeddings to the last layer."""

    kind = "test_shift"
    Config = ShiftConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.part = nn.Parameter(torch.zeros(shape.width))

    def reads(self, depth):
        return sorted({0, depth})

    def read(self, layers, packing):
        return layers[-1] + self.part * layers[0]


@pytest.fixture(autouse=True)
def kind():
    record = registry().try_out(Shift)
    yield
    registry().forget(record)


@pytest.fixture
def train(task_model, train_examples, dev_examples, quick):
    """Trains; returns the losses of the steps, the figures, and the rows computed in each epoch."""

    def training(adapter, *, head=None, hold=(), **changes):
        model = task_model(adapter=adapter)
        if head is not None:
            head(model.heads["mood"])
        epoch, rows, losses = [1], {}, []
        model.encoder.register_forward_pre_hook(
            lambda _, args: rows.update({epoch[0]: rows.get(epoch[0], 0) + args[0].packing.n_rows})
        )

        def note(event):
            if event.event == "step":
                losses.append(event.train_loss)
            elif event.event == "epoch":
                epoch[0] = event.epoch + 1

        settings = quick.model_copy(update=changes)
        result = Trainer(model, settings, observers=[note]).fit(
            "mood", train_examples, dev_examples, hold=hold
        )
        return losses, result.metrics, rows

    return training


@pytest.mark.parametrize("adapter", [None, ShiftConfig()])
def test_after_the_first_epoch_nothing_is_computed_by_the_encoder(train, adapter):
    _, _, rows = train(adapter)
    assert list(rows) == [1]
    # each text once: the evaluation's are among those of the training
    assert rows[1] <= 24


@pytest.mark.parametrize("adapter", [None, ShiftConfig()])
def test_training_goes_the_same_way_with_and_without(train, adapter):
    losses, metrics, _ = train(adapter)
    without, expected, rows = train(adapter, activation_cache=0)
    assert rows.keys() == {1, 2, 3, 4}
    assert losses[:3] == without[:3]
    assert losses == pytest.approx(without, abs=1e-5)
    assert metrics == expected


HELD = [
    "par_bn[init_weights=bert,scaling=40.0]",
    "prompt_tuning[prompt_length=2]",
    "lora[init_weights=bert]|prefix_tuning_flat",
]


@pytest.mark.parametrize("adapter", HELD)
def test_under_an_adapter_that_is_held_too(train, adapter):
    losses, metrics, rows = train(adapter, hold=["mood"])
    assert list(rows) == [1]
    without, expected, all_rows = train(adapter, hold=["mood"], activation_cache=0)
    assert all_rows.keys() == {1, 2, 3, 4}
    assert losses == pytest.approx(without, abs=1e-5)
    assert metrics == expected
    assert losses != pytest.approx(train(None)[0], abs=1e-3)  # its rows are not the bare encoder's


def test_one_that_is_held_in_training_mode_is_computed_in_each_epoch(task_model, train_examples):
    model = task_model(adapter="seq_bn[dropout=0.5]")
    model.adapters["mood"].train()
    assert not Learner(model, "mood", hold=["mood"]).is_still
    model.eval()
    assert Learner(model, "mood", hold=["mood"]).is_still
    assert not Learner(model, "mood").is_still


def test_what_does_not_fit_is_computed_in_each_epoch(train):
    n_bytes = 5 * 6 * 32 * 4  # about five rows of six tokens
    losses, _, rows = train(None, activation_cache=n_bytes / 1e9)
    _, _, all_rows = train(None, activation_cache=0)
    assert all(0 < rows[epoch] < all_rows[epoch] for epoch in (2, 3, 4))
    assert losses == pytest.approx(train(None, activation_cache=0)[0], abs=1e-5)


def test_an_adapter_in_the_encoder_is_computed_in_each_epoch(train):
    _, _, rows = train("seq_bn")
    assert len(set(rows.values())) == 1
    assert list(rows) == [1, 2, 3, 4]


def test_texts_that_a_head_alters_are_not_kept(task_model, train_examples, quick):
    model = task_model(adapter=None)
    head, number = model.heads["mood"], iter(range(10**6))

    def draw(encoded, generator):
        return [
            replace(
                item, rows=tuple(replace(r, ids=(*r.ids, next(number) % 40)) for r in item.rows)
            )
            for item in encoded
        ]

    head.draw = draw
    learner = Learner(model, "mood")
    run = Run(model, quick, [learner], Observers([]), lambda: 0.0)
    sizes = []
    run._observers.tell = lambda _: sizes.append(None if run._cache is None else len(run._cache))
    run.go([(train_examples, ())])
    assert set(sizes) == {None, 0}


def learners_of(model, train_examples, *tasks):
    learners = [Learner(model, task) for task in tasks]
    for learner in learners:
        learner.read(train_examples, ())
    return learners


@pytest.mark.parametrize(
    ("adapter", "fields"), [("seq_bn", {}), (None, {"epochs": 1}), (None, {"activation_cache": 0})]
)
def test_there_is_no_cache_where_nothing_would_be_found_again(
    task_model, train_examples, adapter, fields
):
    learners = learners_of(task_model(adapter=adapter), train_examples, "mood")
    assert activation_cache(learners, TrainSettings(**fields)) is None


def test_the_cache_keeps_what_all_tasks_of_the_run_read(task_model, train_examples):
    model = task_model(adapter=ShiftConfig())
    cache = activation_cache(
        learners_of(model, train_examples, "mood", "other"), TrainSettings(activation_cache=0.5)
    )
    assert cache.layers == (0, 3)
    assert cache.max_bytes == 500_000_000


def test_side_tasks_and_others_train_together(task_model, train_examples, dev_examples, quick):
    """The rows of one are found, those of the other computed, in one batch."""
    model = task_model(adapter=ShiftConfig())
    learners = [Learner(model, task) for task in ("mood", "other")]
    run = Run(model, quick, learners, Observers([]), lambda: 0.0)
    run.go([(train_examples, dev_examples), (train_examples, dev_examples)])
    for learner in learners:
        losses = [
            event.train_loss
            for event in run.events
            if event.event == "epoch" and event.task == learner.task.name
        ]
        assert losses[-1] < losses[0]
    assert run._cache is None


def test_tasks_on_the_same_texts_share_what_is_computed(
    task_model, two_labels, train_examples, quick
):
    model = task_model(adapter=ShiftConfig())
    text = model.task("mood").text
    model.add_task("more", head=two_labels, adapter=ShiftConfig(), text=text)
    rows = []
    model.encoder.register_forward_pre_hook(lambda _, args: rows.append(args[0].packing.n_rows))
    learners = [Learner(model, task) for task in ("mood", "more")]
    run = Run(model, quick, learners, Observers([]), lambda: 0.0)
    run.go([(train_examples, ()), (train_examples, ())])
    assert sum(rows) <= 24
