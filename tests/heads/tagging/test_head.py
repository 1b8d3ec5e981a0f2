import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from polyhead.batch import Hidden, Packing
from polyhead.contracts import EncoderShape, targets_of
from polyhead.errors import InputError
from polyhead.heads import (
    FoundEntity,
    TaggingExample,
    TaggingHead,
    TaggingHeadConfig,
    TaggingPrediction,
)
from polyhead.heads.tagging.subwords import IGNORED
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.tokenizer import TextSettings

FIXTURES = Path(__file__).parents[2] / "fixtures" / "adapterhub"
SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
PACKING = Packing((3, 1, 2))
LONG = "the cat sat onn the mat abc good dog ran abcdefghij red day blue is bad xyz"


PLAIN = {
    "hidden": "last",
    "layers": 1,
    "context": 0,
    "dropout": 0.1,
    "label_all": False,
    "aggregation": "first",
    "follows_scheme": False,
}
"""A linear layer over each token, as in the adapters library and in transformers."""


def a_head(**fields):
    torch.manual_seed(0)
    return TaggingHead(TaggingHeadConfig(**{**PLAIN, "labels": LABELS, **fields}), SHAPE)


def hidden(seed=1, packing=PACKING):
    generator = torch.Generator().manual_seed(seed)
    return Hidden.of_rows(torch.randn(packing.n_tokens, 8, generator=generator), packing)


def answering(head, encoded, tags):
    """Logits of one text that give its words these tags, and O to all other tokens."""
    numbers = [0] * encoded.n_tokens
    labelled = TaggingExample(tokens=encoded.example.tokens, tags=tags)
    target = head._target(labelled, encoded.rows)
    for place, number in enumerate(target.tolist()):
        numbers[place] = max(number, 0)
    return 5 * nn.functional.one_hot(torch.tensor(numbers), len(head.config.labels)).float()


def short(tokenizer, max_length):
    return tokenizer.with_settings(TextSettings(max_length=max_length))


def test_the_head_of_the_adapters_library_gives_what_it_gave_there():
    folder = FIXTURES / "heads" / "tagging"
    fields = json.loads((folder / "head_config.json").read_text())["config"]
    model = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")
    config = TaggingHeadConfig(
        **{
            **PLAIN,
            "labels": tuple(fields["label2id"]),
            "layers": fields["layers"],
            "activation": fields["activation_function"],
        }
    )
    model.add_head("h", config, adapter=None)
    tensors = load_file(folder / "model_head.safetensors")
    model.heads["h"].load_state_dict(
        {key.replace("heads.h.1", "out"): tensor for key, tensor in tensors.items()}
    )
    expected = load_file(folder / "expected.safetensors")
    mask = expected["attention_mask"]
    with torch.no_grad():
        out = model(input_ids=expected["input_ids"], attention_mask=mask, head="h")
    there = mask.bool()
    torch.testing.assert_close(out.logits[there], expected["logits"][there], atol=1e-5, rtol=0)


def test_the_registry_gives_it_by_kind_and_by_config():
    kinds = registry()
    assert kinds.head("tagging") is TaggingHead
    assert kinds.head_for(TaggingHeadConfig(labels=LABELS)) is TaggingHead
    assert kinds.provider_of_head("tagging").distribution == "polyhead"
    found, options = kinds.head_spec("tagging[scheme=bio,overlap=8]")
    assert found is TaggingHead
    assert options == {"scheme": "bio", "overlap": 8}


def test_parameters_start_small_and_have_short_names():
    head = TaggingHead(
        TaggingHeadConfig(labels=LABELS, layers=2), SHAPE.model_copy(update={"width": 256})
    )
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        "mix.weights": (3,),
        "mix.gain": (),
        "dense.0.weight": (256, 3 * 256),
        "dense.0.bias": (256,),
        "out.weight": (5, 256),
        "out.bias": (5,),
    }
    for layer in (*head.dense, head.out):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert not layer.bias.any()
    assert "out.bias" not in a_head(bias=False).state_dict()


def test_logits_follow_the_written_formula_for_each_token():
    head = a_head(layers=3, activation="gelu").eval()
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    values = hidden()
    states = values.tokens
    for layer in head.dense:
        states = nn.functional.gelu(states @ layer.weight.T + layer.bias)
    expected = states @ head.out.weight.T + head.out.bias
    torch.testing.assert_close(head(values), expected)
    assert head(values).shape == (6, 5)


