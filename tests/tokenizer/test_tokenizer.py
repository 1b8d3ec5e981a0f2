import json
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer
from transformers import BertTokenizer

from polyhead.errors import CheckpointError, InputError
from polyhead.tokenizer import TextSettings, Tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS += [*LETTERS, *(f"##{letter}" for letter in LETTERS), *"0123456789.,!?-'\"()"]
WORDS += [
    "the",
    "film",
    "##ing",
    "good",
    "un",
    "##able",
    "日",
    "本",
    "é",
    "##é",
    "Good",
    "\U0001f600",
]
VOCABULARY = {word: number for number, word in enumerate(WORDS)}
CLS, SEP = VOCABULARY["[CLS]"], VOCABULARY["[SEP]"]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(BertWordPieceTokenizer(vocab=VOCABULARY)._tokenizer)


@pytest.fixture(scope="module")
def reference():
    return BertTokenizer(vocab=VOCABULARY)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return tmp_path


def settled(tokenizer, max_length, truncation="longest_first"):
    return tokenizer.with_settings(TextSettings(max_length=max_length, truncation=truncation))


def ids(*words):
    return tuple(VOCABULARY[word] for word in words)


def words(row):
    return [WORDS[number] for number in row.ids]


def some_texts(n):
    """Random Unicode of every sort: words, accents, ideographs, emoji, controls, rare planes."""
    random_state = random.Random(0)  # noqa: S311 - the same texts each time
    ranges = [(32, 126)] * 4 + [(0, 31), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF)]
    ranges += [(0x2000, 0x206F), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3)]
    ranges += [(0xE000, 0xFFFF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xF0000, 0x10FFFF)]
    for _ in range(n):
        characters = []
        for _ in range(random_state.randint(1, 60)):
            if random_state.random() < 0.2:
                characters.append(random_state.choice([" the ", "filming", " good", "日本"]))
            characters.append(chr(random_state.randint(*random_state.choice(ranges))))
        yield "".join(characters)


def test_a_text_lies_between_its_special_tokens(tokenizer):
    (row,) = tokenizer.rows(["The FILMING, undoable!"])
    assert words(row) == [
        *("[CLS]", "the", "film", "##ing", ",", "un", "##d", "##o", "##able", "!", "[SEP]")
    ]
    assert row.positions is row.offsets is row.segments is None
    assert row.n_dropped == 0


def test_a_pair_shares_one_row(tokenizer):
    rows = tokenizer.rows(["good", "the film"], ["film", None])
    assert rows[0].ids == (CLS, *ids("good"), SEP, *ids("film"), SEP)
    assert rows[1].ids == (CLS, *ids("the", "film"), SEP)


def test_offsets_are_characters_of_the_text_a_token_comes_from(tokenizer):
    text, pair = "\U0001f600 Éa filming", "good\u00a0 film"
    (row,) = tokenizer.rows([text], [pair], offsets=True)
    assert row.segments == (-1, 0, 0, 0, 0, 0, -1, 1, 1, -1)
    sources = {0: text, 1: pair}
    spans = [
        sources[segment][start:stop] if segment >= 0 else None
        for segment, (start, stop) in zip(row.segments, row.offsets, strict=True)
    ]
    assert spans == [None, "\U0001f600", "É", "a", "film", "ing", None, "good", "film", None]
    assert [row.offsets[place] for place in (0, 6, 9)] == [(0, 0)] * 3


def test_offsets_do_not_change_the_tokens(tokenizer):
    texts = [text for text in some_texts(100) if has_words(tokenizer, text)]
    plain, marked = tokenizer.rows(texts), tokenizer.rows(texts, offsets=True)
    assert [row.ids for row in plain] == [row.ids for row in marked]
    assert all(len(row.offsets) == len(row.segments) == len(row) for row in marked)


def has_words(tokenizer, text):
    try:
        tokenizer.rows([text])
    except InputError:
        return False
    return True


def test_tokens_are_those_of_transformers_on_random_unicode(tokenizer, reference):
    long = settled(tokenizer, 4096)
    n_checked = 0
    for text in some_texts(400):
        expected = reference(text)["input_ids"]
        if expected == [CLS, SEP]:
            with pytest.raises(InputError, match="has no words"):
                long.rows([text])
        else:
            assert list(long.rows([text])[0].ids) == expected, repr(text)
            n_checked += 1
    assert n_checked > 350


