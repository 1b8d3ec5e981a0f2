"""Tasks on several adapters learn what they shall, and leave the others as they are."""

import math
from types import SimpleNamespace

import pytest
import torch

from polyhead import Average, Fuse, Split, Stack
from polyhead.adapters import FusionConfig
from polyhead.contracts import targets_of
from polyhead.errors import InputError
from polyhead.heads import ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads, HeadCall
from polyhead.tokenizer import TextSettings
from polyhead.train import Trainer, evaluate, seeded
from polyhead.train import learner as learner_module
from polyhead.train.encoding import encode_labelled
from polyhead.train.learner import Learner
from polyhead.train.observers import Observers
from polyhead.train.run import Run

KINDS = {"lang": "seq_bn_inv", "sst": "seq_bn", "cola": "par_bn", "low": "lora[r=2]"}


def plain(config=None):
    """Without dropout, so that a loop by hand takes the same steps."""
    return ClassificationHeadConfig(labels=config or ("bad", "good"), dropout=0.0)


@pytest.fixture
def model(make_model, shake) -> DistilBertModelWithHeads:
    """Adapters with weights that matter, and a fusion with fresh ones."""
    model = make_model()
    for number, (name, config) in enumerate(KINDS.items()):
        model.add_adapter(name, config)
        shake(model.adapters[name], seed=number)
    with seeded(7):
        model.add_adapter("fusion", FusionConfig.dynamic("sst", "cola", dropout_prob=0.0))
    return model


@pytest.fixture
def add(model):
    def adding(name, setup, labels=("bad", "good")):
        with seeded(len(name)):
            model.add_task(
                name, head=plain(labels), share_adapter=setup, text=TextSettings(max_length=24)
            )

    return adding


@pytest.fixture
def both(train_examples, dev_examples):
    return train_examples, dev_examples


def relabelled(examples):
    names = {"good": "x", "bad": "y"}
    return [one.model_copy(update={"label": names[one.label]}) for one in examples]


@pytest.fixture
def scripted(monkeypatch):
    """Makes the evaluations after each epoch say these accuracies, for each task."""

    def scripting(accuracies):
        figures = {task: iter(values) for task, values in accuracies.items()}

        def measured(model, task, examples, **options):
            figure = {"accuracy": next(figures[task.name])}
            return SimpleNamespace(
                primary="accuracy", higher_is_better=True, compute=lambda: figure
            )

        monkeypatch.setattr(learner_module, "measured", measured)
        return accuracies

    return scripting


def weights_of(model):
    """A copy of every adapter's and head's weights."""
    parts = {**{f"head {name}": head for name, head in model.heads.items()}, **model.adapters}
    return {
        name: {key: weight.detach().clone() for key, weight in part.state_dict().items()}
        for name, part in parts.items()
    }


def changed(before, after):
    """Whose weights are no longer bit for bit what they were."""
    return {
        name
        for name, weights in before.items()
        if any(not torch.equal(weight, after[name][key]) for key, weight in weights.items())
    }


# ------------------------------------------------------------------------------------- what learns


@pytest.mark.parametrize(
    ("setup", "hold", "learning"),
    [
        (Stack("lang", "sst"), (), {"sst"}),
        (Stack("lang", "sst"), ("lang",), {"sst"}),
        (Stack("lang", "sst"), "sst", set()),
        (Fuse("sst", "cola"), (), {"fusion"}),
        ("fusion", ["sst"], {"fusion"}),
        (Stack("lang", Fuse("sst", "cola")), (), {"fusion"}),
        (Fuse("sst", "cola"), {"fusion"}, set()),
        (Average("sst", "low"), (), ["sst", "low"]),
        (Average("sst", "low"), {"low": 1}, {"sst"}),
        (Split("sst", Stack("cola", "low"), splits=(2, None)), (), ["sst", "low"]),
        ("sst", ("sst",), set()),
        ("sst", (), {"sst"}),
    ],
    ids=str,
)
def test_those_learn_that_shall_and_the_others_stay_bit_for_bit(
    model, add, train_examples, quick, *, setup, hold, learning
):
    add("mood", setup)
    flags = [weight.requires_grad for weight in model.parameters()]
    before = weights_of(model)
    result = Trainer(model, quick).fit("mood", train_examples, hold=hold)
    assert changed(before, weights_of(model)) == {"head mood", *learning}
    assert result.best_epoch == 4
    assert [weight.requires_grad for weight in model.parameters()] == flags
    assert all(weight.grad is None for weight in model.parameters())
    assert not any(part.training for part in model.modules())


