"""What a documented tokenizer is made with, and the tokens it knows."""

import pickle
from copy import deepcopy

import pytest
from tokenizers import AddedToken

from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer, DistilBertTokenizerFast
from polyhead.errors import CheckpointError, ConfigError, InputError


@pytest.fixture(scope="module")
def vocabulary(tiny_vocabulary) -> dict[str, int]:
    more = ("the", "Day", "café", "cafe", "a-b", "中", "##中")
    return {token: number for number, token in enumerate(dict.fromkeys((*tiny_vocabulary, *more)))}


@pytest.fixture
def make(vocabulary):
    return lambda **options: DistilBertTokenizer(vocabulary, **options)


@pytest.fixture
def tokenizer(make) -> DistilBertTokenizer:
    return make()


def test_both_documented_names_are_one_class():
    assert DistilBertTokenizerFast is DistilBertTokenizer


def test_a_vocabulary_is_a_file_or_a_mapping_under_either_name(vocabulary, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    makers = [
        DistilBertTokenizer(vocabulary),
        DistilBertTokenizer(path),
        DistilBertTokenizer(vocab_file=str(path)),
        DistilBertTokenizer(vocab=vocabulary),
        DistilBertTokenizer.from_pretrained(path),
    ]
    expected = [2, 5, 6, vocabulary["##s"], 3]
    assert all(made("the cats")["input_ids"] == expected for made in makers)
    assert all(made.vocab_size == len(vocabulary) for made in makers)


def test_a_tokenizer_file_is_read_as_it_stands(make, tmp_path):
    cased = make(do_lower_case=False, wordpieces_prefix="#", unk_token="x")  # noqa: S106
    path = tmp_path / "tokenizer.json"
    cased.backend_tokenizer.save(str(path))
    found = DistilBertTokenizer(tokenizer_file=path)
    assert found("Day THE")["input_ids"] == cased("Day THE")["input_ids"]
    assert (found.do_lower_case, found.wordpieces_prefix, found.unk_token) == (False, "#", "x")
    assert DistilBertTokenizer(tokenizer_file=path, do_lower_case=True).do_lower_case


def test_limits_that_a_file_was_saved_with_are_not_kept_but_their_sides(make, tmp_path):
    backend = make().backend_tokenizer
    backend.enable_truncation(3, direction="left")
    backend.enable_padding(length=9, direction="left")
    backend.save(str(tmp_path / "tokenizer.json"))
    found = DistilBertTokenizer.from_pretrained(tmp_path)
    assert len(found("the cat sat on the mat")["input_ids"]) == 8
    assert found("the cat sat", truncation=True, max_length=3)["input_ids"] == [2, 8, 3]
    assert found.padding_side == "left"


@pytest.mark.parametrize(
    ("options", "text", "tokens"),
    [
        ({}, "Day CAFÉ", ["day", "cafe"]),
        ({"do_lower_case": False}, "Day the", ["Day", "the"]),
        ({"do_lower_case": False}, "Café", ["[UNK]"]),
        ({"strip_accents": False}, "Café", ["café"]),
        ({"do_lower_case": False, "strip_accents": True}, "café", ["cafe"]),
        ({}, "a中b", ["a", "中", "b"]),
        ({"tokenize_chinese_chars": False}, "a中b", ["a", "##中", "##b"]),
        ({}, "a\x00b\x07c", ["a", "##b", "##c"]),
        ({"clean_text": False}, "a\x00b", ["[UNK]"]),
        ({}, "a-b", ["a", "[UNK]", "b"]),
        ({"never_split": ["a-b"]}, "A-B a-b, a-b", ["a-b", "a", "[UNK]", "b", ",", "a-b"]),
        ({"never_split": {"don't"}}, "don't don't.", ["[UNK]", "d", "##o", "##n", "'", "t", "."]),
        ({"never_split": ("thé",)}, "Thé the", ["[UNK]", "the"]),
        ({"never_split": ["café"], "strip_accents": False}, "Café", ["café"]),
        ({"never_split": ["Day"]}, "Day", ["day"]),
        ({"never_split": ["Day"], "do_lower_case": False}, "Day day", ["Day", "day"]),
        ({"never_split": ["", " "]}, "the.", ["the", "."]),
        ({"do_basic_tokenize": False}, "a-b Day\x1cthe.", ["a-b", "Day", "the", "##."]),
        ({"do_basic_tokenize": False, "never_split": ["a."]}, "a.", ["a", "##."]),
        ({"split_special_tokens": True}, "[SEP]", ["[UNK]", "s", "##e", "##p", "[UNK]"]),
        ({}, "x[SEP]y", ["x", "[SEP]", "y"]),
        ({}, "x" * 100, ["x", *["##x"] * 99]),
        ({}, "x" * 101, ["[UNK]"]),
        ({"unk_token": "z"}, "中中 §", ["中", "中", "z"]),
    ],
)
def test_text_becomes_tokens_as_the_options_say(make, options, text, tokens):
    assert make(**options).tokenize(text) == tokens


def test_a_word_that_is_never_split_keeps_its_place_in_the_text(make):
    text = "the DON'T, and don't\n"
    found = make(never_split=["don't"])(text, return_offsets_mapping=True, add_special_tokens=False)
    assert [text[start:end] for start, end in found["offset_mapping"]][-1] == "don't"
    assert found.word_ids()[-1] == max(found.word_ids())


def test_options_can_be_read_and_not_set(make):
    made = make(do_lower_case=False, never_split=["a-b"], strip_accents=True, clean_text=False)
    assert (made.do_lower_case, made.never_split, made.strip_accents) == (False, ("a-b",), True)
    assert (made.clean_text, made.tokenize_chinese_chars, made.do_basic_tokenize) == (
        False,
        True,
        True,
    )
    assert made.wordpieces_prefix == "##"
    with pytest.raises(AttributeError):
        made.do_lower_case = True


def test_the_wordpiece_prefix_marks_what_continues_a_word():
    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "un": 3, "@do": 4}
    made = DistilBertTokenizer(words, wordpieces_prefix="@")
    assert made.tokenize("undo") == ["un", "@do"]
    assert made.decode([3, 4]) == "undo"


