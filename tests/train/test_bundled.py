from collections import Counter

import pytest

from polyhead.errors import InputError
from polyhead.heads import TextExample
from polyhead.train import BUNDLED_LABELS, bundled_examples


@pytest.mark.parametrize("label", BUNDLED_LABELS)
def test_each_label_comes_with_training_and_held_out_texts(label):
    train, dev = bundled_examples(label)
    assert all(isinstance(example, TextExample) for example in (*train, *dev))
    assert len(train) > 2 * len(dev) > 100
    counts = Counter(example.label for example in train)
    assert len(counts) > 1
    assert {example.label for example in dev} <= counts.keys()


def test_no_text_is_in_both_parts():
    train, dev = bundled_examples("topic")
    assert not {example.text for example in train} & {example.text for example in dev}


def test_another_label_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="'mood'; they have: urgency, topic, sentiment"):
        bundled_examples("mood")
