import pytest
import torch
from polyhead_dependency.words import NO_WORD, NOT_KNOWN, ROOT, Words, word_numbers

import polyhead as ph

ROW = ph.Row(ids=(2, 9, 8, 7, 6, 5, 3), words=(-1, 0, 0, 1, 2, 2, -1))
NUMBERS = torch.tensor([ROOT, 1, 1, 2, NO_WORD, ROOT, 1, NO_WORD, ROOT, 1, 2, 2, 3])


@pytest.mark.parametrize(
    ("pooling", "numbers"),
    [
        ("first", [ROOT, 1, NO_WORD, 2, 3, NO_WORD, NO_WORD]),
        ("mean", [ROOT, 1, 1, 2, 3, 3, NO_WORD]),
    ],
)
def test_tokens_stand_for_words_as_pooling_says(pooling, numbers):
    assert word_numbers(ROW, pooling) == numbers


def test_rows_that_do_not_tell_their_words_are_no_sentences():
    with pytest.raises(RuntimeError, match="need offsets"):
        word_numbers(ph.Row(ids=(2, 9, 3)), "first")


def test_a_word_is_the_mean_of_its_tokens():
    words = Words.of(NUMBERS)
    values = torch.arange(13.0).unsqueeze(1) * torch.tensor([1.0, 10.0])
    assert words.counts == (2, 1, 3)
    assert words.longest == 3
    expected = torch.tensor([[0.0, 1.5, 3, 0], [5, 6, 0, 0], [8, 9, 10.5, 12]])
    assert torch.equal(words.pooled(values)[:, :, 0], expected)
    assert torch.equal(words.pooled(values)[:, :, 1], 10 * expected)


def test_what_tokens_say_is_spread_over_their_words():
    values = torch.tensor([NOT_KNOWN, 5, 5, 6, NOT_KNOWN, NOT_KNOWN, 7, 3, 3, 8, 9, 9, 4])
    assert Words.of(NUMBERS).spread(values).tolist() == [
        [5, 6, NOT_KNOWN],
        [7, NOT_KNOWN, NOT_KNOWN],
        [8, 9, 4],
    ]


def test_the_root_and_the_words_are_nodes():
    assert Words.of(NUMBERS).is_node().tolist() == [
        [True, True, True, False],
        [True, True, False, False],
        [True, True, True, True],
    ]


def test_a_sentence_may_have_no_words_and_a_batch_no_sentence():
    bare = Words.of(torch.tensor([ROOT, NO_WORD, ROOT, 1]))
    assert bare.counts == (0, 1)
    assert bare.pooled(torch.ones(4, 2)).shape == (2, 2, 2)
    none = Words.of(torch.tensor([], dtype=torch.long))
    assert none.counts == ()
    assert none.pooled(torch.ones(0, 2)).shape == (0, 1, 2)
    assert none.spread(torch.ones(0, dtype=torch.long)).shape == (0, 0)
