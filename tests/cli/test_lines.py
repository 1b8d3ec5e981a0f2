"""Lines of a pipe or a file as inputs."""

import io

import pytest

from polyhead.cli.bulk import STREAM
from polyhead.cli.lines import items_of_lines
from polyhead.errors import DataError

TEXT = ("text", "text_pair")
QUESTION = ("question", "context")


@pytest.fixture
def stdin(monkeypatch):
    def put(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


def test_lines_are_texts_with_their_numbers(stdin):
    stdin('\ufeffa b\r\n\n {"text": 1}\nc\td'.encode())
    found = list(items_of_lines(STREAM, TEXT))
    assert [(item.example, item.line) for item in found] == [
        ("a b", 1),
        (' {"text": 1}', 3),
        ("c\td", 4),
    ]
    assert found[0].values == {"text": "a b"}


def test_lines_are_read_as_they_are_asked_for(stdin):
    stdin(b"a\n\xff\n")
    items = items_of_lines(STREAM, TEXT)
    assert next(items).example == "a"
    with pytest.raises(DataError, match="line 2: byte 0xff"):
        next(items)


def test_a_question_stands_before_its_context(stdin):
    stdin(b'who?\tthe dog\tran\n{"question": "who?", "context": "a\\tdog", "id": 3}\n')
    found = list(items_of_lines(STREAM, QUESTION))
    assert [item.example for item in found] == [
        {"question": "who?", "context": "the dog\tran"},
        {"question": "who?", "context": "a\tdog"},
    ]
    assert found[1].values["id"] == 3


def test_a_question_may_begin_with_a_brace(stdin):
    stdin(b"{x} is what?\tthe dog\n{x} is what?\n")
    items = items_of_lines(STREAM, QUESTION)
    assert next(items).example == {"question": "{x} is what?", "context": "the dog"}
    with pytest.raises(DataError, match="line 2: is not JSON"):
        next(items)


def test_data_files_are_read_by_their_columns(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a", "text_pair": null, "id": 1}\n{"text": "b", "text_pair": "c"}\n')
    found = list(items_of_lines(path, TEXT))
    assert [item.example for item in found] == [{"text": "a"}, {"text": "b", "text_pair": "c"}]
    assert found[0].values == {"text": "a", "text_pair": None, "id": 1}
    assert [item.example for item in items_of_lines(path, ("text",))] == ["a", "b"]
