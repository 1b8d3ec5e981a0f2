import pytest
import torch

from polyhead.contracts import Encoded
from polyhead.heads import TaggingExample
from polyhead.heads.tagging.aggregation import aggregated, tagged_texts
from polyhead.tokenizer import TextSettings

# three sub-words of one word, and one of another
PROBABILITIES = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3]])


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        ("first", [0.5, 0.3, 0.2], [0.3, 0.4, 0.3]),
        ("average", [0.7 / 3, 1.2 / 3, 1.1 / 3], [0.3, 0.4, 0.3]),
        ("max", [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]),
    ],
)
def test_sub_words_are_taken_together_word_by_word(strategy, first, second):
    found = aggregated(PROBABILITIES, [0, 3], strategy)
    torch.testing.assert_close(found, torch.tensor([first, second]))


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
def test_units_of_one_sub_word_keep_its_probabilities(strategy):
    assert torch.equal(aggregated(PROBABILITIES, range(4), strategy), PROBABILITIES)
    assert aggregated(PROBABILITIES[:0], [], strategy).shape == (0, 3)


def encoded(tokenizer, *texts, max_length=7):
    settled = tokenizer.with_settings(TextSettings(max_length=max_length))
    rows = settled.windows(list(texts), overlap=2)
    return [Encoded(TaggingExample(text=text), own) for text, own in zip(texts, rows, strict=True)]


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
def test_a_text_is_answered_alike_alone_and_in_a_batch(tiny_tokenizer, strategy):
    batch = encoded(tiny_tokenizer, "the abc sat on redx mat", "cat", "good abcdefghi day is bad")
    assert len(batch[0].rows) > 1
    lengths = [item.n_tokens for item in batch]
    probabilities = torch.rand(sum(lengths), 3, generator=torch.Generator().manual_seed(0))
    together = list(tagged_texts(probabilities, batch, strategy))
    for item, own, found in zip(batch, probabilities.split(lengths), together, strict=True):
        [alone] = tagged_texts(own, [item], strategy)
        assert (alone.tags, alone.scores) == (found.tags, found.scores)
        n_units = len(found.sub_words.ids if strategy in {"none", "simple"} else alone.starts)
        assert len(found.starts) == len(found.tags) == len(found.scores) == n_units


def test_no_texts_have_no_answers():
    assert list(tagged_texts(torch.empty(0, 3), [], "first")) == []
