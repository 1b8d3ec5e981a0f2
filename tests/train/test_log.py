import hashlib
import json
from importlib.metadata import version

import pytest

from polyhead.errors import DataError
from polyhead.train import Trainer, events_as_jsonl, file_digest, training_record


@pytest.fixture
def result(task_model, train_examples, dev_examples, quick):
    settings = quick.model_copy(update={"epochs": 2})
    return Trainer(task_model(), settings).fit("mood", train_examples, dev_examples)


def test_events_are_one_json_object_a_line(result):
    lines = [json.loads(line) for line in events_as_jsonl(result.events).splitlines()]
    assert [line["event"] for line in lines] == ["start", "epoch", "epoch", "end"]
    assert lines[0]["settings"]["epochs"] == 2
    assert lines[1]["metrics"].keys() == {"accuracy", "macro_f1", "mcc"}
    assert lines[1].keys() >= {"epoch", "step", "lr", "train_loss", "train_s", "eval_s", "is_best"}
    assert lines[3]["reason"] == "finished 2 epochs"
    assert None not in lines[1].values()


def test_the_record_says_how_a_task_was_trained(result, tmp_path):
    data = tmp_path / "train.jsonl"
    data.write_bytes(b'{"text": "a"}\n')
    record = training_record(result, {"train": data})
    assert json.loads(json.dumps(record)) == record
    assert record["settings"] == result.settings.model_dump()
    assert record["n_train"] == 24
    assert record["n_eval"] == 12
    digest = hashlib.sha256(b'{"text": "a"}\n').hexdigest()
    assert record["data"] == {"train": {"file": "train.jsonl", "sha256": digest}}
    assert record["versions"] == {"polyhead": version("polyhead"), "torch": version("torch")}
    assert str(tmp_path) not in json.dumps(record)


def test_the_record_can_be_saved_with_the_task(task_model, train_examples, quick, tmp_path):
    model = task_model()
    result = Trainer(model, quick).fit("mood", train_examples)
    manifest = model.save_task(
        "mood",
        tmp_path / "mood",
        metrics=result.best_metrics,
        training=training_record(result),
        files={"train.jsonl": events_as_jsonl(result.events)},
    )
    assert manifest.training["best_epoch"] == result.best_epoch
    assert len((tmp_path / "mood" / "train.jsonl").read_text().splitlines()) == 6


def test_a_digest_of_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        file_digest(tmp_path / "none.jsonl")
