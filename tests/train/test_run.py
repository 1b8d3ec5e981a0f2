import pytest
import torch

from polyhead.train import Trainer, evaluate
from polyhead.train.learner import Learner
from polyhead.train.observers import Observers
from polyhead.train.run import Run


def test_rows_of_several_tasks_share_steps(task_model, train_examples, dev_examples, quick):
    model = task_model()
    settings = quick.model_copy(update={"epochs": 10})
    learners = [Learner(model, task) for task in ("mood", "other")]
    calls = []
    compute = model.compute
    model.compute = lambda asked, *rest: calls.append(len(asked)) or compute(asked, *rest)
    run = Run(model, settings, learners, Observers([]), lambda: 0.0)
    run.go([(train_examples, dev_examples), (dev_examples, dev_examples)])
    assert 2 in calls
    for learner, figures in zip(learners, run.figures, strict=True):
        task = learner.task.name
        assert len(figures) == 10
        assert evaluate(model, task, dev_examples) == learner.best_figures
        losses = [e.train_loss for e in run.events if e.event == "epoch" and e.task == task]
        assert losses[-1] < losses[0] / 2
    assert [event.event for event in run.events].count("end") == 2


def test_a_task_learns_the_same_curve_whatever_others_learn(task_model, train_examples, quick):
    """Alone and beside another: the same batches of its own rows give the same first losses."""
    losses = {}
    for tasks in (("mood",), ("mood", "other")):
        model = task_model()
        learners = [Learner(model, task) for task in tasks]
        heard = []
        run = Run(
            model,
            quick.model_copy(update={"batch_size": 24 * len(tasks), "warmup_ratio": 0.0}),
            learners,
            Observers([heard.append]),
            lambda: 0.0,
        )
        for task in tasks:
            model.heads[task].config = model.heads[task].config.model_copy(update={"dropout": 0.0})
        run.go([(train_examples, ())] * len(tasks))
        losses[tasks] = [e.train_loss for e in heard if e.event == "step" and e.task == "mood"]
    alone, beside = losses.values()
    assert len(alone) == 4
    assert beside == pytest.approx(alone, rel=1e-3)


def test_the_head_has_a_learning_rate_of_its_own(task_model, train_examples, quick):
    """With Adam a first step is as long as the learning rate, whatever the gradient is."""
    moved = {}
    for head_lr in (None, 0.001):
        model = task_model()
        before = {n: w.detach().clone() for n, w in model.named_parameters()}
        settings = quick.model_copy(
            update={"epochs": 1, "batch_size": 24, "warmup_ratio": 0.0, "head_lr": head_lr}
        )
        Trainer(model, settings).fit("mood", train_examples)
        moved[head_lr] = {
            part: max(
                float((w.detach() - before[n]).abs().max())
                for n, w in model.named_parameters()
                if n.startswith(f"_{part}.mood.")
            )
            for part in ("heads", "adapters")
        }
    assert moved[None]["heads"] == pytest.approx(0.02, rel=1e-2)
    assert moved[0.001]["heads"] == pytest.approx(0.001, rel=1e-2)
    assert moved[0.001]["adapters"] == pytest.approx(0.02, rel=1e-2)


def test_what_a_head_draws_is_new_in_each_step_and_follows_from_the_seed(
    task_model, train_examples, dev_examples, quick
):
    drawn = []
    for _ in range(2):
        model = task_model()
        head = model.heads["mood"]
        seen = []

        def draw(encoded, generator, seen=seen):
            seen.append((len(encoded), int(torch.randint(1 << 30, (), generator=generator))))
            return encoded

        head.draw = draw
        Trainer(model, quick).fit("mood", train_examples, dev_examples)
        drawn.append(seen)
    assert drawn[0] == drawn[1]
    steps = [number for size, number in drawn[0] if size == quick.batch_size]
    assert len(set(steps)) == len(steps) == 12
    # the whole evaluation at once, and from the same seed after every epoch
    evaluations = [number for size, number in drawn[0] if size == len(dev_examples)]
    assert len(evaluations) == 4
    assert len(set(evaluations)) == 1
