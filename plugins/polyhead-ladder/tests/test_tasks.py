"""Ladders in a model: one pass through the encoder, training that computes each text once."""

import pytest
import torch

import polyhead as ph
from polyhead.heads import TextExample
from polyhead.testing import shaken, tiny_model
from polyhead.train import evaluate

WORDS = ("day", "lake", "food", "time", "weather", "people")
EXACT = {"atol": 1e-5, "rtol": 0}


@pytest.fixture
def model():
    """Sixteen tasks with ladders, one inside the encoder, one without an adapter."""
    torch.manual_seed(0)
    model = tiny_model()
    labels = ph.ClassificationHeadConfig(labels=("bad", "good"))
    for number in range(16):
        adapter = "ladder[ffn_factor=2]" if number % 5 == 4 else "ladder"
        model.add_task(f"ladder{number}", head=labels, adapter=adapter)
    model.add_task("inside", head=labels, adapter="seq_bn[reduction_factor=4]")
    model.add_task("bare", head=labels, adapter=None)
    for number, adapter in enumerate(model.adapters.values()):
        shaken(adapter, number)
    return model.eval()


@pytest.fixture
def passes(model):
    """The number of rows of each pass through the encoder."""
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].packing.n_rows))
    return seen


def examples(n):
    return [
        TextExample(text=f"the {WORDS[number % 6]} was {label}", label=label)
        for number in range(n)
        for label in ("bad", "good")
    ]


def test_sixteen_ladders_and_a_bare_head_share_one_pass(model, passes):
    tasks = [*(f"ladder{number}" for number in range(16)), "bare"]
    [answers] = model.predict(["the weather was good"], task=tasks)
    assert passes == [1]
    for task in tasks:
        [alone] = model.predict(["the weather was good"], task=task)
        assert alone.score == pytest.approx(answers[task].score, abs=1e-5)
    assert len({answers[task].score for task in tasks}) == 17


def test_tasks_of_every_sort_share_a_batch(model):
    texts = ["good", "the lake was bad and the food was worse", "people"]
    together = model.predict(texts, task=list(model.tasks))
    for text, answers in zip(texts, together, strict=True):
        for task in model.tasks:
            [alone] = model.predict([text], task=task)
            assert alone.score == pytest.approx(answers[task].score, abs=1e-5)


def test_each_text_goes_through_the_encoder_once_in_a_training(model, passes):
    train, dev = examples(6), examples(3)
    settings = ph.TrainSettings(epochs=8, lr=0.02, batch_size=4)
    result = ph.Trainer(model, settings).fit("ladder0", train, dev)
    assert sum(passes) == 12
    assert result.best_metrics == evaluate(model, "ladder0", dev)
    losses = [event.train_loss for event in result.events if event.event == "epoch"]
    assert losses[-1] < losses[0] / 2


def test_training_is_the_same_where_nothing_is_kept(model):
    losses = {}
    for kept in (1.0, 0.0):
        again = tiny_model()
        torch.manual_seed(0)
        head = ph.ClassificationHeadConfig(labels=("bad", "good"))
        again.add_task("t", head=head, adapter="ladder[layers=all]")
        steps = losses.setdefault(kept, [])
        settings = ph.TrainSettings(epochs=4, lr=0.01, batch_size=4, activation_cache=kept)

        def note(event, steps=steps):
            if event.event == "step":
                steps.append(event.train_loss)

        ph.Trainer(again, settings, observers=[note]).fit("t", examples(6))
    assert len(losses[1.0]) == 12
    assert losses[1.0] == pytest.approx(losses[0.0], abs=1e-5)


def test_the_encoders_own_layers_stay_as_they_are(model):
    ids = torch.tensor([[5, 6, 7, 8]])
    bare = model(input_ids=ids, adapter_names=None, head=None, output_hidden_states=True)
    beside = model(input_ids=ids, adapter_names="ladder0", head=None, output_hidden_states=True)
    for layer in range(model.shape.n_layers):
        torch.testing.assert_close(beside.hidden_states[layer], bare.hidden_states[layer], **EXACT)
    changed = (beside.last_hidden_state - bare.last_hidden_state).abs().max()
    assert changed > 0.01
