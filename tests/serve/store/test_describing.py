"""A task's record says what its files say, and what the store knows."""

import json
import threading

import pytest
from pydantic import BaseModel

from polyhead import Stack
from polyhead.contracts import Prediction
from polyhead.heads import (
    ClassificationHead,
    EmbeddingHead,
    MaskedLMHead,
    MultilabelHead,
    MultipleChoiceHead,
    QuestionAnsweringHead,
    RegressionHead,
    TaggingHead,
)
from polyhead.serve.store import TaskRecord
from polyhead.serve.store.schemas import schemas_of

HEADS = (
    *(ClassificationHead, EmbeddingHead, MaskedLMHead, MultilabelHead, MultipleChoiceHead),
    *(QuestionAnsweringHead, RegressionHead, TaggingHead),
)


def test_a_record_tells_what_the_files_tell(publish, open_store):
    place = publish("mood", labels=("bad", "good", "so"), adapter="lora[r=2]")
    record = open_store().describe("mood")
    assert record.head_kind == "classification"
    assert record.labels == ["bad", "good", "so"]
    assert record.head_config["labels"] == ["bad", "good", "so"]
    assert record.adapter_kind == "lora"
    assert record.setup is None
    assert record.text["max_length"] == 128
    assert record.example == {"text": "a text of yours"}
    assert record.card == (place / "README.md").read_text()
    assert record.n_bytes == sum(
        (place / name).stat().st_size for name in ("head.safetensors", "adapter.safetensors")
    )
    assert record.schemas["example"]["required"] == ["text"]
    assert "probabilities" in record.schemas["prediction"]["properties"]
    json.loads(record.model_dump_json())
    TaskRecord.model_validate_json(record.model_dump_json())


def test_a_record_in_memory_tells_the_same(publish, open_store):
    publish("mood")
    store = open_store()
    before = store.describe("mood")
    after = store.load("mood")
    changed = {"state", "n_bytes", "n_loads", "versions"}
    assert before.model_dump(exclude=changed) == after.model_dump(exclude=changed)
    assert 0 < after.n_bytes < before.n_bytes  # without the headers


def test_a_task_on_the_bare_encoder_has_no_kind_of_adapter(publish, open_store):
    publish("mood", adapter=None)
    assert open_store().describe("mood").adapter_kind is None


def test_several_adapters_are_told_with_how_they_go_together(publish, open_store):
    publish._author.add_adapter("one", "lora[r=2]")
    publish._author.add_adapter("two", "seq_bn")
    publish("mood", adapter=None, share_adapter=Stack("one", "two"))
    record = open_store().describe("mood")
    assert record.adapter_kind == "lora+bottleneck"
    assert record.setup == "Stack('one', 'two')"


def test_a_kind_that_is_not_installed_is_told(publish, open_store):
    place = publish("mood")
    content = (place / "head.safetensors").read_bytes()
    other = content.replace(b'kind\\":\\"classification', b'kind\\":\\"classificatiom')
    assert other != content
    (place / "head.safetensors").write_bytes(other)
    record = open_store().describe("mood")
    assert (record.state, record.head_kind) == ("damaged", "classificatiom")
    assert "for its head kind 'classificatiom'" in record.error


def test_a_card_that_is_missing_or_odd_harms_nothing(publish, open_store):
    place = publish("mood")
    (place / "README.md").write_bytes(b"\xff" * 10)
    store = open_store()
    assert store.describe("mood").card == "\ufffd" * 10
    (place / "README.md").unlink()
    assert store.describe("mood").card is None


def test_describing_thousands_reads_each_once(publish, open_store, monkeypatch):
    publish("mood")
    store = open_store()
    before = store.describe("mood")

    def read(*_):
        raise AssertionError("read again")

    monkeypatch.setattr("polyhead.serve.store.describing.read_headers", read)
    assert store.describe("mood") == before


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_every_kind_of_head_tells_what_it_is_asked_and_answers(head):
    schemas = schemas_of(head)
    assert schemas["example"] == head.Example.model_json_schema()
    assert schemas["prediction"]["title"].endswith("Prediction")


class Odd(BaseModel):
    """Something that JSON schema cannot say."""

    model_config = {"arbitrary_types_allowed": True}
    what: threading.Event


class NamingHead(ClassificationHead):
    """A head that names its prediction."""

    Config = type("NamingConfig", (ClassificationHead.Config,), {"__module__": __name__})
    kind = "naming"

    def decode(self, output, encoded) -> "list[OtherPrediction]":
        return super().decode(output, encoded)


class OtherPrediction(Prediction):
    """What that answers."""

    other: str


class SecondPrediction(Prediction):
    """Another of the same module."""


class SilentHead(ClassificationHead):
    """A head that does not, in a module with several."""

    Config = type("SilentConfig", (ClassificationHead.Config,), {"__module__": __name__})
    kind = "silent"
    Example = type("OddExample", (ClassificationHead.Example,), {"__annotations__": {"odd": Odd}})

    def decode(self, output, encoded):
        return super().decode(output, encoded)


def test_the_prediction_that_a_head_names_is_told_and_else_none_is():
    assert schemas_of(NamingHead)["prediction"]["title"] == "OtherPrediction"
    assert "prediction" not in schemas_of(SilentHead)
    assert "example" not in schemas_of(SilentHead)