def test_pairs_are_those_of_transformers(tokenizer, reference):
    texts = [text for text in some_texts(100) if has_words(tokenizer, text)]
    pairs = texts[1:] + texts[:1]
    found = settled(tokenizer, 4096).rows(texts, pairs)
    expected = reference(texts, pairs)["input_ids"]
    assert [list(row.ids) for row in found] == expected


@settings(max_examples=200, deadline=None)
@given(text=st.text(), pair=st.none() | st.text(), length=st.integers(5, 12))
def test_any_text_becomes_a_row_that_fits_or_is_refused(tokenizer, text, pair, length):
    short = settled(tokenizer, length)
    try:
        (row,) = short.rows([text], [pair], offsets=True)
    except InputError as error:
        assert "has no words" in str(error)  # noqa: PT017 - both outcomes are allowed
        return
    assert len(row) <= length
    assert (row.ids[0], row.ids[-1]) == (CLS, SEP)
    assert row.segments.count(-1) == (2 if pair is None else 3)
    assert set(row.segments) == {-1, 0} | ({1} if pair is not None else set())


@pytest.mark.parametrize(
    ("first", "second", "max_length", "kept"),
    [
        ("abcdef", None, 5, (3, 0)),
        ("abcdef", None, 3, (1, 0)),
        ("ab", None, 4, (2, 0)),
        ("abcdef", "abcdef", 10, (4, 3)),
        ("abcdef", "abcdef", 9, (3, 3)),
        ("ab", "abcdefgh", 9, (2, 4)),
        ("abcdefgh", "ab", 9, (4, 2)),
        ("a", "abcdefgh", 5, (1, 1)),
        ("abc", "abc", 9, (3, 3)),
    ],
)
def test_longest_first_cuts_the_longer_text(tokenizer, first, second, max_length, kept):
    short = settled(tokenizer, max_length)
    (row,) = short.rows([first], [second], offsets=True)
    assert (row.segments.count(0), row.segments.count(1)) == kept
    assert row.n_dropped == len(first) + len(second or "") - sum(kept)
    assert words(row)[1] == "a"  # the beginning is kept


@pytest.mark.parametrize(
    ("truncation", "first", "second", "kept"),
    [
        ("only_first", "abcdef", "abcd", (2, 4)),
        ("only_second", "abcd", "abcdef", (4, 2)),
        ("only_first", "abcdefghij", None, (7, 0)),
        ("only_second", "abc", "abc", (3, 3)),
    ],
)
def test_one_text_alone_can_be_cut(tokenizer, truncation, first, second, kept):
    short = settled(tokenizer, 9, truncation)
    (row,) = short.rows([first], [second], offsets=True)
    assert (row.segments.count(0), row.segments.count(1)) == kept


@pytest.mark.parametrize(
    ("truncation", "first", "second", "which"),
    [
        ("only_first", "abc", "abcdefgh", "first"),
        ("only_second", "abcdefgh", "abc", "second"),
        ("only_second", "abcdefghij", None, "second"),
    ],
)
def test_a_text_is_never_cut_to_nothing(tokenizer, truncation, first, second, which):
    with pytest.raises(InputError, match=f"more than its {which} text has; raise max_length"):
        settled(tokenizer, 9, truncation).rows([first], [second])


def test_refuse_makes_a_long_text_an_error_that_shows_its_beginning(tokenizer):
    strict = settled(tokenizer, 6, "refuse")
    assert len(strict.rows(["abcd"])[0]) == 6
    with pytest.raises(InputError, match="example 2: the text 'abcdefgh' has 8 tokens and 4 fit"):
        strict.rows(["abcd", "abcdefgh"])
    with pytest.raises(InputError, match="has 4 tokens and 3 fit"):
        strict.rows(["ab"], ["ab"])


def test_a_text_of_a_hundred_thousand_words_is_cut_and_told(tokenizer):
    (row,) = tokenizer.rows(["film " * 100_000])
    assert len(row) == 128
    assert row.n_dropped == 100_000 - 126


def test_a_long_text_is_not_quoted_in_full(tokenizer):
    with pytest.raises(InputError) as caught:
        settled(tokenizer, 6, "refuse").rows(["film " * 1000])
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("max_length", [3, 4])
def test_a_pair_needs_room_for_a_token_of_each(tokenizer, max_length):
    with pytest.raises(InputError, match=f"max_length {max_length} leaves no room for a pair"):
        settled(tokenizer, max_length).rows(["ab"], ["ab"])


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t\r", "\0", "\u200b", "\ufeff", "\u00a0", "\x01\x02"]
)
def test_a_text_without_words_is_refused_with_its_number(tokenizer, text):
    with pytest.raises(
        InputError, match="example 2: the text has no words: it is empty or white space only"
    ):
        tokenizer.rows(["good", text])
    with pytest.raises(InputError, match="example 1: the second text has no words"):
        tokenizer.rows(["good"], [text])