def test_special_tokens_have_names_and_ids(tokenizer):
    assert tokenizer.special_tokens_map == {
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id) == (0, 4, 1)
    assert (tokenizer.bos_token, tokenizer.eos_token_id) == (None, None)
    assert tokenizer.all_special_tokens == ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]
    assert tokenizer.all_special_ids == [1, 3, 0, 2, 4]
    assert tokenizer.additional_special_tokens == []


def test_special_tokens_that_are_given_and_lacking_are_added(make, vocabulary):
    more = ["<e>", AddedToken("<f>", lstrip=True)]
    made = make(eos_token="</s>", additional_special_tokens=more)  # noqa: S106
    assert made.eos_token_id == len(vocabulary)
    assert made.additional_special_tokens_ids == [len(vocabulary) + 1, len(vocabulary) + 2]
    assert made.extra_special_tokens == ["<e>", "<f>"]
    assert len(made) == len(vocabulary) + 3
    assert made.vocab_size == len(vocabulary)
    ids = made("the <e>cat  <f>")["input_ids"]
    assert ids == [2, 5, len(vocabulary) + 1, 6, len(vocabulary) + 2, 3]
    assert made.decode(ids, skip_special_tokens=True) == "the cat"


def test_special_tokens_that_are_neither_given_nor_there_are_none():
    made = DistilBertTokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3})
    assert (made.mask_token, made.pad_token_id, len(made)) == (None, None, 4)


def test_a_text_may_stand_without_frame(make):
    made = make(cls_token=None, sep_token=None)
    assert made("the cat", "sat")["input_ids"] == [5, 6, 8]
    assert made.num_special_tokens_to_add(pair=True) == 0
    assert made.build_inputs_with_special_tokens([7], [8]) == [7, 8]


def test_a_new_frame_stands_around_texts(tokenizer):
    tokenizer.add_special_tokens({"cls_token": "<s>"})
    tokenizer.sep_token_id = 10
    assert tokenizer.cls_token_id == len(tokenizer) - 1
    assert tokenizer("cat")["input_ids"] == [tokenizer.cls_token_id, 6, 10]


def test_named_tokens_are_set_by_token_and_by_id(tokenizer):
    tokenizer.pad_token = "cat"  # noqa: S105
    assert tokenizer(["the", "the dog"], padding=True)["input_ids"][0][-1] == 6
    tokenizer.pad_token_id = 7
    assert tokenizer.pad_token == "dog"  # noqa: S105
    tokenizer.pad_token = None
    assert tokenizer.pad_token_id is None
    tokenizer.bos_token_id = None
    assert tokenizer.bos_token is None


def test_the_list_of_special_tokens_is_replaced_or_extended(tokenizer):
    assert tokenizer.add_special_tokens({"additional_special_tokens": ["<a>", "<b>"]}) == 2
    tokenizer.add_special_tokens({"extra_special_tokens": ["<c>"]})
    assert tokenizer.additional_special_tokens == ["<c>"]
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<a>"]}, replace_additional_special_tokens=False
    )
    assert tokenizer.additional_special_tokens == ["<c>", "<a>"]
    assert "<b>" in tokenizer.get_added_vocab()


