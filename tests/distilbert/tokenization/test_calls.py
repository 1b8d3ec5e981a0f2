"""Calls of a documented tokenizer: their arguments, their shapes, and what they refuse."""

import logging

import pytest

from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer
from polyhead.errors import ConfigError, InputError

CLS, SEP, PAD = 2, 3, 0
LONG = "the cat sat on the mat"


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary) -> DistilBertTokenizer:
    vocabulary = {token: number for number, token in enumerate(tiny_vocabulary)}
    return DistilBertTokenizer(vocabulary, model_max_length=16)


def test_a_call_returns_ids_and_mask_and_no_token_types(tokenizer):
    assert tokenizer("the cat") == {"input_ids": [CLS, 5, 6, SEP], "attention_mask": [1, 1, 1, 1]}


def test_a_text_alone_equals_its_row_in_a_batch(tokenizer):
    rows = tokenizer(["the cat", "", LONG, "[MASK]"])["input_ids"]
    assert [tokenizer(text)["input_ids"] for text in ("the cat", "", LONG, "[MASK]")] == rows


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ({"text_pair": "dog"}, [CLS, 5, 6, SEP, 7, SEP]),
        ({"text_pair": ""}, [CLS, 5, 6, SEP]),
        ({"add_special_tokens": False}, [5, 6]),
        ({"max_length": 3}, [CLS, 5, SEP]),
        ({"max_length": 3, "truncation": False}, [CLS, 5, 6, SEP]),
        ({"max_length": 3, "truncation": True, "add_special_tokens": False}, [5, 6]),
        ({"max_length": 2, "truncation": True}, [CLS, SEP]),
        ({"padding": "max_length", "max_length": 6}, [CLS, 5, 6, SEP, PAD, PAD]),
        (
            {"padding": "max_length", "max_length": 6, "padding_side": "left"},
            [0, 0, CLS, 5, 6, SEP],
        ),
        ({"padding": True, "pad_to_multiple_of": 3}, [CLS, 5, 6, SEP, PAD, PAD]),
        ({"padding": "max_length"}, [CLS, 5, 6, SEP, *[PAD] * 12]),
        ({"padding": "max_length", "max_length": 2}, [CLS, 5, 6, SEP]),
        ({"padding": False, "pad_to_multiple_of": 3}, [CLS, 5, 6, SEP]),
        ({"tokenizer_kwargs": {"max_length": 3}}, [CLS, 5, SEP]),
    ],
    ids=repr,
)
def test_the_ids_are_those_the_arguments_ask_for(tokenizer, arguments, ids):
    assert tokenizer("the cat", **arguments)["input_ids"] == ids
    assert tokenizer.encode("the cat", **arguments) == ids
    assert tokenizer.encode_plus("the cat", **arguments)["input_ids"] == ids


@pytest.mark.parametrize(
    ("truncation", "max_length", "n_first", "n_second"),
    [
        (True, 9, 3, 3),
        ("longest_first", 8, 3, 2),
        ("longest_first", 10, 4, 3),
        ("only_first", 8, 2, 3),
        ("only_second", 10, 6, 1),
        ("do_not_truncate", 5, 6, 3),
    ],
)
def test_a_pair_is_cut_where_asked(tokenizer, truncation, max_length, n_first, n_second):
    found = tokenizer(LONG, "is red day", truncation=truncation, max_length=max_length)
    assert found.sequence_ids() == [None, *[0] * n_first, None, *[1] * n_second, None]


def test_rows_are_cut_to_what_the_model_reads(tokenizer):
    assert len(tokenizer(LONG * 5, truncation=True)["input_ids"]) == 16


def test_everything_that_can_be_returned_is(tokenizer):
    found = tokenizer(
        ["cats", "a"],
        padding=True,
        return_token_type_ids=True,
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
        return_length=True,
    )
    assert found["attention_mask"] == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert found["token_type_ids"] == [[0] * 4, [0] * 4]
    assert found["special_tokens_mask"] == [[1, 0, 0, 1], [1, 0, 1, 1]]
    assert found["offset_mapping"][0] == [(0, 0), (0, 3), (3, 4), (0, 0)]
    assert found["length"] == [4, 4]
    assert "attention_mask" not in tokenizer("a", return_attention_mask=False)


