import pytest

from polyhead.heads.tagging.letter_case import N_CASES, case_of, cases_of_row

UNKNOWN, SMALL, FIRST, CAPITALS, MIXED, NONE = range(N_CASES)


@pytest.mark.parametrize(
    ("word", "case"),
    [
        ("the", SMALL),
        ("don't", SMALL),
        ("The", FIRST),
        ("I", FIRST),
        ("Élan", FIRST),
        ('"The', FIRST),
        ("O'neil", FIRST),
        ("NASA", CAPITALS),
        ("U.S.", CAPITALS),
        ("B2B", CAPITALS),
        ("iPhone", MIXED),
        ("McDonald", MIXED),
        ("42", NONE),
        ("...", NONE),
        ("日本", NONE),
        ("", NONE),
    ],
)
def test_words_are_told_apart_by_how_they_are_written(word, case):
    assert case_of(word) == case


def test_every_token_has_the_case_of_its_word(tiny_tokenizer):
    words = ["The", "ABC", "cat", "\u200b"]
    [[row]] = tiny_tokenizer.windows([words], overlap=0)
    cases = cases_of_row(row, " ".join(words))
    assert row.words == (-1, 0, 1, 1, 1, 2, 3, -1)
    assert cases == (UNKNOWN, FIRST, *[CAPITALS] * 3, SMALL, NONE, UNKNOWN)
