import json

import pytest
from pydantic import ValidationError

from polyhead.contracts import ServeEvent, TrainEvent


def test_a_line_holds_only_what_is_known():
    event = TrainEvent(event="epoch", task="topic", epoch=1, step=30, n_steps=90, train_loss=0.5)
    assert json.loads(event.model_dump_json(exclude_none=True)) == {
        "event": "epoch",
        "task": "topic",
        "epoch": 1,
        "step": 30,
        "n_steps": 90,
        "train_loss": 0.5,
    }


@pytest.mark.parametrize("fields", [{"event": "begin"}, {"epoch": -1}, {"loss": 1.0}])
def test_what_no_event_can_be_is_refused(fields):
    with pytest.raises(ValidationError):
        TrainEvent(**{"event": "step", "task": "topic", **fields})


def answered(**fields) -> ServeEvent:
    known = {"event": "answer", "task": "topic", "head": "classification", "source": "predict"}
    return ServeEvent(**{**known, "n_examples": 2, "seconds": 0.5, **fields})


def test_an_answer_holds_only_what_is_known():
    assert json.loads(answered(n_tokens=16).model_dump_json(exclude_defaults=True)) == {
        "event": "answer",
        "task": "topic",
        "head": "classification",
        "source": "predict",
        "n_examples": 2,
        "n_tokens": 16,
        "seconds": 0.5,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "answered"},
        {"n_examples": -1},
        {"n_tasks": 0},
        {"seconds": -0.1},
        {"queue_s": -1},
        {"text": "no text is told"},
        {"source": None},
    ],
)
def test_what_no_answer_can_be_is_refused(fields):
    with pytest.raises(ValidationError):
        answered(**fields)


@pytest.mark.parametrize("event", [answered(), TrainEvent(event="start", task="topic")])
def test_no_observer_changes_what_the_next_is_told(event):
    with pytest.raises(ValidationError, match="frozen"):
        event.task = "another"


@pytest.mark.parametrize("event_class", [ServeEvent, TrainEvent])
def test_every_field_of_an_event_says_what_it_is(event_class):
    fields = event_class.model_fields
    assert [name for name in fields if not fields[name].description] == ["event"]