def test_dropout_acts_in_training_alone():
    head = a_head(dropout=0.5).eval()
    values = hidden()
    assert torch.equal(head(values), head(values))
    head.train()
    assert not torch.equal(head(values), head(values))


@pytest.mark.parametrize(
    ("follows_scheme", "tags"), [(True, ["O", "B-PER", "I-PER"]), (False, ["O", "I-PER", "I-PER"])]
)
def test_the_best_tags_that_follow_the_scheme_are_answered(tiny_tokenizer, follows_scheme, tags):
    head = a_head(follows_scheme=follows_scheme)
    [found] = head.encode([TaggingExample(tokens=("the", "cat", "sat"))], tiny_tokenizer)
    probabilities = torch.full((5, 5), 0.01)
    probabilities[[0, 1, 4], 0] = 0.96
    probabilities[2, 1:3] = torch.tensor([0.4, 0.57])
    probabilities[3, 2] = 0.96
    [answer] = head.decode(probabilities.log(), [found])
    assert answer.tags == tags
    metrics = head.metrics()
    metrics.update(
        probabilities.log(), [replace(found, target=torch.tensor([-100, 0, 1, 2, -100]))]
    )
    assert metrics.compute()["accuracy"] == (1.0 if follows_scheme else pytest.approx(2 / 3))


def test_every_sub_word_learns_the_tag_where_that_is_asked_for(tiny_tokenizer):
    example = TaggingExample(tokens=("abc", "the", "xy"), tags=("B-PER", "O", "I-LOC"))
    [found] = a_head(label_all=True).encode([example], tiny_tokenizer)
    assert found.target.tolist() == [IGNORED, 1, 1, 1, 0, 4, 4, IGNORED]


def test_the_tag_of_a_word_is_the_target_of_its_first_sub_word(tiny_tokenizer):
    example = TaggingExample(tokens=("abc", "the", "xy"), tags=("B-PER", "O", "I-LOC"))
    [found] = a_head().encode([example], tiny_tokenizer)
    [row] = found.rows
    assert row.words == (-1, 0, 0, 0, 1, 2, 2, -1)
    expected = [IGNORED, 1, IGNORED, IGNORED, 0, 4, IGNORED, IGNORED]
    assert found.target.tolist() == expected
    assert found.target.dtype == torch.int64
    assert found.example is example


def test_entities_of_a_text_are_targets_too(tiny_tokenizer):
    example = TaggingExample(text="the abc sat. x", entities=[(4, 11, "PER"), (13, 14, "LOC")])
    [found] = a_head().encode([example], tiny_tokenizer)
    assert found.target[found.target != IGNORED].tolist() == [0, 1, 2, 0, 3]
    words = TaggingExample(tokens=("the", "abc", "sat"), entities=[(4, 11, "PER")])
    [found] = a_head().encode([words], tiny_tokenizer)
    assert found.target[found.target != IGNORED].tolist() == [0, 1, 2]
    [found] = a_head().encode([TaggingExample(text="the", entities=[])], tiny_tokenizer)
    assert found.target.tolist() == [IGNORED, 0, IGNORED]


def test_examples_without_tags_have_no_target(tiny_tokenizer):
    found = a_head().encode(
        [TaggingExample(text="the cat"), TaggingExample(tokens=("the",))], tiny_tokenizer
    )
    assert [item.target for item in found] == [None, None]


@pytest.mark.parametrize("overlap", [0, 2, 100])
@pytest.mark.parametrize("max_length", [3, 6, 11])
def test_each_word_of_a_long_text_is_learnt_once(tiny_tokenizer, overlap, max_length):
    words = tuple(LONG.split())
    tags = tuple(LABELS[place % 5] for place in range(len(words)))
    head = a_head(overlap=overlap)
    [found] = head.encode(
        [TaggingExample(tokens=words, tags=tags)], short(tiny_tokenizer, max_length)
    )
    assert len(found.rows) > 1
    assert len(found.target) == found.n_tokens
    learnt = found.target[found.target != IGNORED].tolist()
    assert [LABELS[number] for number in learnt] == list(tags)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (TaggingExample(text=" \n"), "the text has no words"),
        (TaggingExample(text=""), "the text has no words"),
        (
            TaggingExample(tokens=("a", "b"), tags=("O", "B-X")),
            r"the tag 'B-X' is unknown to this head; it has: 'O', 'B-PER', .*\.",
        ),
        (TaggingExample(text="a b", entities=[(0, 1, "X")]), "the tag 'B-X' is unknown"),
        (
            TaggingExample(text="the cat", entities=[(0, 5, "PER")]),
            r"the entity 'the c' \(PER\) begins or ends within the word 'cat'",
        ),
        (TaggingExample(text="\ud800"), "half of a surrogate pair"),
    ],
)
def test_an_example_that_cannot_be_read_is_refused(tiny_tokenizer, example, message):
    with pytest.raises(InputError, match=message) as caught:
        a_head().encode([TaggingExample(text="the"), example], tiny_tokenizer)
    if "surrogate" not in message:
        assert caught.value.index == 1


