import pytest
from polyhead_dependency import DependencyExample
from polyhead_dependency.metrics import DependencyMetrics
from polyhead_dependency.parse import Parse

import polyhead as ph

HEADS, DEPRELS = [2, 0, 2, 2], ["nsubj", "root", "acl:relcl", "punct"]
LABELLED = DependencyExample(tokens=["a", "b", "c", "."], heads=HEADS, deprels=DEPRELS)


def figures(*answers, example=LABELLED):
    metrics = DependencyMetrics(lambda _output, encoded: [answers[0]] * len(encoded))
    for _ in answers:
        metrics.update(None, [ph.Encoded(example, ())])
    return metrics.compute()


def parse(heads, deprels):
    return Parse(heads, deprels, [1.0] * len(heads))


@pytest.mark.parametrize(
    ("heads", "deprels", "las", "uas"),
    [
        (HEADS, DEPRELS, 1, 1),
        ([2, 0, 2, 3], DEPRELS, 0.75, 0.75),  # punctuation counts
        (HEADS, ["nsubj", "root", "acl", "punct"], 0.75, 1),  # and subtypes do
        ([3, 0, 2, 2], ["nsubj", "root", "acl", "punct"], 0.5, 0.75),
        ([0, 1, 1, 1], DEPRELS, 0, 0),
        (HEADS[:3], DEPRELS[:3], 0.75, 0.75),  # what was not read is wrong
    ],
)
def test_words_with_the_right_head_count_and_with_the_right_relation_too(heads, deprels, las, uas):
    assert figures(parse(heads, deprels)) == {"las": las, "uas": uas}


def test_every_word_of_every_sentence_counts_the_same():
    metrics = DependencyMetrics(lambda _output, encoded: [parse([0], ["root"])] * len(encoded))
    one = DependencyExample(tokens=["Go"], heads=[0], deprels=["root"])
    three = DependencyExample(tokens=list("abc"), heads=[2, 0, 1], deprels=["x", "root", "x"])
    metrics.update(None, [ph.Encoded(one, ()), ph.Encoded(three, ())])
    metrics.update(None, [ph.Encoded(one, ())])
    assert metrics.compute() == {"las": 2 / 5, "uas": 2 / 5}


def test_examples_without_a_tree_and_no_examples_are_refused():
    with pytest.raises(ph.InputError, match="1 of 1 examples have no label"):
        figures(parse([0], ["root"]), example=DependencyExample(text="Go"))
    with pytest.raises(ph.InputError, match="there are no labelled examples to evaluate on"):
        DependencyMetrics(lambda _output, _encoded: []).compute()


def test_the_best_epoch_is_chosen_by_labelled_attachment():
    assert DependencyMetrics.primary == "las"
    assert DependencyMetrics.higher_is_better
