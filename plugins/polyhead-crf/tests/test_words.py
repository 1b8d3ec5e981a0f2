import torch
from polyhead_crf.words import BEGINS_TEXT, BEGINS_WORD, GOES_ON, WordGrid, parts_of

from polyhead import TextSettings
from polyhead.heads import IGNORED, SubWords
from polyhead.testing import tiny_model

# two words of one and two sub-words, and a text of one word in two windows
PARTS = torch.tensor(
    [
        *(IGNORED, BEGINS_TEXT, BEGINS_WORD, GOES_ON, IGNORED),
        *(IGNORED, BEGINS_TEXT, IGNORED),
        *(IGNORED, GOES_ON, GOES_ON, IGNORED),
    ]
)


def test_each_sub_word_of_a_text_is_told_from_the_others():
    tokenizer = tiny_model().tokenizer
    [rows] = tokenizer.windows([["model", "a", "ba"]], overlap=0)
    found = parts_of(SubWords.of(rows), len(rows[0]))
    assert found.tolist() == [-100, 2, 0, 0, 1, 1, -100]


def test_what_another_window_answers_is_of_no_word():
    tokenizer = tiny_model().tokenizer.with_settings(TextSettings(max_length=6))
    [rows] = tokenizer.windows([["ba", "be", "bi", "bo", "bu", "by"]], overlap=2)
    assert [row.start for row in rows] == [0, 2]
    found = parts_of(SubWords.of(rows), sum(len(row) for row in rows))
    assert found.tolist() == [-100, 2, 1, 1, -100, -100, -100, -100, 1, 1, 1, -100]


def test_the_grid_has_a_row_for_each_text_and_a_column_for_each_word():
    grid = WordGrid.of(PARTS)
    assert grid.n_words == 3
    assert grid.lengths.tolist() == [2, 1]
    assert grid.starts.tolist() == [1, 2, 6]
    assert (grid.texts.tolist(), grid.columns.tolist()) == ([0, 0, 1], [0, 1, 0])
    assert grid.tokens.tolist() == [1, 2, 3, 6, 9, 10]
    assert grid.words.tolist() == [0, 1, 1, 2, 2, 2]


def test_a_word_has_what_its_first_sub_word_has_or_the_mean():
    grid = WordGrid.of(PARTS)
    values = torch.arange(12.0).unsqueeze(1) * torch.tensor([1.0, 10.0])
    assert grid.first(values).tolist() == [[1, 10], [2, 20], [6, 60]]
    expected = torch.tensor([[1, 10], [2.5, 25], [25 / 3, 250 / 3]])
    torch.testing.assert_close(grid.average(values), expected)


def test_words_go_to_the_grid_and_back():
    grid = WordGrid.of(PARTS)
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    padded = grid.padded(values)
    assert padded.tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
    assert torch.equal(grid.flat(padded), values)
    assert grid.padded(torch.tensor([7, 8, 9])).tolist() == [[7, 8], [9, 0]]


def test_texts_of_one_word_lie_side_by_side():
    grid = WordGrid.of(torch.tensor([BEGINS_TEXT, BEGINS_TEXT, GOES_ON, BEGINS_TEXT]))
    assert grid.lengths.tolist() == [1, 1, 1]
    assert grid.average(torch.tensor([[1.0], [2.0], [4.0], [8.0]])).tolist() == [[1], [3], [8]]


def test_no_words_make_an_empty_grid():
    for parts in (torch.empty(0, dtype=torch.long), torch.full((3,), IGNORED)):
        grid = WordGrid.of(parts)
        assert grid.n_words == len(grid.lengths) == 0
        assert grid.average(torch.ones(len(parts), 4)).shape == (0, 4)
        assert grid.first(torch.ones(len(parts), 4)).shape == (0, 4)
