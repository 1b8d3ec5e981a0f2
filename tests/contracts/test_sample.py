from pydantic import Field

from polyhead.contracts import Example, sample_of, text_fields


class Question(Example):
    target_fields = ("answer",)
    subject: str | None = None
    lines: tuple[str, ...] = Field(examples=[["one", "two"]])
    hint: str = Field(examples=["a hint", "another"])
    name: str | int | None = None
    answer: str | None = None


class Empty(Example):
    """Of a head that reads nothing."""


def test_a_sample_has_the_first_field_and_all_that_are_needed():
    assert sample_of(Question) == {
        "subject": "a subject of yours",
        "lines": ["one", "two"],
        "hint": "a hint",
    }
    assert Question.model_validate(sample_of(Question))
    assert sample_of(Question, ["name"])["name"] == "a name of yours"


def test_an_example_without_fields_has_an_empty_sample():
    assert sample_of(Empty) == {}
    assert text_fields(Empty) == ()


def test_texts_are_the_fields_of_one_text_that_prediction_reads():
    assert text_fields(Question) == ("subject", "hint")