def test_what_overflows_follows_with_its_overlap(tokenizer):
    found = tokenizer(
        ["the cat", LONG],
        truncation=True,
        max_length=5,
        stride=1,
        padding="max_length",
        return_overflowing_tokens=True,
    )
    assert found["input_ids"] == [
        [CLS, 5, 6, SEP, PAD],
        [CLS, 5, 6, 8, SEP],
        [CLS, 8, 10, 5, SEP],
        [CLS, 5, 11, SEP, PAD],
    ]
    assert found["overflow_to_sample_mapping"] == [0, 1, 1, 1]
    assert len(found.encodings) == 4


def test_overflow_of_a_single_text_is_a_list_of_rows(tokenizer):
    found = tokenizer(LONG, max_length=5, return_overflowing_tokens=True)
    assert [len(row) for row in found["input_ids"]] == [5, 5]


def test_words_are_read_as_words(tokenizer):
    found = tokenizer([["cats", "on"], ["mat"]], is_split_into_words=True)
    assert found.word_ids(0) == [None, 0, 0, 1, None]
    alone = tokenizer(["cats", "on"], is_split_into_words=True)
    assert alone["input_ids"] == found["input_ids"][0]
    pair = tokenizer(["cats"], ["on", "mats"], is_split_into_words=True)
    assert pair.sequence_ids() == [None, 0, 0, None, 1, 1, 1, None]


@pytest.mark.parametrize("kind", [list, tuple])
def test_pairs_come_apart_or_together(tokenizer, kind):
    apart = tokenizer(["the", "a"], ["cat", "dog"])
    together = tokenizer([kind(("the", "cat")), kind(("a", "dog"))])
    assert together["input_ids"] == apart["input_ids"]
    assert tokenizer.batch_encode_plus([("the", "cat")])["input_ids"] == apart["input_ids"][:1]
    assert tokenizer(["the", "a"], ["cat", None])["input_ids"][1] == tokenizer("a")["input_ids"]


def test_targets_become_labels(tokenizer):
    assert tokenizer("the", text_target="a cat")["labels"] == tokenizer("a cat")["input_ids"]
    assert tokenizer(text_target="a cat")["input_ids"] == tokenizer("a cat")["input_ids"]


def test_an_enumerations_member_counts_as_its_string(tokenizer):
    from enum import StrEnum  # noqa: PLC0415 - as transformers has them

    choice = StrEnum("choice", ["longest", "only_first", "pt"])
    found = tokenizer("the cat", padding=choice.longest, return_tensors=choice.pt, max_length=3)
    assert found["input_ids"].shape == (1, 4)
    assert len(tokenizer("the cat", truncation=choice.only_first, max_length=3)["input_ids"]) == 3


def test_what_looks_like_a_mistake_is_logged(tokenizer, caplog):
    made = DistilBertTokenizer(tokenizer.get_vocab(), model_max_length=4)
    endless = DistilBertTokenizer(tokenizer.get_vocab())
    with caplog.at_level(logging.WARNING):
        made(LONG, verbose=False)
        made(LONG, padding=True, max_length=4, verbose=False)
        endless(LONG, truncation=True, verbose=False)
        assert not caplog.records
        made(LONG)
        made(LONG)
        made(LONG, padding=True, max_length=4)
        endless(LONG, truncation=True)
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == [
        "a",
        "max_length",
        "rows",
    ]
    assert "8 tokens and the model reads 4" in caplog.records[0].getMessage()


