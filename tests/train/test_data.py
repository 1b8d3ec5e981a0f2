import json
from pathlib import Path

import pytest
from pydantic import Field

from polyhead.contracts import Example
from polyhead.errors import DataError, InputError
from polyhead.heads import ClassificationHead, MultilabelHead, RegressionHead, TextExample
from polyhead.train import read_examples


class TagsExample(Example):
    target_fields = ("tags",)
    tokens: tuple[str, ...] = Field(min_length=1)
    tags: tuple[str, ...] | None = None


class TagsHead(ClassificationHead):
    """What readers need of a head with other fields than texts."""

    kind = "tags"
    Example = TagsExample


@pytest.fixture
def write(tmp_path):
    """Writes lines (values are dumped as JSON) under a file name and returns the path."""

    def writing(name: str, *lines: object) -> Path:
        path = tmp_path / name
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        return path

    return writing


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.jsonl", [{"text": "a", "label": "x"}, {"text": "b", "label": "y", "id": 7}]),
        ("a.csv", ["id,text,label", "1,a,x", "2,b,y"]),
        ("a.tsv", ["text\tlabel", "a\tx", "b\ty"]),
    ],
)
def test_examples_are_read_and_further_columns_ignored(write, name, lines):
    assert read_examples(write(name, *lines), ClassificationHead) == [
        TextExample(text="a", label="x"),
        TextExample(text="b", label="y"),
    ]


def test_columns_can_be_named(write):
    path = write("a.jsonl", {"q1": "a", "q2": "b", "same": "no", "text": "t", "label": "l"})
    found = read_examples(
        path, ClassificationHead, columns={"text": "q1", "text_pair": "q2", "label": "same"}
    )
    assert found == [TextExample(text="a", text_pair="b", label="no")]


def test_a_second_text_is_read_where_there_is_one(write):
    path = write(
        "a.jsonl",
        {"text": "a", "text_pair": "b", "label": "x"},
        {"text": "c", "text_pair": None, "label": "y"},
        {"text": "d", "label": "y"},
    )
    pairs = [example.text_pair for example in read_examples(path, ClassificationHead)]
    assert pairs == ["b", None, None]


def test_numbers_and_truth_values_are_labels_as_the_head_reads_them(write):
    path = write("a.jsonl", {"text": "a", "label": 1}, {"text": "b", "label": True})
    expected = [
        TextExample(text="a", label=1).label,
        TextExample(text="b", label=True).label,
    ]
    assert [example.label for example in read_examples(path, ClassificationHead)] == expected


def test_fields_of_other_heads_are_taken_by_their_names(write):
    path = write("a.jsonl", {"tokens": ["a", "b"], "tags": ["X", "Y"], "label": "ignored"})
    assert read_examples(path, TagsHead) == [TagsExample(tokens=("a", "b"), tags=("X", "Y"))]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.csv", ["tokens,tags", '"[""a"", ""b,c""]","[""X"", ""Y""]"']),
        ("a.tsv", ["tokens\ttags", '"[""a"", ""b,c""]"\t"[""X"", ""Y""]"']),
        ("a.jsonl", [{"tokens": '["a", "b,c"]', "tags": ["X", "Y"]}]),
    ],
)
def test_a_cell_may_hold_a_list_as_json(write, name, lines):
    assert read_examples(write(name, *lines), TagsHead) == [
        TagsExample(tokens=("a", "b,c"), tags=("X", "Y"))
    ]


def test_a_cell_may_hold_a_mapping_or_an_empty_list_as_json(write):
    table = write("a.csv", "text,label", 'a,"{""low"": 1, ""high"": 2}"', 'b,"[1, 2]"')
    labels = [example.label for example in read_examples(table, RegressionHead)]
    assert labels == [{"low": 1, "high": 2}, (1, 2)]
    table = write("b.csv", "text,labels", "a,[]", "b,x|y", 'c,"[""x|y""]"')
    found = [example.labels for example in read_examples(table, MultilabelHead)]
    assert found == [(), ("x", "y"), ("x|y",)]


@pytest.mark.parametrize("text", ['["a"]', "[1]", '{"a": 1}', "[sic", "{}"])
def test_a_text_or_label_that_looks_like_json_stays_what_it_is(write, text):
    cell = text.replace('"', '""')
    [example] = read_examples(
        write("a.csv", "text,label", f'"{cell}","{cell}"'), ClassificationHead
    )
    assert (example.text, example.label) == (text, text)


def test_a_cell_that_is_no_json_is_refused_by_the_field(write):
    with pytest.raises(DataError, match=r"line 2: .*tokens: .*\(got '\[a, b\]'\)"):
        read_examples(write("a.csv", "tokens,tags", '"[a, b]","[]"'), TagsHead)


