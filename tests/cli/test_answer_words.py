"""A server's answers in tables: as the predictions themselves are shown there."""

import json

import pytest

from polyhead.cli.answer_words import ServerAnswer
from polyhead.contracts import Prediction
from polyhead.registry import registry

MASK = "the cat [MASK] on the [MASK]"
ASKED = {
    "classification": ["the cat"],
    "embedding": ["the cat", ("the cat", "a dog")],
    "masked_lm": [MASK],
    "multilabel": ["the cat"],
    "multiple_choice": [{"text": "the", "choices": ["cat", "dog"]}],
    "question_answering": [{"question": "who ran?", "context": "the dog ran."}],
    "regression": ["the cat"],
    "tagging": ["the cat sat"],
}
FIELDS = {
    "classification": {"labels": ("good", "bad")},
    "multilabel": {"labels": ("good", "red")},
    "tagging": {"labels": ("O", "B-x", "I-x")},
}


def shown_alike(prediction: Prediction) -> None:
    fields = json.loads(prediction.model_dump_json())
    answer = ServerAnswer(fields)
    assert str(answer) == str(prediction)
    assert answer.model_dump(mode="json") == fields


@pytest.mark.parametrize("kind", registry().head_kinds())
def test_answers_of_every_kind_are_shown_as_predictions_are(kind, tiny_model):
    config = registry().head(kind).Config.model_validate(FIELDS.get(kind, {}))
    tiny_model.add_task("t", head=config)
    for asked in ASKED[kind]:
        [prediction] = tiny_model.predict(asked, task="t")
        shown_alike(prediction)


def test_what_untrained_heads_do_not_answer_is_shown_alike():
    heads = pytest.importorskip("polyhead.heads")
    lists = {name: ["a", "b"] for name in ("words",)}
    tags = {"scores": [0.5, 0.5], "starts": [0, 2], "ends": [1, 3], **lists}
    shown_alike(heads.TaggingPrediction(entities=[], tags=["O", "O"], **tags))
    shown_alike(heads.TaggingPrediction(entities=[], tags=["DET", "O"], **tags))
    entity = {"label": "x", "text": "a", "start": 0, "end": 1, "score": 0.5}
    shown_alike(heads.TaggingPrediction(entities=[entity], tags=["B-x", "O"], **tags))
    shown_alike(heads.MultilabelPrediction(labels=[], probabilities={"a": 0.1}))
    shown_alike(heads.RegressionPrediction(score=0.1234, values={"a": 0.1234, "b": 2.0}))


class NewPrediction(Prediction):
    """Of a plug-in."""

    grade: int
    why: str


def test_other_kinds_are_shown_as_json():
    shown_alike(NewPrediction(grade=3, why="caf\u00e9"))