def test_rows_of_a_loader_are_padded(tokenizer):
    rows = [
        {"input_ids": [2, 5, 3], "labels": 1, "special_tokens_mask": [1, 0, 1]},
        {"input_ids": [2, 3], "labels": 0, "special_tokens_mask": [1, 1]},
    ]
    found = tokenizer.pad(rows, return_tensors="pt")
    assert found["input_ids"].tolist() == [[2, 5, 3], [2, 3, 0]]
    assert found["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert found["special_tokens_mask"].tolist() == [[1, 0, 1], [1, 1, 1]]
    assert found["labels"].tolist() == [1, 0]
    left = tokenizer.pad(rows, padding="max_length", max_length=4, padding_side="left")
    assert left["input_ids"] == [[0, 2, 5, 3], [0, 0, 2, 3]]
    assert "attention_mask" not in tokenizer.pad(rows, return_attention_mask=False)
    assert tokenizer.pad(rows, padding=False)["input_ids"] == [[2, 5, 3], [2, 3]]


def test_padding_changes_nothing_of_what_it_was_given(tokenizer):
    rows = {"input_ids": [[2, 5, 3], [2, 3]], "attention_mask": [[1, 1, 1], [1, 1]]}
    before = {name: [list(row) for row in values] for name, values in rows.items()}
    tokenizer.pad(rows)
    assert rows == before


def test_tensors_and_single_rows_are_padded_as_what_they_are(tokenizer):
    encodings = [tokenizer(text, return_tensors="pt") for text in ("the", "the cat")]
    rows = [{name: value[0] for name, value in row.items()} for row in encodings]
    assert tokenizer.pad(rows)["input_ids"].tolist() == [[2, 5, 3, 0], [2, 5, 6, 3]]
    arrays = tokenizer("the", return_tensors="np")
    found = tokenizer.pad(arrays, padding="max_length", max_length=4)
    assert type(found["input_ids"]) is type(arrays["input_ids"])
    single = tokenizer.pad(tokenizer("the"), padding="max_length", max_length=4)
    assert single["input_ids"] == [2, 5, 3, 0]


@pytest.mark.parametrize(
    ("texts", "arguments", "message"),
    [
        (([],), {}, "there are no texts: the batch is empty"),
        ((), {}, "there is no text: give text, or text_target"),
        ((3,), {}, "text must be a str, not int"),
        ((b"a",), {}, "text must be a str, not bytes"),
        ((["a", 3],), {}, "example 2: text must be a str, not int"),
        ((["a", None],), {}, "example 2: text must be a str, not NoneType"),
        (([["a", "b", "c"]],), {}, "example 1: text must be a str, not list; for texts split into"),
        (("a",), {"is_split_into_words": True}, "text must be a list of words, not str; is_split"),
        (([["a"], ["b", 3]],), {"is_split_into_words": True}, "example 2: a word of text must be"),
        (
            (["a"], "b"),
            {},
            "text is a list of 1, so text_pair must be one, too, and not of type str",
        ),
        ((["a", "b"], ["c"]), {}, "text has 2 rows and text_pair has 1"),
        ((["a", "b"], ["c", 3]), {}, "example 2: text_pair must be a str, not int"),
        (("a", 3), {}, "text_pair must be a str, not int"),
        ((["a", "b\ud800"],), {}, "example 2: a text holds half of a surrogate pair"),
        (("\udfff",), {"truncation": True}, "^a text holds half of a surrogate pair"),
        (([["a", "\ud800"]],), {"is_split_into_words": True}, "example 1: a text holds half"),
        (
            (["a b", "a"],),
            {"return_tensors": "pt"},
            r"rows of 'input_ids' differ in length \(3 to 4",
        ),
        ((["a b", "a"],), {"return_tensors": "np"}, "give padding=True, and truncation=True"),
        (
            (["a", LONG], ["a", "b"]),
            {"truncation": "only_second", "max_length": 6},
            "example 2: the row is 4 tokens too long, and its second text.* has 1; raise max",
        ),
        (
            ("a", LONG),
            {"truncation": "only_first", "max_length": 6},
            "^the row is 4 tokens too long, and its first text",
        ),
        (
            ([LONG],),
            {"truncation": "only_second", "max_length": 6},
            "example 1: the text is 2 tokens too long and there is no second one",
        ),
        (
            (["a", LONG], [LONG, LONG]),
            {"truncation": "only_second", "max_length": 12, "stride": 4},
            "example 2: 3 tokens of the second text fit beside the other, and stride=4 is not less",
        ),
        (
            ([LONG], [LONG]),
            {"truncation": True, "max_length": 10, "stride": 3},
            "example 1: 3 tokens of the first text fit",
        ),
    ],
    ids=repr,
)
def test_texts_that_cannot_be_read_are_refused(tokenizer, texts, arguments, message):
    with pytest.raises(InputError, match=message):
        tokenizer(*texts, **arguments)


def test_the_place_of_a_text_is_kept_with_the_error(tokenizer):
    with pytest.raises(InputError) as caught:
        tokenizer(["a", "b", 3])
    assert caught.value.index == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"paddin": True}, "no argument 'paddin'; it has: .* Did you mean 'padding'"),
        ({"tokenizer_kwargs": {"foo": 1}}, "no argument 'foo'"),
        (
            {"padding": "maxlength"},
            "padding must be True, False, or one of 'longest', 'max_length'",
        ),
        ({"padding": 3}, "padding must be True, False, or one of"),
        ({"truncation": "longest"}, "truncation must be True, False, or one of 'longest_first'"),
        ({"max_length": 4.5}, "max_length must be a whole number from 0 on, not 4.5"),
        ({"max_length": True}, "max_length must be a whole number from 0 on, not True"),
        ({"max_length": -1}, "max_length must be a whole number from 0 on, not -1"),
        ({"stride": -1}, "stride must be a whole number from 0 on, not -1"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of must be a whole number from 1 on, not 0"),
        ({"padding_side": "top"}, "padding_side must be 'left' or 'right', not 'top'"),
        ({"return_tensors": "tf"}, "return_tensors must be 'pt'.*not 'tf'"),
        ({"max_length": 1}, "max_length=1 leaves no room: 2 special tokens stand around a text"),
        ({"text_pair": "b", "max_length": 2}, "no room: 3 special tokens stand around a pair of"),
        ({"max_length": 4, "stride": 2}, "stride=2 is too much: 2 tokens of a text fit into a row"),
        (
            {"max_length": 6, "truncation": True, "padding": True, "pad_to_multiple_of": 4},
            "cut to max_length=6, which is no multiple of pad_to_multiple_of=4",
        ),
    ],
    ids=repr,
)
def test_arguments_that_mean_nothing_are_refused(tokenizer, arguments, message):
    with pytest.raises(ConfigError, match=message):
        tokenizer("a", **arguments)


