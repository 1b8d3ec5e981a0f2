import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from polyhead.errors import InputError, TrainError, UnknownTaskError
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.tokenizer import TextSettings
from polyhead.train import Trainer, evaluate, seeded
from polyhead.train import learner as learner_module
from polyhead.train import run as run_module
from polyhead.train.learner import Learner


def weights_of(model, task="mood"):
    parts = [model.heads[task]]
    if task in model.adapters:
        parts.append(model.adapters[task])
    return [weight.detach().clone() for part in parts for weight in part.parameters()]


def are_equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def when(condition: Callable, action: Callable):
    """An observer that acts at the first event for which `condition` holds."""
    done = []

    def observe(event):
        if not done and condition(event):
            done.append(event)
            action()

    return observe


def interrupt():
    raise KeyboardInterrupt


def at(kind, epoch=0):
    return lambda event: event.event == kind and event.epoch >= epoch


@pytest.fixture
def fit(task_model, train_examples, dev_examples, quick):
    """Trains the task "mood"; returns the model, the result and the losses of the steps."""

    def fitting(*, observers=(), evaluation=True, model=None, weights=0, **changes):
        model = model or task_model(weights)
        losses = []

        def note(event):
            if event.event == "step":
                losses.append(event.train_loss)

        settings = quick.model_copy(update=changes)
        result = Trainer(model, settings, observers=[note, *observers]).fit(
            "mood", train_examples, dev_examples if evaluation else None
        )
        return model, result, losses

    return fitting


@pytest.fixture
def scripted(monkeypatch):
    """Makes the evaluations after each epoch say these accuracies."""

    def scripting(*accuracies):
        metrics = iter(
            SimpleNamespace(
                primary="accuracy",
                higher_is_better=True,
                compute=lambda value=value: {"accuracy": value},
            )
            for value in accuracies
        )
        monkeypatch.setattr(learner_module, "measured", lambda *_, **__: next(metrics))

    return scripting


# ------------------------------------------------------------------------------------ it learns


@pytest.mark.parametrize("adapter", ["seq_bn", "double_seq_bn[reduction_factor=4]"])
def test_the_loss_falls_and_the_task_is_learnt(
    task_model, train_examples, dev_examples, quick, adapter
):
    model = task_model(adapter=adapter)
    settings = quick.model_copy(update={"epochs": 20})
    result = Trainer(model, settings).fit("mood", train_examples, dev_examples)
    losses = [event.train_loss for event in result.events if event.event == "epoch"]
    assert losses[-1] < losses[0] / 2
    assert result.best_metrics["accuracy"] > 0.9
    assert evaluate(model, "mood", dev_examples) == result.best_metrics
    assert model.predict("the cat is good", task="mood")[0].label == "good"


def test_a_head_alone_is_trained_too(task_model, train_examples, quick):
    result = Trainer(task_model(adapter=None), quick).fit("mood", train_examples)
    losses = [figures["train_loss"] for figures in result.metrics]
    assert losses[-1] < losses[0]


def test_the_result_tells_how_the_run_went(fit):
    _, result, losses = fit(epochs=2)
    assert [event.event for event in result.events] == ["start", "epoch", "epoch", "end"]
    assert len(losses) == 6
    assert len(result.metrics) == 2
    assert result.best_metrics == result.metrics[result.best_epoch - 1]
    assert (result.n_train, result.n_eval) == (24, 12)
    assert result.reason == "finished 2 epochs"
    assert not result.interrupted
    assert result.events[1].train_loss == pytest.approx(sum(losses[:3]) / 3)
    assert result.events[-1].step == result.events[-1].n_steps == 6


def test_without_evaluation_the_last_epoch_is_the_best(fit):
    _, result, _ = fit(evaluation=False)
    assert result.best_epoch == 4
    assert result.best_metrics == {"train_loss": result.events[-2].train_loss}
    assert result.events[-2].metrics is None
    assert result.n_eval == 0


