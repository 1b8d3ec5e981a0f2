from io import BytesIO

import pytest

from polyhead.errors import DataError
from polyhead.records import read_json_lines, read_records

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def read(tmp_path):
    """Reads bytes or text under a file name: (line, values) of each record."""

    def reading(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [(record.line, dict(record.values)) for record in read_records(path)]

    return reading


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "A.JSONL"])
def test_json_lines_are_records(read, name):
    content = '{"text": "a", "n": 1}\n\n  \n{"text": "b\\u0000😀"}'
    assert read(name, content) == [(1, {"text": "a", "n": 1}), (4, {"text": "b\0😀"})]


def test_json_lines_end_with_line_feeds_alone(read):
    assert read("a.jsonl", '{"text": "a\u2028b"}\r\n') == [(1, {"text": "a\u2028b"})]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_table_is_records_by_its_header(read, name, mark):
    content = f"text{mark} label\r\na{mark}x\r\n\r\nb{mark}y\r\n"
    assert read(name, content) == [
        (2, {"text": "a", "label": "x"}),
        (4, {"text": "b", "label": "y"}),
    ]


def test_a_quoted_cell_may_hold_line_breaks_commas_and_quotes(read):
    content = 'text,label\n"one\ntwo, ""three""",x\nfour,y\n'
    assert read("a.csv", content) == [
        (2, {"text": 'one\ntwo, "three"', "label": "x"}),
        (4, {"text": "four", "label": "y"}),
    ]


def test_a_cell_may_be_longer_than_the_csv_modules_own_limit(read):
    text = "word " * 100_000
    assert read("a.csv", f"text\n{text}\n") == [(2, {"text": text})]


def test_a_column_without_name_is_left_out(read):
    assert read("a.csv", ",text,\n0,a,\n") == [(2, {"text": "a"})]


@pytest.mark.parametrize(("name", "rest"), [("a.jsonl", b'{"text": "a"}'), ("a.csv", b"text\na")])
def test_a_byte_order_mark_is_no_part_of_the_text(read, name, rest):
    assert read(name, BOM + rest)[0][1] == {"text": "a"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
def test_an_empty_file_has_no_records(read, name):
    assert read(name, b"") == []


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("a.jsonl", '{"text": "a"}\nnonsense\n', 2, "not JSON (Expecting value at character 1)"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', 2, "each line is one object"),
        ("a.jsonl", "[1]\n", 1, "holds a list"),
        ("a.jsonl", "null\n", 1, "holds null"),
        ("a.jsonl", '"a"\n', 1, "holds a string"),
        ("a.jsonl", "3\n", 1, "holds a number"),
        ("a.jsonl", "true\n", 1, "holds true or false"),
        ("a.jsonl", "[" * 100_000 + "\n", 1, "not JSON that can be read"),
        ("a.jsonl", "1" * 5000, 1, "not JSON that can be read"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xe9"}\n', 2, "byte 0xe9 is not UTF-8"),
        ("a.jsonl", '{"text": "a"}'.encode("utf-16"), 1, "NUL byte"),
        ("a.jsonl", '{"text": "a"}'.encode("utf-16-le"), 1, "NUL byte"),
        ("a.csv", b"text\na\nb\0\n", 3, "NUL byte"),
        ("a.csv", b"text\na\n\xff\n", 3, "byte 0xff is not UTF-8"),
        ("a.csv", "text,label\na,x\nb\n", 3, "has 1 cell where the header has 2"),
        ("a.csv", 'text,label\n"a\nb",x\nc,d,y\n', 4, "has 3 cells where the header has 2"),
        ("a.tsv", "text\tlabel\na\tb\tx\n", 2, "a text with a tab or a line break in it"),
        ("a.csv", "\n\ntext,label,text\n", 3, "names the column 'text' twice"),
        ("a.csv", 'text,label\na,x\n"b,y\nc,z\n', 3, "opening double quote is never closed"),
        ("a.tsv", 'text\tlabel\n"a" b\tx\n', 2, "goes on behind its closing double quote"),
        ("a.csv", "text,label\ra,x\r", 1, "bare carriage return"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(read, name, content, line, message):
    with pytest.raises(DataError) as caught:
        read(name, content)
    assert caught.value.line == line
    assert f"{name}, line {line}: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.txt", "ends in '.txt'"), ("data", "no ending"), ("a.jsonl.gz", "'.gz'")],
)
def test_a_file_of_another_kind_is_refused_with_the_kinds_there_are(tmp_path, name, message):
    with pytest.raises(DataError, match=r"data files are \.jsonl, \.csv or \.tsv") as caught:
        read_records(tmp_path / name)
    assert message in str(caught.value)
    assert caught.value.line is None


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv: there is no such file\."):
        list(read_records(tmp_path / "a.csv"))


def test_a_folder_in_place_of_a_file_is_one_sentence(tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(DataError, match="this is a folder"):
        list(read_records(tmp_path / "a.jsonl"))


def test_a_path_that_the_system_refuses_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        list(read_records(tmp_path / "a\0.csv"))
    with pytest.raises(DataError, match="cannot be read"):
        list(read_records(tmp_path / ("a" * 300 + ".csv")))


def test_a_stream_is_read_as_it_comes():
    def lines():
        yield b'{"text": "a"}\n'
        raise AssertionError

    assert next(read_json_lines(lines(), "standard input")).values == {"text": "a"}


def test_a_stream_has_a_name_in_messages():
    with pytest.raises(DataError, match=r"^standard input, line 2: holds a list"):
        list(read_json_lines(BytesIO(b"{}\n[]\n"), "standard input"))
