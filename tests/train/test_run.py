import pytest

from polyhead.train import evaluate
from polyhead.train.learner import Learner
from polyhead.train.observers import Observers
from polyhead.train.run import Run


def test_rows_of_several_tasks_share_steps(task_model, train_examples, dev_examples, quick):
    model = task_model()
    settings = quick.model_copy(update={"epochs": 10})
    learners = [Learner(model, task) for task in ("mood", "other")]
    calls = []
    compute = model.compute
    model.compute = lambda asked: calls.append(len(asked)) or compute(asked)
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
