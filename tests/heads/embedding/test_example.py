import pytest
from pydantic import ValidationError

from polyhead.errors import DataError, InputError
from polyhead.heads import EmbeddingExample, EmbeddingHead
from polyhead.train import read_examples


def test_a_tuple_means_text_then_second_text_then_score():
    assert EmbeddingHead.parse("a") == EmbeddingExample(text="a")
    assert EmbeddingHead.parse(("a", "b")) == EmbeddingExample(text="a", text_pair="b")
    assert EmbeddingHead.parse(("a", "b", 2)) == EmbeddingExample(text="a", text_pair="b", label=2)


def test_a_single_negative_needs_no_list():
    example = EmbeddingExample(text="a", text_pair="b", negatives="c")
    assert example.negatives == ("c",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": 1.0}, "it has a score and no second text"),
        ({"negatives": ["c"]}, "it has negatives and no second text"),
        ({"text_pair": "b", "label": 1, "negatives": ["c"]}, "it has a score and negatives"),
        ({"text_pair": "b", "label": float("nan")}, "finite number"),
        ({"text_pair": "b", "label": float("inf")}, "finite number"),
        ({"text_pair": "b", "label": "alike"}, "valid number"),
        ({"text_pair": "b", "label": True}, "must be a number"),
        ({"text_pair": "b", "negatives": [1]}, "valid string"),
        ({"text_pair": "b", "negatives": 1}, "must be a list of texts, or a text"),
    ],
)
def test_what_cannot_be_used_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        EmbeddingExample(text="a", **fields)
    with pytest.raises(InputError, match=message) as caught:
        EmbeddingHead.parse({"text": "a", **fields})
    assert "\n" not in str(caught.value)


def test_files_need_neither_scores_nor_negatives(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"text": "a", "text_pair": "b"}\n{"text": "c"}\n')
    assert read_examples(path, EmbeddingHead) == [
        EmbeddingExample(text="a", text_pair="b"),
        EmbeddingExample(text="c"),
    ]


def test_scores_of_a_table_are_numbers(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("text,text_pair,similarity\na,b,3.5\n")
    found = read_examples(path, EmbeddingHead, columns={"label": "similarity"})
    assert found == [EmbeddingExample(text="a", text_pair="b", label=3.5)]


def test_a_bad_score_is_reported_with_its_line(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"text": "a", "text_pair": "b", "label": 1}\n{"text": "a", "label": 1}\n')
    with pytest.raises(DataError, match=r"pairs\.jsonl, line 2: .* no second text"):
        read_examples(path, EmbeddingHead)