def test_a_fusion_learns_the_task(model, add, train_examples, dev_examples, quick):
    add("mood", Fuse("sst", "cola"))
    settings = quick.model_copy(update={"epochs": 15})
    result = Trainer(model, settings).fit("mood", train_examples, dev_examples)
    losses = [event.train_loss for event in result.events if event.event == "epoch"]
    assert losses[-1] < losses[0] / 2
    assert evaluate(model, "mood", dev_examples) == result.best_metrics


def test_a_task_that_answered_before_can_be_trained(model, add, train_examples, quick):
    """Also where rows are cut, which is remembered from one pass to the next."""
    add("mood", Split("sst", "low", splits=(2, None)))
    model.predict([example.text for example in train_examples[:8]], task="mood")
    settings = quick.model_copy(update={"epochs": 1})
    assert Trainer(model, settings).fit("mood", train_examples).best_epoch == 1


@pytest.mark.parametrize(
    ("setup", "hold", "reason"),
    [
        ("sst", ["cola"], r"'mood' does not use the adapter 'cola', .* it uses: 'sst'"),
        (None, ["sst"], "it uses: none"),
        (Stack("lang", "sst"), "ls", "does not use the adapter 'ls'"),
        (Fuse("sst", "cola"), ["mood"], "it uses: 'sst', 'cola', 'fusion'"),
        (Fuse("sst", "cola"), [None], "does not use the adapter 'None'"),
    ],
    ids=str,
)
def test_what_a_task_does_not_use_cannot_be_held(
    model, add, train_examples, *, setup, hold, reason
):
    if setup is None:
        model.add_task("mood", head=plain(), adapter=None)
    else:
        add("mood", setup)
    before = weights_of(model)
    with pytest.raises(InputError, match=reason):
        Trainer(model).fit("mood", train_examples, hold=hold)
    assert not changed(before, weights_of(model))


# ---------------------------------------------------------------------------------------- penalties


def by_hand(model, task, examples, settings, weights, *, penalties=()):
    """One epoch over all examples in one step each, with AdamW and nothing else."""
    encoded = encode_labelled(model, model.task(task), examples, "training")
    decayed = [weight for weight in weights if weight.ndim > 1]
    others = [weight for weight in weights if weight.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.lr,
    )
    for step in range(settings.epochs):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * (1 - step / settings.epochs)
        [output] = model.compute([HeadCall.of(model.task(task), encoded)])
        loss = model.heads[task].loss(output, targets_of(encoded))
        optimizer.zero_grad()
        (loss + sum(penalty() for penalty in penalties)).backward()
        optimizer.step()
    for weight in model.parameters():
        weight.grad = None


@pytest.fixture
def whole(quick):
    """Settings under which a step is all examples, and nothing is clipped or warmed up."""
    return quick.model_copy(
        update={"epochs": 3, "batch_size": 64, "warmup_ratio": 0.0, "max_grad_norm": None}
    )