def test_added_tokens_are_found_in_text(tokenizer, vocabulary):
    assert tokenizer.add_tokens("zebra") == 1
    assert tokenizer.add_tokens(["zebra", AddedToken("day-x", single_word=True)]) == 1
    number = len(vocabulary)
    assert tokenizer.convert_tokens_to_ids(["zebra", "day-x"]) == [number, number + 1]
    assert tokenizer.tokenize("a Zebra day-x day-xy") == [
        *("a", "zebra", "day-x", "day", "[UNK]", "x", "##y")
    ]
    assert tokenizer.get_vocab()["zebra"] == number
    assert tokenizer.vocab == tokenizer.get_vocab()
    assert list(tokenizer.added_tokens_decoder) == [0, 1, 2, 3, 4, number, number + 1]


def test_ids_become_tokens_and_text(tokenizer):
    ids = tokenizer("The cats, they ran!")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[:4] == ["[CLS]", "the", "cat", "##s"]
    assert tokenizer.convert_ids_to_tokens(6) == "cat"
    assert tokenizer.convert_ids_to_tokens([2, 6], skip_special_tokens=True) == ["cat"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the cats, they ran!"
    assert tokenizer.batch_decode([ids, [6]]) == ["[CLS] the cats, they ran! [SEP]", "cat"]
    assert tokenizer.decode([ids, [6]]) == tokenizer.batch_decode([ids, [6]])
    assert tokenizer.batch_decode([6, 7]) == ["cat dog"]
    assert tokenizer.convert_tokens_to_string(["cat", "##s", "."]) == "cats."
    assert tokenizer.decode([]) == ""


def test_ids_may_be_in_arrays_tensors_and_encodings(tokenizer):
    found = tokenizer(["the cat", "on"], padding=True, return_tensors="pt")
    assert tokenizer.batch_decode(found["input_ids"], skip_special_tokens=True) == ["the cat", "on"]
    assert tokenizer.decode(found["input_ids"][0].numpy()) == "[CLS] the cat [SEP]"
    assert tokenizer.decode(found["input_ids"][0, 1]) == "the"
    assert tokenizer.decode(list(found["input_ids"][1])) == "[CLS] on [SEP] [PAD]"
    assert tokenizer.decode(tokenizer("on")) == "[CLS] on [SEP]"


def test_contractions_are_put_together_on_request(make):
    ids = make()("don't")["input_ids"][1:-1]
    assert make().decode(ids) == "don ' t"
    assert make().decode(ids, clean_up_tokenization_spaces=True) == "don't"
    assert make(clean_up_tokenization_spaces=True).decode(ids) == "don't"


def test_rows_are_built_and_masked_by_hand(tokenizer):
    assert tokenizer.build_inputs_with_special_tokens([7, 8]) == [2, 7, 8, 3]
    assert tokenizer.build_inputs_with_special_tokens([7], [8]) == [2, 7, 3, 8, 3]
    assert tokenizer.create_token_type_ids_from_sequences([7], [8]) == [0, 0, 0, 1, 1]
    assert tokenizer.create_token_type_ids_from_sequences([7]) == [0, 0, 0]
    assert tokenizer.get_special_tokens_mask([7], [8, 9]) == [1, 0, 1, 0, 0, 1]
    row = [2, 7, 3, 0]
    assert tokenizer.get_special_tokens_mask(row, already_has_special_tokens=True) == [1, 0, 1, 1]
    assert tokenizer.num_special_tokens_to_add() == 2
    assert tokenizer.num_special_tokens_to_add(pair=True) == 3


def test_the_room_for_texts_is_what_special_tokens_leave(make):
    made = make(model_max_length=12)
    assert (made.max_len_single_sentence, made.max_len_sentences_pair) == (10, 9)


def test_a_copy_and_a_pickle_tokenise_alike(make):
    made = make(never_split=["a-b"], additional_special_tokens=["<e>"])
    expected = made("the a-b <e>")["input_ids"]
    for other in (deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301 - our own
        assert other("the a-b <e>")["input_ids"] == expected
        other.add_tokens("zebra")
    assert "zebra" not in made.get_vocab()


def test_it_shows_what_it_is(make):
    shown = repr(make(name_or_path="somewhere", model_max_length=7))
    assert "somewhere" in shown
    assert "model_max_length=7" in shown
    assert "'cls_token': '[CLS]'" in shown
    assert make().is_fast
    assert bool(make())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"do_lower_cas": True},
            "no tokenizer option 'do_lower_cas'.* Did you mean 'do_lower_case'",
        ),
        ({"do_lower_case": "yes"}, r"do_lower_case: Input should be a valid boolean \(got 'yes'\)"),
        ({"never_split": "abc"}, "never_split: must be a list of words"),
        ({"never_split": 3}, "never_split: must be a list of words"),
        ({"never_split": [3]}, "never_split.0: Input should be a valid string"),
        ({"padding_side": "top"}, "padding_side: Input should be 'left' or 'right'"),
        ({"model_max_length": 0}, "model_max_length: Input should be greater than or equal to 1"),
        ({"wordpieces_prefix": ""}, "wordpieces_prefix: String should have at least 1 character"),
        ({"mask_token": 4}, "mask_token.*got 4"),
        ({"unk_token": None}, "unk_token.*got None"),
        ({"added_tokens_decoder": {900: {"lstrip": True}}}, "needs a 'content'"),
    ],
)
def test_options_that_mean_nothing_are_refused(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_a_tokenizer_without_vocabulary_is_refused():
    with pytest.raises(ConfigError, match="a tokenizer needs a vocabulary: give vocab_file"):
        DistilBertTokenizer()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["a"], r"of 1 tokens lacks the unknown token '\[UNK\]'; give the one it has as unk_token"),
        (["[UNK]", "[CLS]"], r"lacks '\[SEP\]', which stands around texts.* as sep_token"),
        (["[UNK]", "[SEP]"], r"lacks '\[CLS\]'"),
    ],
)
def test_a_vocabulary_that_lacks_what_every_row_needs_is_refused(tokens, message):
    with pytest.raises(CheckpointError, match=message):
        DistilBertTokenizer({token: number for number, token in enumerate(tokens)})


