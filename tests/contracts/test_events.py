import json

import pytest
from pydantic import ValidationError

from polyhead.contracts import TrainEvent


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