def test_seconds_are_those_of_the_clock(task_model, train_examples, dev_examples, quick):
    ticks = iter(range(1000))
    trainer = Trainer(task_model(), quick, clock=lambda: float(next(ticks)))
    result = trainer.fit("mood", train_examples, dev_examples)
    epochs = [event for event in result.events if event.event == "epoch"]
    assert [(event.train_s, event.eval_s) for event in epochs] == [(1.0, 1.0)] * 4
    assert result.seconds == 17.0


def test_steps_follow_the_schedule(fit):
    rates = []
    fit(observers=[lambda event: event.event == "step" and rates.append(event.lr)])
    assert rates[0] == 0.0
    assert max(rates) == rates[2] == 0.02
    assert rates[2:] == sorted(rates[2:], reverse=True)


# ------------------------------------------------------------------------------ it is reproducible


def test_same_seed_gives_the_same_curve_and_weights_bit_for_bit(fit):
    first, _, first_losses = fit()
    torch.manual_seed(99)
    second, _, second_losses = fit()
    assert first_losses == second_losses
    assert are_equal(weights_of(first), weights_of(second))


def test_another_seed_gives_another_curve(fit):
    _, _, losses = fit()
    _, _, other = fit(seed=1)
    assert losses != other


def test_the_seed_decides_the_order_alone_where_there_is_no_dropout(fit, make_model):
    config = ClassificationHeadConfig(labels=("bad", "good"), dropout=0.0)
    losses = []
    for seed in (0, 0, 1):
        model = make_model()
        with seeded(0):
            model.add_task("mood", head=config, text=TextSettings(max_length=24))
        losses.append(fit(model=model, seed=seed)[2])
    assert losses[0] == losses[1]
    assert losses[0][0] != pytest.approx(losses[2][0], rel=1e-4)