def test_entities_are_refused_by_a_head_of_plain_tags(tiny_tokenizer):
    head = a_head(labels=("NN", "VB"))
    with pytest.raises(InputError, match="example 1: the example has entities, and this head's"):
        head.encode([TaggingExample(text="a", entities=[])], tiny_tokenizer)


def test_words_without_any_known_character_keep_their_places(tiny_tokenizer):
    words = ("the", "", "\u200b", "\u65e5\u672c", "\U0001f600", "cat")
    head = a_head()
    [found] = head.encode([TaggingExample(tokens=words, tags=("O",) * 6)], tiny_tokenizer)
    assert (found.target != IGNORED).sum() == 6
    [answer] = head.decode(answering(head, found, ("O", "B-PER") * 3), [found])
    assert answer.words == list(words)
    assert answer.tags == ["O", "B-PER"] * 3


def test_targets_of_a_padded_batch_are_those_of_its_tokens():
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]], dtype=torch.bool)
    labels = torch.tensor([[-100, 4, 0], [2, 99, -7]], dtype=torch.int32)
    found = a_head().targets(labels, mask)
    assert found.tolist() == [-100, 4, 0, 2]
    assert found.dtype == torch.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(2, dtype=torch.long), r"labels of shape \(2,\) do not fit; .* \(2, 3\)"),
        (torch.zeros(2, 4, dtype=torch.long), r"labels of shape \(2, 4\) do not fit"),
        (torch.zeros(2, 3), "whole numbers, not torch.float32"),
        (torch.full((2, 3), float("nan")), "whole numbers, not torch.float32"),
        (torch.zeros(2, 3, dtype=torch.bool), "whole numbers, not torch.bool"),
        (torch.full((2, 3), 5), "the label 5 is neither -100 nor one of 0 to 4"),
        (torch.full((2, 3), -1), "the label -1 is neither -100 nor one of 0 to 4"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        a_head().targets(labels, torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.parametrize("weights", [None, (0.5, 3.0, 1.0, 2.0, 1e-6)])
def test_loss_is_the_mean_cross_entropy_over_labelled_tokens(weights):
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([-100, 1, 0, -100, 4, 3, 1])
    expected = nn.functional.cross_entropy(
        logits, targets, None if weights is None else torch.tensor(weights)
    )
    torch.testing.assert_close(a_head(class_weights=weights).loss(logits, targets), expected)


@pytest.mark.parametrize("n_tokens", [0, 3])
@pytest.mark.parametrize("weights", [None, (1, 2, 3, 4, 5)])
def test_loss_without_labelled_tokens_is_zero(n_tokens, weights):
    logits = torch.randn(n_tokens, 5, requires_grad=True)
    targets = torch.full((n_tokens,), -100)
    loss = a_head(class_weights=weights).loss(logits, targets)
    assert loss.item() == 0
    loss.backward()
    assert not logits.grad.any()


def test_loss_of_half_precision_logits_is_computed_in_float32():
    logits = torch.randn(2, 5, dtype=torch.bfloat16, requires_grad=True)
    loss = a_head(class_weights=(1, 2, 3, 4, 5)).loss(logits, torch.tensor([0, -100]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert logits.grad.dtype == torch.bfloat16


def test_gradients_reach_every_parameter():
    head = a_head(layers=2)
    head.loss(head(hidden()), torch.tensor([0, -100, 1, 2, 3, 4])).backward()
    assert all(parameter.grad.any() for parameter in head.parameters())


def test_answers_are_typed_and_json_ready(tiny_tokenizer):
    head = a_head()
    words = ("abc", "xy", "sat", "in", "blue")
    [found] = head.encode([TaggingExample(tokens=words)], tiny_tokenizer)
    logits = answering(head, found, ("B-PER", "I-PER", "O", "O", "I-LOC")).bfloat16()
    [answer] = head.decode(logits, [found])
    assert isinstance(answer, TaggingPrediction)
    assert json.loads(answer.model_dump_json()) == answer.model_dump()
    assert answer.words == list(words)
    assert answer.tags == ["B-PER", "I-PER", "O", "O", "I-LOC"]
    assert (answer.starts, answer.ends) == ([0, 4, 7, 11, 14], [3, 6, 10, 13, 18])
    score = torch.tensor([5.0, 0, 0, 0, 0]).softmax(0)[0].item()
    assert answer.scores == pytest.approx([score] * 5)
    person, place = answer.entities
    assert person == FoundEntity(label="PER", text="abc xy", start=0, end=6, score=person.score)
    assert place == FoundEntity(label="LOC", text="blue", start=14, end=18, score=place.score)
    assert [person.score, place.score] == pytest.approx([score, score])
    assert str(answer) == "abc xy (PER), blue (LOC)"


def test_entities_of_a_raw_text_are_parts_of_it(tiny_tokenizer):
    head = a_head()
    text = "  The c\u00e2t's Red-Blue  mat!"
    example = TaggingExample(text=text, entities=[(6, 9, "PER"), (12, 20, "LOC")])
    [found] = head.encode([example], tiny_tokenizer)
    logits = 9 * nn.functional.one_hot(found.target.clamp(min=0), 5).float()
    [answer] = head.decode(logits, [found])
    assert [(entity.text, entity.label) for entity in answer.entities] == [
        ("c\u00e2t", "PER"),
        ("Red-Blue", "LOC"),
    ]
    spans = list(zip(answer.starts, answer.ends, strict=True))
    assert [text[start:end] for start, end in spans] == answer.words
    assert answer.words == ["The", "c\u00e2t", "'", "s", "Red", "-", "Blue", "mat", "!"]


def test_what_was_found_can_be_learnt_from(tiny_tokenizer):
    head = a_head(labels=("O", *(f"{prefix}-X" for prefix in "BIES")))
    [found] = head.encode([TaggingExample(tokens=("a", "b", "c", "d"))], tiny_tokenizer)
    [answer] = head.decode(answering(head, found, ("B-X", "E-X", "S-X", "O")), [found])
    fields = answer.model_dump()
    again = head.parse({"text": "a b c d", "entities": fields["entities"]})
    [learnt] = head.encode([again], tiny_tokenizer)
    tags = [head.config.labels[number] for number in learnt.target.tolist() if number >= 0]
    assert tags == fields["tags"]


def test_plain_tags_are_answered_without_entities(tiny_tokenizer):
    head = a_head(labels=("NN", "VB"))
    [found] = head.encode([TaggingExample(tokens=("cat", "sat"))], tiny_tokenizer)
    [answer] = head.decode(answering(head, found, ("NN", "VB")), [found])
    assert (answer.tags, answer.entities) == (["NN", "VB"], [])
    assert str(answer) == "cat/NN sat/VB"


def test_a_text_without_entities_says_so(tiny_tokenizer):
    head = a_head()
    [found] = head.encode([TaggingExample(tokens=("cat", "sat"))], tiny_tokenizer)
    [answer] = head.decode(answering(head, found, ("O", "O")), [found])
    assert answer.entities == []
    assert str(answer) == "no entities"


@pytest.mark.parametrize(
    ("aggregation", "words", "tags", "entities"),
    [
        ("none", ["a", "b", "c", "the"], ["B-PER", "I-PER", "B-LOC", "O"], []),
        ("simple", ["a", "b", "c", "the"], ["B-PER", "I-PER", "B-LOC", "O"], ["ab", "c"]),
        ("first", ["abc", "the"], ["B-PER", "O"], ["abc"]),
        ("average", ["abc", "the"], ["I-PER", "O"], ["abc"]),
        ("max", ["abc", "the"], ["B-LOC", "O"], ["abc"]),
    ],
)
def test_aggregation_decides_how_sub_words_make_words(
    tiny_tokenizer, aggregation, words, tags, entities
):
    head = a_head(aggregation=aggregation)
    [found] = head.encode([TaggingExample(tokens=("abc", "the"))], tiny_tokenizer)
    probabilities = torch.tensor(
        [
            [1, 0, 0, 0, 0],
            [0, 0.51, 0.47, 0.01, 0.01],
            [0, 0.1, 0.7, 0.1, 0.1],
            [0, 0.05, 0.05, 0.8, 0.1],
            [0.9, 0.1, 0, 0, 0],
            [1, 0, 0, 0, 0],
        ]
    )
    [answer] = head.decode(probabilities.clamp(min=1e-6).log(), [found])
    assert (answer.words, answer.tags) == (words, tags)
    assert [entity.text for entity in answer.entities] == entities


def test_groups_are_those_of_the_text_in_each_shape(tiny_tokenizer):
    head = a_head()
    examples = [TaggingExample(text="abc the red"), TaggingExample(tokens=("cat", "x-y"))]
    encoded = head.encode(examples, short(tiny_tokenizer, 6))
    assert len(encoded[0].rows) == 2
    logits = torch.zeros(sum(item.n_tokens for item in encoded), 5)
    logits[:, 1] = 1.0
    first, second = head.groups(logits, encoded, tiny_tokenizer, "none")
    assert [(group["word"], group["index"]) for group in first] == [
        ("a", 1),
        ("##b", 2),
        ("##c", 3),
        ("the", 4),
        ("red", 5),
    ]
    assert [(group["start"], group["end"]) for group in second] == [(0, 3), (4, 5), (5, 6), (6, 7)]
    first, second = head.groups(logits, encoded, tiny_tokenizer, "first", ignored=("LOC",))
    assert [(group["entity_group"], group["word"]) for group in first] == [
        ("PER", "abc"),
        ("PER", "the"),
        ("PER", "red"),
    ]
    assert head.groups(logits, encoded, tiny_tokenizer, "max", ignored=("PER",)) == [[], []]


def test_no_rows_give_no_answers():
    head = a_head()
    nothing = hidden(packing=Packing(()))
    assert head(nothing).shape == (0, 5)
    assert head.decode(head(nothing), []) == []
    assert head.groups(head(nothing), [], None) == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_are_refused(tiny_tokenizer, bad):
    head = a_head()
    [found] = head.encode([TaggingExample(text="the")], tiny_tokenizer)
    logits = torch.zeros(3, 5)
    logits[1, 2] = bad
    with pytest.raises(InputError, match="logits of token 2 are not finite"):
        head.decode(logits, [found])


@pytest.fixture
def tagger(tiny_model, shake):
    tiny_model.add_task(
        "ner",
        head=TaggingHeadConfig(labels=LABELS, overlap=4),
        text=TextSettings(max_length=12),
    )
    shake(tiny_model.heads["ner"])
    return tiny_model.eval()


def test_a_texts_answer_does_not_depend_on_its_batch(tagger):
    texts = [LONG, "the cat", LONG.split(), "x", f"{LONG}. {LONG}", ["", "abc"]]
    together = tagger.predict(texts, task="ner")
    for text, found in zip(texts, together, strict=True):
        [alone] = tagger.predict([text], task="ner")
        assert alone.tags == found.tags
        assert alone.scores == pytest.approx(found.scores, abs=1e-5)
        assert [entity.text for entity in alone.entities] == [e.text for e in found.entities]
    assert len({tag for found in together for tag in found.tags}) > 1


def test_a_long_text_is_answered_word_by_word(tagger):
    words = f"{LONG} {LONG}".split()
    whole, split = tagger.predict([" ".join(words), words], task="ner")
    assert whole.words == words
    # words of letters alone are the same words for the tokenizer
    assert whole.tags == split.tags
    assert (whole.starts, whole.ends) == (split.starts, split.ends)


def test_the_tensor_call_learns_what_the_texts_teach(tagger):
    head = tagger.heads["ner"]
    example = TaggingExample(tokens=("the", "abc", "x"), tags=("O", "B-PER", "I-LOC"))
    [encoded] = head.encode([example], tagger.tokenizer)
    [row] = encoded.rows
    labels = encoded.target.unsqueeze(0)
    with torch.no_grad():
        out = tagger(input_ids=torch.tensor([row.ids]), head="ner")
    assert out.logits.shape == (1, len(row), 5)
    targets = head.targets(labels, torch.ones_like(labels, dtype=torch.bool))
    torch.testing.assert_close(targets, targets_of([encoded]))
    torch.testing.assert_close(
        head.loss(out.logits[0], targets), nn.functional.cross_entropy(out.logits[0], targets)
    )