def test_nul_and_control_characters_are_dropped(tokenizer):
    assert tokenizer.rows(["go\0od\x07"])[0].ids == tokenizer.rows(["good"])[0].ids


def test_emoji_are_words_known_or_not(tokenizer):
    (row,) = tokenizer.rows(["good \U0001f600 \U0001f409"])
    assert words(row) == ["[CLS]", "good", "\U0001f600", "[UNK]", "[SEP]"]


@pytest.mark.parametrize("text", ["\ud800", "good \udfff film"])
def test_half_of_a_surrogate_pair_is_refused(tokenizer, text):
    with pytest.raises(InputError, match="example 1: the text holds half of a surrogate pair"):
        tokenizer.rows([text])
    with pytest.raises(InputError, match="example 2: the second text holds half of a surrogate"):
        tokenizer.rows(["good", "the"], [None, text])


@pytest.mark.parametrize(
    ("text", "name"), [(None, "NoneType"), (3, "int"), (b"a", "bytes"), (("a", "b"), "tuple")]
)
def test_what_is_no_text_is_refused(tokenizer, text, name):
    with pytest.raises(InputError, match=f"a text must be a str or a list of words, not {name}"):
        tokenizer.rows(["good", text])


def test_no_texts_are_no_rows(tokenizer):
    assert tokenizer.rows([]) == []


def test_ids_can_be_read_again(tokenizer):
    (row,) = tokenizer.rows(["the filming"], ["good"])
    assert tokenizer.decode(row.ids) == "the filming good"


def test_settings_belong_to_each_tokenizer(tokenizer):
    short = settled(tokenizer, 3)
    assert len(short.rows(["the film"])[0]) == 3
    assert len(tokenizer.rows(["the film"])[0]) == 4
    assert short.vocab_size == tokenizer.vocab_size == len(VOCABULARY)