def test_texts_are_read_without_their_labels(write):
    path = write(
        "a.jsonl", {"text": "a", "label": "x"}, {"text": "b", "label": None}, {"text": "c"}
    )
    assert read_examples(path, ClassificationHead, labelled=False) == [
        TextExample(text=text) for text in "abc"
    ]
    path = write("b.jsonl", {"tokens": ["a"], "tags": ["not", "read"]})
    assert read_examples(path, TagsHead, labelled=False) == [TagsExample(tokens=("a",))]


def test_columns_of_texts_can_be_named(write):
    path = write("a.csv", "q1,q2", "a,b")
    columns = {"text": "q1", "text_pair": "q2"}
    found = read_examples(path, ClassificationHead, columns=columns, labelled=False)
    assert found == [TextExample(text="a", text_pair="b")]


GOOD = {"text": "a", "label": "x"}


@pytest.mark.parametrize(
    ("name", "lines", "line", "message"),
    [
        ("a.jsonl", [GOOD, {"text": "b"}], 2, "no column 'label'; there are: 'text'."),
        ("a.jsonl", [GOOD, {"label": "x"}], 2, "no column 'text'; there are: 'label'."),
        ("a.jsonl", [{}], 1, "no column 'text'; there are: none."),
        (
            "a.jsonl",
            [GOOD, {"text": "b", "label": None}],
            2,
            "column 'label' is null, and every record needs it.",
        ),
        ("a.jsonl", [GOOD, {"text": "b", "label": ""}], 2, "column 'label' is empty"),
        ("a.jsonl", [GOOD, {"text": " \t", "label": "x"}], 2, "column 'text' is empty"),
        ("a.jsonl", [GOOD, {"text": None, "label": "x"}], 2, "column 'text' is null"),
        ("a.jsonl", [GOOD, {"text": 3, "label": "x"}], 2, "text: Input should be a valid string"),
        ("a.jsonl", [GOOD, {"text": "b", "label": ["x"]}], 2, "label: "),
        ("a.jsonl", [GOOD, '{"text": "\\ud83d", "label": "x"}'], 2, "surrogate"),
        ("a.csv", ["text,topic", "a,x"], 1, "no column 'label'; there are: 'text', 'topic'."),
        ("a.csv", ["text;label", "a;x"], 1, "no column 'text'; there are: 'text;label'."),
        ("a.csv", ["text,label", "a,x", '"b', 'c",'], 3, "column 'label' is empty"),
        ("a.csv", ["text,label", "a,x", ",x"], 3, "column 'text' is empty"),
    ],
)
def test_a_record_that_is_no_example_is_named_by_its_line(write, name, lines, line, message):
    with pytest.raises(DataError) as caught:
        read_examples(write(name, *lines), ClassificationHead)
    assert caught.value.line == line
    assert f"{name}, line {line}: " in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [r'["a", "\ud800"]', r'[{"a": ["\udc00"]}]', r'{"\ud800": 1}'])
def test_half_of_a_surrogate_pair_is_found_in_lists_and_mappings_too(write, value):
    path = write("a.jsonl", {"tokens": ["a"], "tags": ["X"]}, f'{{"tokens": {value}}}')
    for labelled in (True, False):
        with pytest.raises(DataError, match="line 2: column 'tokens' holds half of a surrogate"):
            read_examples(path, TagsHead, labelled=labelled)


def test_a_missing_column_tells_how_to_name_another(write):
    with pytest.raises(DataError, match=r"columns=\{'label': ...\} \(--column label=NAME\)"):
        read_examples(write("a.csv", "text,topic", "a,x"), ClassificationHead)


@pytest.mark.parametrize("cell", ['""', "null"])
def test_a_pair_column_that_is_named_must_be_filled(write, cell):
    path = write("a.jsonl", GOOD | {"q": "b"}, f'{{"text": "a", "label": "x", "q": {cell}}}')
    with pytest.raises(
        DataError, match=r"line 2: column 'q', which has the field 'text_pair', is (empty|null)"
    ):
        read_examples(path, ClassificationHead, columns={"text_pair": "q"})


@pytest.mark.parametrize(
    ("name", "lines"), [("a.jsonl", [""]), ("a.csv", ["text,label"]), ("a.tsv", [])]
)
def test_a_file_without_example_is_refused(write, name, lines):
    path = write(name, *lines)
    for labelled in (True, False):
        with pytest.raises(DataError, match="holds no example"):
            read_examples(path, ClassificationHead, labelled=labelled)


def test_a_column_for_a_field_that_the_head_lacks_is_refused(write):
    path = write("a.jsonl", {"tokens": ["a"], "tags": ["X"]})
    with pytest.raises(
        InputError, match="for 'text', and examples of 'tags' have no such field; they have: tokens"
    ):
        read_examples(path, TagsHead, columns={"text": "sentence"})


def test_a_missing_target_of_another_head_is_named(write):
    path = write("a.jsonl", {"tokens": ["a"]})
    with pytest.raises(DataError, match="line 1: no column 'tags'; there are: 'tokens'"):
        read_examples(path, TagsHead)