def test_the_seed_decides_dropout_too(fit, monkeypatch):
    every = [[(0, list(range(24)))]]
    monkeypatch.setattr(run_module, "shuffled_batches", lambda *_: every)
    first, again, other = (fit(evaluation=False, seed=seed)[2] for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_callers_random_numbers_are_untouched(fit, task_model):
    model = task_model()
    state = torch.get_rng_state()
    fit(model=model)
    assert torch.equal(torch.get_rng_state(), state)


# ------------------------------------------------------------------------- it changes nothing else


def test_only_the_tasks_own_weights_change(fit, task_model):
    model = task_model()
    before, others = weights_of(model), weights_of(model, "other")
    fingerprint = model.encoder.fingerprint()
    fit(model=model)
    assert not any(torch.equal(a, b) for a, b in zip(before, weights_of(model), strict=True))
    assert are_equal(others, weights_of(model, "other"))
    assert model.encoder.fingerprint() == fingerprint == model.backbone.fingerprint
    assert all(weight.grad is None for weight in model.parameters())


def test_modes_and_flags_come_back(fit, task_model):
    model = task_model()
    model.heads["mood"].out.bias.requires_grad_(False)
    model.adapters["mood"].train()
    before = [part.training for part in model.modules()]
    flags = [weight.requires_grad for weight in model.parameters()]
    seen = []
    fit(
        model=model,
        observers=[
            lambda event: (
                event.event == "step"
                and seen.append((model.heads["mood"].training, model.heads["other"].training))
            )
        ],
    )
    assert set(seen) == {(True, False)}
    assert [part.training for part in model.modules()] == before
    assert [weight.requires_grad for weight in model.parameters()] == flags


def test_a_model_that_predicted_before_can_be_trained(fit, task_model):
    model = task_model()
    model.predict("the cat", task="mood")
    fit(model=model)


def test_decay_acts_on_matrices_alone(task_model, train_examples, quick):
    """With all gradients cut to nothing, only the decay moves weights."""
    model = task_model()
    bias = model.heads["mood"].out.bias
    with torch.no_grad():
        bias.fill_(0.5)
    matrix = model.heads["mood"].out.weight.detach().clone()
    for weight in weights_with_hooks(model):
        weight.register_hook(torch.zeros_like)
    settings = quick.model_copy(update={"weight_decay": 0.5})
    Trainer(model, settings).fit("mood", train_examples)
    assert torch.equal(bias, torch.full_like(bias, 0.5))
    assert (model.heads["mood"].out.weight.abs() < matrix.abs()).all()


def weights_with_hooks(model):
    return [*model.heads["mood"].parameters(), *model.adapters["mood"].parameters()]


# ----------------------------------------------------------------------------- best and early stop


def test_the_best_epochs_weights_are_kept_and_not_the_last(fit, scripted, task_model):
    model = task_model()
    at_end = {}

    def note(event):
        if event.event == "epoch":
            at_end[event.epoch] = weights_of(model)

    scripted(0.5, 0.9, 0.6, 0.7)
    _, result, _ = fit(model=model, observers=[note])
    assert result.best_epoch == 2
    assert result.best_metrics == {"accuracy": 0.9}
    assert [event.is_best for event in result.events[1:-1]] == [True, True, False, False]
    assert are_equal(weights_of(model), at_end[2])
    assert not are_equal(at_end[2], at_end[4])


def test_patience_ends_the_run_and_says_so(fit, scripted):
    scripted(0.5, 0.9, 0.6, 0.7)
    _, result, _ = fit(epochs=50, patience=2)
    assert len(result.metrics) == 4
    assert result.best_epoch == 2
    assert result.reason == "no better accuracy for 2 epochs"
    assert result.events[-1].reason == result.reason
    assert not result.interrupted


def test_patience_without_evaluation_is_refused(fit):
    with pytest.raises(InputError, match="patience needs evaluation examples"):
        fit(patience=2, evaluation=False)


def test_figures_that_are_no_numbers_stay_out_of_the_manifest(fit, scripted):
    scripted(math.nan, math.nan)
    _, result, _ = fit(epochs=2)
    assert result.best_epoch == 1
    assert result.best_metrics == {}


# ------------------------------------------------------------------------------------------ Ctrl-C


def test_ctrl_c_keeps_the_best_so_far(fit, task_model):
    model = task_model()
    at_end = []
    _, result, _ = fit(
        model=model,
        observers=[
            when(at("epoch", 1), lambda: at_end.append(weights_of(model))),
            when(at("step", 2), interrupt),
        ],
        evaluation=False,
    )
    assert result.interrupted
    assert result.best_epoch == 1
    assert result.reason == "interrupted in epoch 2"
    assert result.events[-1].event == "end"
    assert are_equal(weights_of(model), at_end[0])


def test_ctrl_c_before_the_first_epoch_is_over_keeps_the_current_weights(fit, task_model):
    model = task_model()
    before = weights_of(model)
    current = []
    third = lambda event: event.event == "step" and event.step == 3  # noqa: E731
    _, result, _ = fit(
        model=model,
        observers=[when(third, lambda: current.append(weights_of(model))), when(third, interrupt)],
    )
    assert result.interrupted
    assert (result.best_epoch, result.best_metrics, result.metrics) == (0, {}, ())
    assert result.reason == "interrupted in epoch 1"
    assert are_equal(weights_of(model), current[0])
    assert not are_equal(weights_of(model), before)


@pytest.mark.parametrize("kind", ["start", "step", "epoch", "end"])
def test_ctrl_c_at_any_event_ends_the_run_in_order(fit, task_model, kind):
    model = task_model()
    _, result, _ = fit(model=model, observers=[when(at(kind), interrupt)])
    assert result.interrupted
    assert [event.event for event in result.events].count("end") == 1
    assert not any(part.training for part in model.modules())
    assert all(weight.grad is None for weight in model.parameters())


def test_ctrl_c_while_texts_are_read_changes_nothing(fit, task_model, monkeypatch):
    model = task_model()
    before = weights_of(model)
    monkeypatch.setattr(ClassificationHead, "encode", lambda *_: interrupt())
    _, result, _ = fit(model=model)
    assert result.interrupted
    assert result.reason == "interrupted at once"
    assert are_equal(weights_of(model), before)


def test_ctrl_c_while_the_best_weights_are_put_back_puts_them_back(fit, scripted, monkeypatch):
    restore, calls = Learner.restore, []

    def interrupted_restore(self):
        calls.append(self)
        if len(calls) == 1:
            self.parameters[0].data.fill_(0)
            raise KeyboardInterrupt
        restore(self)

    scripted(0.9, 0.5, 0.5, 0.5)
    monkeypatch.setattr(Learner, "restore", interrupted_restore)
    model, result, _ = fit()
    assert result.interrupted
    assert len(calls) == 2
    assert are_equal(weights_of(model), Learner(model, "mood")._kept)
    assert model.heads["mood"].dense[0].weight.any()


# ------------------------------------------------------------------------------------------ errors


def test_a_loss_that_is_no_number_ends_the_run_with_the_best_weights(fit, task_model):
    model = task_model()
    at_end = []

    def spoil():
        model.heads["mood"].out.weight.data.fill_(math.nan)

    with pytest.raises(TrainError, match="loss of the task 'mood' became nan in epoch 2") as caught:
        fit(
            model=model,
            observers=[
                when(at("epoch"), lambda: at_end.append(weights_of(model))),
                when(at("step", 2), spoil),
            ],
        )
    assert caught.value.best_epoch == 1
    assert "its weights are those of epoch 1. Lower the learning rate (0.02)" in str(caught.value)
    assert are_equal(weights_of(model), at_end[0])
    assert not any(part.training for part in model.modules())


def test_a_run_that_diverges_at_once_leaves_the_weights_as_they_were(fit, task_model):
    model = task_model()
    before = weights_of(model)
    told = []
    with pytest.raises(TrainError, match="its weights are as before the run") as caught:
        fit(model=model, lr=1e38, warmup_ratio=0.0, observers=[told.append])
    assert caught.value.best_epoch == 0
    assert are_equal(weights_of(model), before)
    assert told[-1].event == "end"
    assert told[-1].reason == "failed in epoch 1"


def test_a_gradient_that_is_infinite_is_not_stepped_along(task_model, train_examples, quick):
    model = task_model()
    before = weights_of(model)
    model.heads["mood"].out.weight.register_hook(lambda grad: grad * math.inf)
    with pytest.raises(TrainError, match="gradient of the task 'mood' became"):
        Trainer(model, quick).fit("mood", train_examples)
    assert are_equal(weights_of(model), before)


@pytest.mark.parametrize("where", ["forward", "loss"])
def test_any_error_in_a_step_leaves_the_model_as_it_was(fit, task_model, monkeypatch, where):
    model = task_model()
    before = weights_of(model)

    def fail(*_):
        raise MemoryError("out of memory")

    monkeypatch.setattr(ClassificationHead, where, fail)
    with pytest.raises(MemoryError, match="out of memory"):
        fit(model=model)
    assert are_equal(weights_of(model), before)
    assert not any(part.training for part in model.modules())


def test_an_unknown_task_and_no_examples_are_refused(task_model, train_examples):
    with pytest.raises(UnknownTaskError, match="'mood', 'other'"):
        Trainer(task_model()).fit("none", train_examples)
    with pytest.raises(InputError, match="no training examples"):
        Trainer(task_model()).fit("mood", [])


def test_a_broken_observer_does_not_stop_the_run(fit):
    heard = []

    def broken(_):
        raise ValueError("no disk")

    with pytest.warns(RuntimeWarning, match="no disk"):
        _, result, _ = fit(observers=[broken, heard.append])
    assert result.reason == "finished 4 epochs"
    assert len(heard) == 1 + 12 + 4 + 1


def test_gradients_are_clipped(fit):
    _, _, losses = fit(max_grad_norm=None)
    _, _, clipped = fit(max_grad_norm=1e-9)
    assert losses[:2] == clipped[:2]
    assert losses[-1] < clipped[-1]