def close(found, expected):
    for name, weights in expected.items():
        for key, weight in weights.items():
            torch.testing.assert_close(found[name][key], weight, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("is_penalised", [True, False])
def test_the_penalty_is_in_the_gradient(model, add, train_examples, whole, is_penalised):
    """Equal to a loop by hand with the regulariser in the loss, and not to one without."""
    add("mood", Stack("lang", Fuse("sst", "cola")))
    fusion, head = model.adapters["fusion"], model.heads["mood"]
    with torch.no_grad():
        for site in fusion.ffn.values():
            site.value.add_(0.3)
    start = {name: part.state_dict() for name, part in (("f", fusion), ("h", head))}
    start = {
        name: {key: weight.clone() for key, weight in part.items()} for name, part in start.items()
    }
    Trainer(model, whole).fit("mood", train_examples)
    trained = weights_of(model)
    fusion.load_state_dict(start["f"])
    head.load_state_dict(start["h"])
    weights = [*head.parameters(), *fusion.parameters()]
    penalties = [fusion.penalty] if is_penalised else []
    by_hand(model, "mood", train_examples, whole, weights, penalties=penalties)
    found = weights_of(model)
    if is_penalised:
        close(trained, found)
    else:
        value = "ffn.0.value"
        assert (trained["fusion"][value] - found["fusion"][value]).abs().max() > 1e-2


# --------------------------------------------------------------------------- several tasks at once


def test_each_task_learns_from_its_own_labels_as_in_a_loop_by_hand(
    model, add, train_examples, whole
):
    """Tasks of different setups and labels in one run end where each ends alone."""
    setups = {"mood": Stack("lang", "sst"), "sort": Fuse("sst", "cola"), "bare": "low"}
    examples = {
        "mood": train_examples,
        "sort": relabelled(train_examples)[:10],
        "bare": train_examples[4:],
    }
    labels = {"sort": ("x", "y")}
    # what one task goes through and another trains is refused: each has adapters of its own here
    model.add_adapter("own", "seq_bn")
    model.adapters["own"].load_state_dict(model.adapters["sst"].state_dict())
    setups["mood"] = Stack("lang", "own")
    for name, setup in setups.items():
        add(name, setup, labels.get(name, ("bad", "good")))
    start = {name: part.state_dict() for name, part in [*model.adapters.items()]}
    start = {name: {k: w.clone() for k, w in part.items()} for name, part in start.items()}
    heads = {n: {k: w.clone() for k, w in h.state_dict().items()} for n, h in model.heads.items()}
    results = Trainer(model, whole).fit_together({n: (e, ()) for n, e in examples.items()})
    together = weights_of(model)
    for name, state in start.items():
        model.adapters[name].load_state_dict(state)
    for name, state in heads.items():
        model.heads[name].load_state_dict(state)
    for name, trained in {"mood": "own", "sort": "fusion", "bare": "low"}.items():
        weights = [*model.heads[name].parameters(), *model.adapters[trained].parameters()]
        penalty = model.adapters[trained].penalty
        penalties = [penalty] if penalty() is not None else []
        by_hand(model, name, examples[name], whole, weights, penalties=penalties)
    close(together, weights_of(model))
    assert {name: result.n_train for name, result in results.items()} == {
        "mood": 24,
        "sort": 10,
        "bare": 20,
    }


def test_each_task_has_its_own_best_epoch(model, add, both, quick, scripted):
    add("mood", "sst")
    add("sort", "cola")
    accuracies = scripted({"mood": (0.9, 0.5, 0.6, 0.7), "sort": (0.1, 0.2, 0.8, 0.3)})
    at_end = {}

    def note(event):
        if event.event == "epoch":
            at_end[event.task, event.epoch] = weights_of(model)

    results = Trainer(model, quick, observers=[note]).fit_together(dict.fromkeys(accuracies, both))
    assert {name: result.best_epoch for name, result in results.items()} == {"mood": 1, "sort": 3}
    assert results["mood"].best_metrics == {"accuracy": 0.9}
    assert results["mood"].metrics == tuple({"accuracy": value} for value in accuracies["mood"])
    found = weights_of(model)
    for task, adapter in (("mood", "sst"), ("sort", "cola")):
        kept = at_end[task, results[task].best_epoch]
        for name in (adapter, f"head {task}"):
            assert not changed({name: kept[name]}, found)


def test_tasks_that_share_an_adapter_keep_one_epoch(model, add, both, quick, scripted):
    """The one that is the best for them together, and figures that belong to it."""
    add("mood", "sst")
    add("sort", Stack("lang", "sst"))
    add("other", "low")
    accuracies = scripted(
        {
            "mood": (0.8, 0.7, 0.9, 0.85),
            "sort": (0.1, 0.4, 0.39, 0.2),
            "other": (0.9, 0.1, 0.1, 0.1),
        }
    )
    at_end = {}

    def note(event):
        if event.event == "epoch" and event.task == "sort":
            at_end[event.epoch] = weights_of(model)

    results = Trainer(model, quick, observers=[note]).fit_together(dict.fromkeys(accuracies, both))
    epochs = {name: result.best_epoch for name, result in results.items()}
    assert epochs == {"mood": 3, "sort": 3, "other": 1}
    assert results["mood"].best_metrics == {"accuracy": 0.9}
    assert results["sort"].best_metrics == {"accuracy": 0.39}
    found = weights_of(model)
    for name in ("sst", "head mood", "head sort"):
        assert not changed({name: at_end[3][name]}, found)


def test_what_tasks_share_learns_from_all_of_them(model, add, train_examples, whole):
    add("mood", "sst")
    add("sort", "sst", ("x", "y"))
    examples = {"mood": train_examples, "sort": relabelled(train_examples)[:10]}
    weight = model.adapters["sst"].ffn["0"].up.weight
    apart = []
    for name, own in examples.items():
        encoded = encode_labelled(model, model.task(name), own, "training")
        [output] = model.compute([HeadCall.of(model.task(name), encoded)])
        loss = model.heads[name].loss(output, targets_of(encoded))
        apart += torch.autograd.grad(loss, weight)
    gradients = []
    handle = weight.register_hook(lambda grad: gradients.append(grad.clone()))
    once = whole.model_copy(update={"epochs": 1})
    Trainer(model, once).fit_together({name: (own, None) for name, own in examples.items()})
    handle.remove()
    assert (apart[0] - apart[1]).abs().max() > 1e-4
    torch.testing.assert_close(sum(gradients), sum(apart), atol=1e-7, rtol=1e-3)


def test_the_gradients_of_tasks_that_share_weights_are_shortened_together(model, add, quick):
    for name, setup in (("mood", "sst"), ("alone", "low"), ("sort", "sst")):
        add(name, setup)
    settings = quick.model_copy(update={"max_grad_norm": 0.5})
    learners = [Learner(model, name) for name in ("mood", "alone", "sort")]
    run = Run(model, settings, learners, Observers([]), lambda: 0.0)
    for learner in learners:
        for weight in learner.parameters:
            weight.grad = torch.ones_like(weight)
    run._clip(learners)
    for group in (["mood", "sort"], ["alone"]):
        weights = {w for one in learners if one.task.name in group for w in one.parameters}
        norm = math.sqrt(sum(float(weight.grad.square().sum()) for weight in weights))
        assert norm == pytest.approx(0.5, rel=1e-4)
        assert len({round(float(weight.grad.max()), 9) for weight in weights}) == 1


@pytest.mark.parametrize(
    ("setups", "options", "reason"),
    [
        ({}, {}, "there is no task to train"),
        ({"mood": "sst"}, {"hold": {"sort": ["sst"]}}, r"hold names the task 'sort', .*: 'mood'"),
        ({"mood": "sst"}, {"hold": {"mood": ["cola"]}}, "does not use the adapter 'cola'"),
        (
            {"mood": "sst", "sort": Fuse("sst", "cola")},
            {},
            r"'sort' goes through the adapter 'sst' without teaching it, and .* 'mood' trains it",
        ),
        (
            {"mood": "sst", "sort": "sst"},
            {"hold": {"mood": "sst"}},
            "'mood' goes through the adapter 'sst' without teaching it",
        ),
        ({"mood": "sst"}, {"patience": 2}, "patience needs evaluation examples"),
    ],
    ids=str,
)
def test_what_cannot_be_trained_together_is_refused_at_once(
    model, add, train_examples, quick, *, setups, options, reason
):
    for name, setup in setups.items():
        add(name, setup)
    before = weights_of(model)
    settings = quick.model_copy(update={"patience": options.pop("patience", None)})
    heard = []
    with pytest.raises(InputError, match=reason):
        Trainer(model, settings, observers=[heard.append]).fit_together(
            dict.fromkeys(setups, (train_examples, None)), **options
        )
    assert not heard
    assert not changed(before, weights_of(model))