def test_added_tokens_with_other_ids_than_files_say_are_refused(make):
    with pytest.raises(CheckpointError, match=r"give the added token '<e>' the id 900"):
        make(added_tokens_decoder={900: AddedToken("<e>")})


def test_a_token_that_would_share_an_id_is_refused():
    gap = DistilBertTokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 4})
    with pytest.raises(ConfigError, match="'b' cannot be added: it would have the id 4 of 'a'"):
        gap.add_tokens("b")
    assert gap.convert_tokens_to_ids("b") == 0


def test_names_and_tokens_that_are_none_are_refused(tokenizer):
    before = tokenizer.get_vocab()
    with pytest.raises(
        ConfigError, match="no special token has the name 'foo'; the names are: bos"
    ):
        tokenizer.add_special_tokens({"foo": "cat"})
    with pytest.raises(InputError, match="additional_special_tokens must be a list of tokens"):
        tokenizer.add_special_tokens({"additional_special_tokens": "<e>"})
    with pytest.raises(InputError, match="a token must be a str or an AddedToken, not int"):
        tokenizer.add_tokens([3])
    with pytest.raises(InputError, match="at least one character"):
        tokenizer.add_tokens("")
    with pytest.raises(InputError, match="pad_token must be a str or an AddedToken, not int"):
        tokenizer.pad_token = 3
    with pytest.raises(
        ConfigError, match=r"pad_token: the vocabulary has no token '<pad>'; add it"
    ):
        tokenizer.pad_token = "<pad>"  # noqa: S105
    with pytest.raises(
        ConfigError, match="pad_token_id: no token has the id 4000; the ids go from"
    ):
        tokenizer.pad_token_id = 4000
    with pytest.raises(ConfigError, match="pad_token_id: no token has the id -1"):
        tokenizer.pad_token_id = -1
    with pytest.raises(ConfigError, match="unk_token cannot be None"):
        tokenizer.unk_token = None
    assert tokenizer.get_vocab() == before


def test_ids_and_tokens_of_the_wrong_type_are_refused(tokenizer):
    with pytest.raises(InputError, match=r"-100 is not a token's id. Labels that are not counted"):
        tokenizer.decode([2, -100])
    with pytest.raises(InputError, match=r"4294967296 is not a token's id"):
        tokenizer.decode([2**32])
    with pytest.raises(InputError, match="token ids must be whole numbers, not 'cat'"):
        tokenizer.decode("cat")
    with pytest.raises(InputError, match=r"token ids must be whole numbers, not 1\.5"):
        tokenizer.convert_ids_to_tokens([1.5])
    with pytest.raises(InputError, match="token ids must be whole numbers, not True"):
        tokenizer.convert_ids_to_tokens([True])
    with pytest.raises(InputError, match="a token must be a str, not NoneType"):
        tokenizer.convert_tokens_to_ids(["cat", None])
    with pytest.raises(InputError, match="tokens must be a str or a list of str, not 3"):
        tokenizer.convert_tokens_to_ids(3)
    with pytest.raises(InputError, match="already have special tokens are one row"):
        tokenizer.get_special_tokens_mask([1], [2], already_has_special_tokens=True)
