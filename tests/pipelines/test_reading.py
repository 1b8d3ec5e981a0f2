import pytest

import polyhead
from polyhead.errors import InputError
from polyhead.pipelines.reading import PaddedRow, row_of, rows_of_texts, text_of


@pytest.fixture(scope="module")
def tokenizer(encoder):
    return polyhead.AutoTokenizer.from_pretrained(encoder)


def test_a_row_has_all_that_the_encoding_tells(tokenizer):
    [encoding] = tokenizer(["the cats"], ["a dog"]).encodings
    row = row_of(encoding, start=7)
    assert [tokenizer.convert_ids_to_tokens(number) for number in row.ids] == [
        *("[CLS]", "the", "cat", "##s", "[SEP]", "a", "dog", "[SEP]"),
    ]
    assert row == PaddedRow(
        ids=row.ids,
        offsets=((0, 0), (0, 3), (4, 7), (7, 8), (0, 0), (0, 1), (2, 5), (0, 0)),
        segments=(-1, 0, 0, 0, -1, 1, 1, -1),
        words=(-1, 0, 1, 1, -1, 0, 1, -1),
        start=7,
        n_places=8,
    )


@pytest.mark.parametrize(
    ("side", "positions"), [("right", None), ("left", (5, 6, 7, 8))], ids=("right", "left")
)
def test_padding_is_left_out(tokenizer, side, positions):
    arguments = {"padding": "max_length", "max_length": 9, "padding_side": side}
    [encoding] = tokenizer(["the cat"], **arguments).encodings
    row = row_of(encoding)
    assert len(row) == 4
    assert row.positions == positions
    assert row.n_places == 9
    assert row.segments == (-1, 0, 0, -1)


def test_texts_are_cut_to_what_the_model_reads(tokenizer):
    examples = [{"text": "the cat " * 40}, {"text": "the cat", "text_pair": "the dog " * 40}]
    rows = rows_of_texts(tokenizer, examples, {"truncation": True}, 12)
    assert [len(row) for [row] in rows] == [12, 12]


def test_a_text_is_padded_as_if_it_were_alone(tokenizer):
    examples = [{"text": "the cat"}, {"text": "the cat sat on the mat"}]
    rows = rows_of_texts(tokenizer, examples, {"padding": True, "padding_side": "left"}, 40)
    assert [row.positions for [row] in rows] == [None, None]


def test_what_is_no_text_is_refused():
    with pytest.raises(InputError, match=r"^a title must be a str, not int; try again\.$"):
        text_of(3, "title", "try again")
