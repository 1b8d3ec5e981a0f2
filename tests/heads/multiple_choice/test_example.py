import pytest

from polyhead.errors import InputError
from polyhead.heads import MultipleChoiceExample, MultipleChoiceHead

parse = MultipleChoiceHead.parse


def test_a_tuple_is_a_text_its_choices_and_the_right_one():
    example = MultipleChoiceExample(text="It rained.", choices=("wet", "dry"), label=0)
    assert parse(("It rained.", ["wet", "dry"], 0)) == example
    assert parse({"text": "It rained.", "choices": ["wet", "dry"], "label": 0}) == example


def test_choices_may_stand_alone():
    assert parse({"choices": ["a", "b", "c"]}).text is None


@pytest.mark.parametrize(
    ("label", "choices", "number"),
    [
        (None, ("a", "b"), None),
        (1, ("a", "b"), 1),
        ("b", ("a", "b"), 1),
        ("1", ("a", "b"), 1),
        ("1", ("1", "0"), 0),
        (1, ("1", "0"), 1),
        (0, ("only",), 0),
        (2, ("a", "a", "b"), 2),
    ],
)
def test_a_label_is_the_number_or_the_text_of_a_choice(label, choices, number):
    assert parse({"choices": choices, "label": label}).right_choice() == number


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (2, "the label 2 is not the number of a choice; they are counted from 0 to 1"),
        (-1, "the label -1 is not the number of a choice"),
        ("7", "the label 7 is not the number of a choice"),
        ("-1", "the label '-1' is none of the choices: 'same', 'same'"),
        ("9" * 5000, "is none of the choices"),
        ("c", "the label 'c' is none of the choices: 'same', 'same'"),
        ("same", "the label 'same' is the text of 2 choices; give the number"),
    ],
)
def test_a_label_that_is_no_choice_is_refused(label, message):
    with pytest.raises(InputError, match=message):
        MultipleChoiceExample(choices=("same", "same"), label=label).right_choice()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"choices": []}, "choices: there are no choices; give at least one"),
        ({"choices": "wet"}, r"choices: must be a list of texts \(got 'wet'\)"),
        ({"choices": None}, "choices: must be a list of texts"),
        ({"choices": ["wet", 3]}, r"choices.1: Input should be a valid string \(got 3\)"),
        ({"choices": ["wet", " \n"]}, "choices.1: must not be empty or white space only"),
        ({"choices": ["wet"], "text": ""}, "text: must not be empty or white space only"),
        ({"text": "It rained."}, "field 'choices' is missing"),
        ({"choices": ["wet"], "label": True}, "label: a label is the number of the right choice"),
        ({"choices": ["wet"], "label": 0.0}, "label: a label is the number of the right choice"),
        ({"choices": ["wet"], "label": float("nan")}, "label: a label is the number"),
        ({"choices": ["wet"], "label": ""}, "label: a label is the number of the right choice"),
        ({"choices": ["wet"], "label": [0]}, "label: a label is the number of the right choice"),
        ({"choices": ["wet"], "answer": 0}, "unknown field 'answer'"),
    ],
)
def test_what_is_no_example_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        parse(fields)


def test_a_text_without_choices_is_refused():
    with pytest.raises(InputError, match="field 'choices' is missing"):
        parse("It rained.")
