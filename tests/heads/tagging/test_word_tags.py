"""A tagger of one's own, made of what `polyhead.heads` offers."""

import pytest
import torch
from torch import nn

from polyhead.contracts import EncoderShape, targets_of
from polyhead.errors import ConfigError, InputError
from polyhead.heads import (
    IGNORED,
    SubWords,
    TaggedText,
    TaggingExample,
    WordTagHead,
    WordTagHeadConfig,
    checked_logits,
    logits_of,
)
from polyhead.tokenizer import TextSettings

SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
LABELS = ("O", "B-PER", "I-PER")


class LastPieceConfig(WordTagHeadConfig):
    """No fields of its own."""


class LastPieceHead(WordTagHead):
    """The last sub-word of a word decides."""

    kind = "last_piece"
    Config = LastPieceConfig

    def loss(self, output, targets):
        return nn.functional.cross_entropy(logits_of(output), targets, ignore_index=IGNORED)

    def tagged_words(self, output, encoded):
        logits = checked_logits(output, "token").split([item.n_tokens for item in encoded])
        for item, own in zip(encoded, logits, strict=True):
            text = SubWords.of(item.rows)
            lasts = [text.tokens[stop - 1] for stop in [*text.starts[1:], len(text.tokens)]]
            scores, tags = own[lasts].softmax(dim=1).max(dim=1)
            yield TaggedText(text, text.starts, tags.tolist(), scores.tolist())


class PairsHead(LastPieceHead):
    """Its targets are two numbers a token, and it learns no lone I."""

    kind = "pairs"

    def target_of(self, tags, text, n_tokens):
        if tags[0] == LABELS.index("I-PER"):
            raise InputError("no text begins with I-PER.")
        numbers = super().target_of(tags, text, n_tokens)
        return torch.stack([torch.zeros_like(numbers), numbers], dim=1)

    def tags_in(self, target, text):
        return super().tags_in(target[:, 1], text)


def a_head(kind=LastPieceHead):
    torch.manual_seed(0)
    return kind(LastPieceConfig(labels=LABELS), SHAPE)


def answering(encoded, tags):
    """Logits by which each of these tokens has its tag."""
    logits = torch.zeros(encoded.n_tokens, len(LABELS))
    for token, tag in tags.items():
        logits[token, LABELS.index(tag)] = 9.0
    return logits


def test_the_first_sub_word_of_a_word_is_its_target_unless_said_otherwise(tiny_tokenizer):
    example = TaggingExample(tokens=("abc", "the"), tags=("B-PER", "O"))
    [found] = a_head().encode([example], tiny_tokenizer)
    assert found.target.tolist() == [IGNORED, 1, IGNORED, IGNORED, 0, IGNORED]


def test_answers_are_entities_with_their_characters(tiny_tokenizer):
    [found] = a_head().encode([TaggingExample(text="the abc xy")], tiny_tokenizer)
    logits = answering(found, {1: "O", 4: "B-PER", 6: "I-PER"})
    [answer] = a_head().decode(logits, [found])
    assert answer.tags == ["O", "B-PER", "I-PER"]
    [entity] = answer.entities
    assert (entity.text, entity.label, entity.start, entity.end) == ("abc xy", "PER", 4, 10)


@pytest.mark.parametrize("kind", [LastPieceHead, PairsHead])
def test_figures_are_read_from_its_answers_and_its_own_targets(tiny_tokenizer, kind):
    head = a_head(kind)
    examples = [
        TaggingExample(tokens=("abc", "xy"), tags=("B-PER", "I-PER")),
        TaggingExample(tokens=("the", "cat", "is"), tags=("B-PER", "O", "O")),
    ]
    items = head.encode(examples, tiny_tokenizer)
    logits = [
        answering(items[0], {3: "B-PER", 5: "I-PER"}),
        answering(items[1], {1: "O", 2: "O", 3: "O"}),
    ]
    metrics = head.metrics()
    metrics.update(torch.cat(logits), items)
    figures = {"f1": pytest.approx(2 / 3), "precision": 1.0, "recall": 0.5, "accuracy": 0.8}
    assert metrics.compute() == figures


def test_tags_that_a_kind_refuses_are_named_with_their_example(tiny_tokenizer):
    examples = [
        TaggingExample(tokens=("a",), tags=("O",)),
        TaggingExample(tokens=("a",), tags=("I-PER",)),
    ]
    with pytest.raises(InputError, match="example 2: no text begins with I-PER") as caught:
        a_head(PairsHead).encode(examples, tiny_tokenizer)
    assert caught.value.index == 1


def test_long_texts_are_answered_word_by_word(tiny_tokenizer):
    words = ("the", "abc", "sat", "on", "redx", "mat", "good")
    tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=6))
    tags = ("O", "B-PER", "I-PER", "O", "B-PER", "O", "O")
    head = a_head()
    [found] = head.encode([TaggingExample(tokens=words, tags=tags)], tokenizer)
    assert len(found.rows) > 1
    [text] = head.tagged_words(torch.zeros(found.n_tokens, 3), [found])
    assert head.tags_in(found.target, text.sub_words) == [LABELS.index(tag) for tag in tags]
    assert head.loss(torch.zeros(found.n_tokens, 3), targets_of([found])).isfinite()


def test_its_config_is_completed_from_examples_under_its_own_name():
    example = TaggingExample(text="ab c", entities=[(0, 2, "PER")])
    assert LastPieceHead.configure({}, [example]) == LastPieceConfig(labels=LABELS, scheme="bio")
    with pytest.raises(ConfigError, match="head kind 'last_piece': unknown field 'class_weights'"):
        LastPieceHead.configure({"class_weights": "balanced"}, [example])
    with pytest.raises(InputError, match="an example of 'last_piece' as a tuple is"):
        LastPieceHead.parse(("a", [], 1))