def test_the_truncation_side_is_checked_when_it_is_used(tokenizer):
    made = DistilBertTokenizer(tokenizer.get_vocab())
    made.truncation_side = "top"
    with pytest.raises(ConfigError, match="truncation_side must be 'left' or 'right'"):
        made("a", max_length=3)


def test_padding_without_a_padding_token_is_refused(tokenizer):
    made = DistilBertTokenizer(tokenizer.get_vocab(), pad_token=None)
    with pytest.raises(ConfigError, match="the tokenizer has no padding token; give it one"):
        made(["a", "a b"], padding=True)
    with pytest.raises(ConfigError, match="the tokenizer has no padding token"):
        made.pad({"input_ids": [[1], [1, 2]]})
    assert made.pad({"input_ids": [[1], [1, 2]]}, padding=False)["input_ids"] == [[1], [1, 2]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there are no rows to pad: the batch is empty"),
        ("the", "rows to pad must be mappings with 'input_ids', not str"),
        ([1, 2], "rows to pad must be mappings with 'input_ids', not list"),
        ({"ids": [1]}, "rows to pad must be mappings with 'input_ids', not ids"),
        ([{"input_ids": [1]}, {"ids": [1]}], "example 2: it has ids, and the first has input_ids"),
        ({"input_ids": [[1], [2]], "labels": [1]}, "input_ids has 2 rows, and labels has another"),
        ({"input_ids": 3}, "input_ids must be a list of ids, not int"),
    ],
)
def test_rows_that_cannot_be_padded_are_refused(tokenizer, rows, message):
    with pytest.raises(InputError, match=message):
        tokenizer.pad(rows)


def test_labels_of_different_lengths_are_no_tensor(tokenizer):
    rows = {"input_ids": [[1, 2], [3]], "labels": [[1, 2], [3]]}
    with pytest.raises(InputError, match="rows of 'labels' differ in length"):
        tokenizer.pad(rows, return_tensors="pt")


def test_a_text_is_no_batch(tokenizer):
    with pytest.raises(
        InputError, match="batch_encode_plus takes a list of texts or of pairs, not str"
    ):
        tokenizer.batch_encode_plus("the cat")
