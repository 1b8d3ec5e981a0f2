import json

import pytest

from polyhead.errors import DataError, InputError
from polyhead.heads import Answer, QuestionAnsweringExample, QuestionAnsweringHead
from polyhead.train import read_examples

GIVEN = [{"text": "red", "answer_start": 8}, {"text": "mat", "answer_start": 12}]
ANSWERS = (Answer(text="red", answer_start=8), Answer(text="mat", answer_start=12))


@pytest.mark.parametrize(
    "given",
    [
        GIVEN,
        tuple(GIVEN),
        ANSWERS,
        json.dumps(GIVEN),
        {"text": ["red", "mat"], "answer_start": [8, 12]},
        json.dumps({"text": ["red", "mat"], "answer_start": [8, 12]}),
        [{**answer, "answer_id": 7} for answer in GIVEN],
    ],
)
def test_every_known_layout_of_answers_is_read(given):
    example = QuestionAnsweringExample(question="q", context="c", answers=given)
    assert example.answers == ANSWERS


@pytest.mark.parametrize("given", [[], "[]", {"text": [], "answer_start": []}])
def test_an_empty_list_says_that_there_is_no_answer(given):
    assert QuestionAnsweringExample(question="q", context="c", answers=given).answers == ()


@pytest.mark.parametrize("given", [None, "null"])
def test_none_says_that_the_answers_are_not_known(given):
    assert QuestionAnsweringExample(question="q", context="c", answers=given).answers is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("red", "must be a list of objects such as .* in a table, as JSON"),
        ("[" * 100_000, "in a table, as JSON"),
        (7, "must be a list of objects"),
        ({"text": "red", "answer_start": 8}, "must be a list of objects"),
        ({"text": ["red"], "answer_start": [8, 9]}, "there are 1 texts and 2 values answer_start"),
        (["red"], "answers: must be a list of objects"),
        ([{"text": "red"}], r"answers\.0\.answer_start' is missing"),
        ([{"text": "", "answer_start": 8}], r"answers\.0\.text: .*at least 1 character"),
        ([{"text": "red", "answer_start": 8.5}], r"answers\.0\.answer_start: .*integer"),
    ],
)
def test_answers_of_another_form_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        QuestionAnsweringHead.parse({"question": "q", "context": "c", "answers": given})


@pytest.mark.parametrize("given", [None, "56be", 7])
def test_the_name_of_a_question_is_a_text_or_a_number(given):
    assert QuestionAnsweringExample(question="q", context="c", id=given).id == given


def test_the_name_of_a_question_is_nothing_else():
    with pytest.raises(InputError, match=r"id: must be a text or a whole number \(got \[1\]\)"):
        QuestionAnsweringHead.parse({"question": "q", "context": "c", "id": [1]})


def test_a_pair_is_a_question_and_its_context():
    assert QuestionAnsweringHead.parse(("q", "c")) == QuestionAnsweringExample(
        question="q", context="c"
    )
    with pytest.raises(InputError, match="field 'context' is missing"):
        QuestionAnsweringHead.parse("q")


def test_data_files_hold_examples_as_json_or_in_a_table(tmp_path):
    record = {"id": "7", "question": "what?", "context": "the cat red mat", "answers": GIVEN}
    lines, table = tmp_path / "data.jsonl", tmp_path / "data.tsv"
    lines.write_text(json.dumps({**record, "title": "ignored"}) + "\n", encoding="utf-8")
    table.write_text(
        "id\tquestion\tcontext\tanswers\n7\twhat?\tthe cat red mat\t"
        '"' + json.dumps(GIVEN).replace('"', '""') + '"\n',
        encoding="utf-8",
    )
    expected = QuestionAnsweringExample(**record)
    assert read_examples(lines, QuestionAnsweringHead) == [expected]
    assert read_examples(table, QuestionAnsweringHead) == [expected]


def test_training_data_without_answers_is_refused_with_its_line(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"question": "what?", "context": "c"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1: no column 'answers'"):
        read_examples(path, QuestionAnsweringHead)
