"""A mistake in a head is said of the head, with the distribution it came from."""

from dataclasses import replace

import pytest
import torch

from polyhead.batch import Hidden, Packing
from polyhead.contracts import Encoded, HeadOutput
from polyhead.errors import ContractError, InputError
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.heads.classification.head import ClassificationPrediction
from polyhead.model import DistilBertModelWithHeads, encoded_by
from polyhead.model.checked_heads import decoded_by, output_of
from polyhead.testing.registration import registered

TEXTS = ["the cat", "a dog", "a mat"]


class OwnConfig(ClassificationHeadConfig):
    """Of the head that makes mistakes."""


class Odd(ClassificationHead):
    """A head that does what its attributes say, in place of what it should."""

    kind = "odd"
    Config = OwnConfig
    output: object = None
    answers_with: object = None
    encodes: object = None

    def forward(self, hidden: Hidden) -> HeadOutput:
        made = super().forward(hidden)
        return made if self.output is None else self.output(made)

    def decode(self, output, encoded):
        made = super().decode(output, encoded)
        return made if self.answers_with is None else self.answers_with(made)

    def encode(self, examples, tokenizer):
        made = super().encode(examples, tokenizer)
        return made if self.encodes is None else self.encodes(made)


def missing(made: object) -> object:
    raise KeyError("missing")


def refusing(made: object) -> object:
    raise InputError("the moon is full", index=1)


@pytest.fixture
def model(make_model):
    with registered(Odd):
        model = make_model()
        model.add_task("odd", head=OwnConfig(labels=("no", "yes")), adapter=None)
        yield model


def mistake(model: DistilBertModelWithHeads) -> str:
    with pytest.raises(ContractError) as caught:
        model.predict(TEXTS, task="odd")
    return str(caught.value)


@pytest.mark.parametrize(
    ("output", "did"),
    [
        (lambda made: made[:1], r"returned a tensor of shape (1, 2)"),
        (lambda made: made.T, r"returned a tensor of shape (2, 3)"),
        (lambda made: made.sum(), r"returned a tensor of shape ()"),
        (lambda made: {"a": made, "b": made[1:]}, r"returned a tensor of shape (2, 2)"),
        (lambda made: made.tolist(), "returned a list"),
        (lambda made: {"a": None}, "returned a NoneType"),
        (missing, "failed with KeyError: 'missing'"),
    ],
)
def test_a_forward_that_is_wrong_is_named_with_what_was_expected(output, did, model):
    model.heads["odd"].output = output
    message = mistake(model)
    assert message.startswith(f"forward of the head kind 'odd' of not-installed 0 {did}; ")
    if "failed" not in did:
        assert "whose first dimension has one place for each row: 3." in message


def test_the_tensor_call_checks_the_output_too(model):
    model.heads["odd"].output = lambda made: made[:1]
    with pytest.raises(ContractError, match="one place for each row: 2"):
        model(input_ids=torch.tensor([[2, 5, 3], [2, 6, 3]]), head="odd")


@pytest.mark.parametrize(
    ("answers", "did"),
    [
        (missing, "failed with KeyError: 'missing'"),
        (lambda made: made[:-1], "returned a list of 2"),
        (iter, "returned a list_iterator"),
        (lambda made: [str(one) for one in made], "returned a list with a str"),
        (lambda made: None, "returned a NoneType"),
    ],
)
def test_a_decode_that_is_wrong_is_named(answers, did, model):
    model.heads["odd"].answers_with = answers
    message = mistake(model)
    assert message.startswith(f"decode of the head kind 'odd' of not-installed 0 {did}; ")
    if "failed" not in did:
        assert "one polyhead.Prediction for each example: 3" in message


@pytest.mark.parametrize(
    ("encodes", "did"),
    [(missing, "failed with KeyError"), (lambda made: made * 2, "returned a list of 6")],
)
def test_an_encode_that_is_wrong_is_named(encodes, did, model):
    model.heads["odd"].encodes = encodes
    assert f"encode of the head kind 'odd' of not-installed 0 {did}" in mistake(model)


@pytest.mark.parametrize("method", ["output", "answers_with", "encodes"])
def test_what_a_head_refuses_is_no_mistake_of_it(method, model):
    setattr(model.heads["odd"], method, refusing)
    with pytest.raises(InputError, match="the moon is full"):
        model.predict(TEXTS, task="odd")


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")])
def test_want_of_memory_is_no_mistake_of_the_head(error, model):
    def full(made: object) -> object:
        raise error

    model.heads["odd"].output = full
    with pytest.raises(type(error)):
        model.predict(TEXTS, task="odd")


def test_the_cause_is_kept(model):
    model.heads["odd"].answers_with = missing
    with pytest.raises(ContractError) as caught:
        model.predict(TEXTS, task="odd")
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_head_that_no_plugin_registered_is_named_by_its_module(model):
    class Stray(Odd):
        kind = "stray"

    head = Stray(OwnConfig(labels=("no", "yes")), model.shape)
    head.encodes = missing
    with pytest.raises(ContractError, match=f"'stray' of the module {__name__} failed"):
        encoded_by(head, [], model.tokenizer)


def test_tokens_and_examples_are_counted_as_the_head_answers(model, monkeypatch):
    head = model.heads["odd"]
    values = torch.zeros(5, model.shape.width)
    hidden = Hidden.of_rows(values, Packing((2, 3)))
    for answers, expected in (("row", 2), ("token", 5), ("example", 2)):
        monkeypatch.setattr(Odd, "answers", answers)
        head.output = lambda made, n=expected: made.new_zeros(n, 2)
        assert len(output_of(head, hidden)) == expected
    monkeypatch.setattr(Odd, "answers", "example")
    head.output = lambda made: made.new_zeros(1, 2)
    several = replace(hidden, row_counts=(2,))
    assert len(output_of(head, several)) == 1
    with pytest.raises(ContractError, match="one place for each example: 2"):
        output_of(head, hidden)


def test_what_keeps_the_contract_passes_as_it_is(model):
    head = model.heads["odd"]
    encoded = encoded_by(head, [head.parse(text) for text in TEXTS], model.tokenizer)
    assert all(isinstance(item, Encoded) for item in encoded)
    answers = decoded_by(head, torch.zeros(3, 2), encoded)
    assert [type(answer) for answer in answers] == [ClassificationPrediction] * 3