def test_threads_with_settings_of_their_own_do_not_disturb_each_other(tokenizer):
    texts = ["the film is good " * 40] * 20
    wrong = []

    def run(max_length):
        for _ in range(20):
            rows = settled(tokenizer, max_length).rows(texts)
            wrong.extend(row for row in rows if len(row) != max_length)

    threads = [threading.Thread(target=run, args=(length,)) for length in (5, 17, 64, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("fields", [{"max_length": 2}, {"truncation": "longest"}, {"maxlength": 9}])
def test_settings_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        TextSettings(**fields)


def test_a_vocabulary_and_the_json_made_from_it_give_the_same_rows(folder):
    from_vocabulary = Tokenizer.from_folder(folder)
    BertWordPieceTokenizer(vocab=VOCABULARY).save(str(folder / "tokenizer.json"))
    from_json = Tokenizer.from_folder(folder)
    texts = [text for text in some_texts(100) if has_words(from_json, text)]
    assert from_vocabulary.rows(texts, offsets=True) == from_json.rows(texts, offsets=True)
    assert from_vocabulary.vocab_size == from_json.vocab_size


def test_truncation_and_padding_written_into_a_json_are_switched_off(folder):
    backend = BertWordPieceTokenizer(vocab=VOCABULARY)
    backend.enable_truncation(3)
    backend.enable_padding(length=50)
    backend.save(str(folder / "tokenizer.json"))
    (row,) = Tokenizer.from_folder(folder).rows(["the film"])
    assert row.ids == (CLS, *ids("the", "film"), SEP)


@pytest.mark.parametrize(
    ("config", "text", "expected"),
    [
        ({"do_lower_case": False}, "Good", ("Good",)),
        ({"do_lower_case": False}, "é", ("é",)),
        ({"do_lower_case": True}, "É", ("e",)),
        ({"do_lower_case": True, "strip_accents": False}, "É", ("é",)),
        ({"tokenize_chinese_chars": False}, "日本", ("[UNK]",)),
        ({}, "日本", ("日", "本")),
    ],
)
def test_a_vocabulary_is_read_as_its_config_says(folder, config, text, expected):
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (row,) = Tokenizer.from_folder(folder).rows([text])
    assert row.ids == (CLS, *ids(*expected), SEP)


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"needs tokenizer\.json or vocab\.txt"):
        Tokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", "not json"),
        ("tokenizer_config.json", "[]"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(CheckpointError, match=r"the tokenizer in .* cannot be read") as caught:
        Tokenizer.from_folder(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["[CLS]", "[SEP]"])
def test_a_vocabulary_without_special_tokens_is_refused(tmp_path, missing):
    (tmp_path / "vocab.txt").write_text("\n".join(word for word in WORDS if word != missing))
    with pytest.raises(CheckpointError):
        Tokenizer.from_folder(tmp_path)


def test_words_keep_their_number_and_their_place_in_the_joined_text(tokenizer):
    words = ["good", "ab", "", "bad"]
    [row] = tokenizer.rows([words], offsets=True)
    text = " ".join(words)
    assert row.words[0] == row.words[-1] == -1
    by_word = {}
    for word, (start, stop) in zip(row.words[1:-1], row.offsets[1:-1], strict=True):
        by_word[word] = by_word.get(word, "") + text[start:stop]
    assert by_word == dict(enumerate(words))


def test_a_word_of_which_nothing_is_left_is_one_unknown_token(tokenizer):
    [row] = tokenizer.rows([["good", "\u200b", "bad"]], offsets=True)
    [place] = [place for place, word in enumerate(row.words) if word == 1]
    assert row.ids[place] == tokenizer.unk_id


@pytest.mark.parametrize("words", [["good", 3], ("good", "bad"), ["good", None]])
def test_words_that_are_no_words_are_refused(tokenizer, words):
    with pytest.raises(InputError, match=r"example 1: a (word|text) must be a str"):
        tokenizer.rows([words])


def test_windows_cover_a_long_text_and_say_where_they_start(tokenizer):
    small = settled(tokenizer, 5, "longest_first")
    text = "good the good the good the good"
    [whole] = tokenizer.rows([text], offsets=True)
    [windows] = small.windows([text], overlap=1)
    assert [row.start for row in windows] == [0, 2, 4]
    for row in windows:
        inner = slice(1 + row.start, 1 + row.start + len(row) - 2)
        assert row.ids[1:-1] == whole.ids[inner]
        assert row.offsets[1:-1] == whole.offsets[inner]
        assert row.words[1:-1] == whole.words[inner]


def test_windows_of_a_pair_all_have_the_first_text(tokenizer):
    small = settled(tokenizer, 6, "refuse")
    [windows] = small.windows(["good"], ["the good the good"], overlap=1)
    assert len(windows) == 3
    for row in windows:
        assert row.segments == (-1, 0, -1, 1, 1, -1)
        assert row.ids[1] == windows[0].ids[1]


def test_a_first_text_that_fills_the_window_is_refused(tokenizer):
    small = settled(tokenizer, 6, "refuse")
    with pytest.raises(InputError, match="example 2: the text has 3 tokens, and a window"):
        small.windows(["good", "good the good"], ["the", "the"], overlap=0)


def test_one_that_remembers_spells_a_text_once_and_the_same(tiny_tokenizer, monkeypatch):
    spelled = []
    encode = type(tiny_tokenizer)._encode
    monkeypatch.setattr(
        type(tiny_tokenizer),
        "_encode",
        lambda self, texts, **how: spelled.extend(texts) or encode(self, texts, **how),
    )
    texts = ["the cat sat", "a day", "the cat sat"]
    short = TextSettings(max_length=5)
    expected = tiny_tokenizer.with_settings(short).rows(texts, [None, "good", None])
    plain = tiny_tokenizer.rows(texts, offsets=True)
    spelled.clear()
    remembering = tiny_tokenizer.remembering()
    for _ in range(2):
        assert remembering.with_settings(short).rows(texts, [None, "good", None]) == expected
    assert sorted(spelled) == ["a day", "good", "the cat sat"]
    assert remembering.rows(texts, offsets=True) == plain
    assert remembering.rows([["the", "cat"]]) == tiny_tokenizer.rows([["the", "cat"]])


@pytest.mark.parametrize("text", ["", "  ", "\ud800", 5])
def test_one_that_remembers_refuses_the_same_texts(tiny_tokenizer, text):
    with pytest.raises(InputError) as expected:
        tiny_tokenizer.rows(["a", text])
    with pytest.raises(InputError) as found:
        tiny_tokenizer.remembering().rows(["a", text])
    assert (str(found.value), found.value.index) == (str(expected.value), expected.value.index)
