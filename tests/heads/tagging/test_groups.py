import random
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    DistilBertConfig,
    DistilBertForTokenClassification,
    DistilBertTokenizerFast,
    TokenClassificationPipeline,
)
from transformers.pipelines.token_classification import AggregationStrategy

from polyhead.heads.tagging.groups import Piece, groups_of, pieces_of

STRATEGIES = ["none", "simple", "first", "average", "max"]
LABEL_SETS = {
    "bio": ("O", "B-A", "I-A", "B-B-C", "I-B-C"),
    "bioes": ("O", "B-A", "I-A", "E-A", "S-A"),
    "plain": ("NN", "VB", "X-Y", "O"),
}
TEXTS = [
    "the cat's abc-def sat on a mat.",
    "Caf\u00e9 de\u0301j\u00e0 vu, isn't 'red' good?",
    "\u65e5\u672c \U0001f600 zzz [MASK] \u200bab",
    "x",
]


@pytest.fixture(scope="module")
def reference(tiny_vocabulary):
    return DistilBertTokenizerFast(
        vocab={word: number for number, word in enumerate(tiny_vocabulary)}
    )


def equal(found, expected):
    assert [{**group, "score": 0} for group in found] == [
        {**group, "score": 0} for group in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one["score"] == pytest.approx(float(other["score"]), abs=1e-6)
        assert type(one["score"]) is float


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
def test_random_answers_group_as_transformers_groups_them(
    reference, tiny_tokenizer, strategy, labels
):
    pipeline = TokenClassificationPipeline.__new__(TokenClassificationPipeline)
    pipeline.tokenizer = reference
    pipeline.model = SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(labels))))
    generator = torch.Generator().manual_seed(0)
    for text in TEXTS * 20:
        [row] = tiny_tokenizer.rows([text], offsets=True)
        probabilities = (4 * torch.randn(len(row), len(labels), generator=generator)).softmax(1)
        expected = pipeline.aggregate(
            pipeline.gather_pre_entities(
                text,
                torch.tensor(row.ids),
                probabilities.numpy(),
                list(row.offsets),
                [column in {0, len(row) - 1} for column in range(len(row))],
                AggregationStrategy(strategy),
            ),
            AggregationStrategy(strategy),
        )
        pieces = pieces_of(text, row.ids[1:-1], row.offsets[1:-1], tiny_tokenizer)
        found = groups_of(pieces, probabilities[1:-1], labels, strategy, ignored=())
        equal(found, expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_results_are_those_of_transformers_own_pipeline(reference, tiny_tokenizer, strategy):
    torch.manual_seed(0)
    labels = LABEL_SETS["bio"]
    config = DistilBertConfig(
        vocab_size=len(reference),
        dim=16,
        n_layers=1,
        n_heads=2,
        hidden_dim=16,
        initializer_range=1.0,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    network = DistilBertForTokenClassification(config).eval()
    pipeline = TokenClassificationPipeline(
        model=network, tokenizer=reference, aggregation_strategy=strategy
    )
    for text in TEXTS:
        [row] = tiny_tokenizer.rows([text], offsets=True)
        with torch.inference_mode():
            probabilities = network(torch.tensor([row.ids])).logits[0].softmax(1)
        pieces = pieces_of(text, row.ids[1:-1], row.offsets[1:-1], tiny_tokenizer)
        equal(groups_of(pieces, probabilities[1:-1], labels, strategy), pipeline(text))


def piece(word, start, *, is_continuation=False):
    return Piece(word, start, start + len(word.removeprefix("##")), start + 1, is_continuation)


def answers(*numbers, n_labels=3):
    return torch.nn.functional.one_hot(torch.tensor(numbers), n_labels).float()


def test_simple_may_cut_a_word_where_first_does_not():
    pieces = [piece("micro", 0), piece("##soft", 5, is_continuation=True)]
    labels = ("O", "B-ORG", "B-NAME")
    simple = groups_of(pieces, answers(1, 2), labels, "simple")
    assert [(group["entity_group"], group["word"]) for group in simple] == [
        ("ORG", "micro"),
        ("NAME", "##soft"),
    ]
    [first] = groups_of(pieces, answers(1, 2), labels, "first")
    assert first == {
        "entity_group": "ORG",
        "score": 1.0,
        "word": "microsoft",
        "start": 0,
        "end": 9,
    }


def test_what_is_ignored_is_left_out_but_parts_its_neighbours():
    pieces = [piece("a", 0), piece("b", 2), piece("c", 4)]
    labels = ("O", "I-X", "I-Y")
    found = groups_of(pieces, answers(1, 0, 1), labels, "simple")
    assert [(group["start"], group["end"]) for group in found] == [(0, 1), (4, 5)]
    assert groups_of(pieces, answers(1, 2, 1), labels, "simple", ignored=("X", "Y")) == []
    assert groups_of(pieces, answers(1, 1, 1), labels, "none", ignored=("I-X",)) == []


def test_words_are_spelled_as_the_caller_says():
    [found] = groups_of(
        [piece("a", 0), piece("b", 2)], answers(1, 1), ("O", "X", "Y"), "first", spell="+".join
    )
    assert found["word"] == "a+b"


def test_no_sub_words_have_no_groups():
    assert groups_of([], torch.empty(0, 3), ("O", "X", "Y"), "average") == []


def test_groups_of_a_thousand_words_are_all_there():
    rng = random.Random(0)  # noqa: S311
    pieces = [piece("a", 2 * place) for place in range(1000)]
    numbers = [rng.randrange(3) for _ in pieces]
    found = groups_of(pieces, answers(*numbers), ("P", "Q", "R"), "simple")
    n_runs = 1 + sum(left != right for left, right in pairwise(numbers))
    assert len(found) == n_runs
