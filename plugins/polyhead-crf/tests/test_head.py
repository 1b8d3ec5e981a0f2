"""The head: what it learns, answers and refuses."""

import json
from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch
from polyhead_crf import CRFHead, CRFHeadConfig
from torch import nn

from polyhead import EncoderShape, Hidden, InputError, Packing, TextSettings, targets_of
from polyhead.heads import FoundEntity, TaggingExample, TaggingHead, TaggingHeadConfig
from polyhead.testing import tiny_model

SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
LONG = "ba model be abcdef bi bo bu the cat xyz dog da de di"


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_model().tokenizer


def a_head(seed=0, *, shape=SHAPE, **fields):
    """One with scores of tags that matter."""
    torch.manual_seed(seed)
    head = CRFHead(CRFHeadConfig(**{"labels": LABELS, **fields}), shape).eval()
    for scores in (head.first, head.following, head.last):
        nn.init.normal_(scores)
    return head


def logits_for(items, seed=1, n_tags=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sum(item.n_tokens for item in items), n_tags, generator=generator)


def emissions_of(head, item, logits_NK):
    """What each word of a text in one window emits, by the rows' own words."""
    [row] = item.rows
    words = range(max(row.words) + 1)
    own = [[place for place, word in enumerate(row.words) if word == this] for this in words]
    if head.config.aggregation == "first":
        own = [places[:1] for places in own]
    return torch.stack([logits_NK[places].mean(dim=0) for places in own])


def score_of(head, emissions_TK, tags):
    total = head.first[tags[0]] + head.last[tags[-1]]
    total = total + sum(head.following[left, right] for left, right in pairwise(tags))
    return (total + sum(emissions_TK[place, tag] for place, tag in enumerate(tags))).double()


def follows(tags):
    """Whether tags by number keep to the scheme `bio`."""
    names = [LABELS[tag] for tag in tags]
    return all(
        not right.startswith("I-") or left[1:] == right[1:]
        for left, right in zip(["O", *names], names, strict=False)
    )


def all_scores(head, emissions_TK):
    is_free = not head.config.follows_scheme
    return {
        tags: score_of(head, emissions_TK, tags).detach()
        for tags in product(range(len(LABELS)), repeat=len(emissions_TK))
        if is_free or follows(tags)
    }


def test_parameters_are_the_tagging_heads_and_the_scores_of_tags():
    config = {"labels": LABELS}
    own = CRFHead(CRFHeadConfig(**config), SHAPE).state_dict()
    plain = TaggingHead(TaggingHeadConfig(**config), SHAPE).state_dict()
    added = {name: tuple(own[name].shape) for name in own.keys() - plain.keys()}
    assert added == {"first": (5,), "following": (5, 5), "last": (5,)}
    assert not any(own[name].any() for name in added)
    assert {name: own[name].shape for name in plain} == {
        name: value.shape for name, value in plain.items()
    }


@pytest.mark.parametrize("aggregation", ["first", "average"])
@pytest.mark.parametrize("follows_scheme", [True, False])
def test_the_loss_is_minus_the_logarithm_of_the_tags_probability(
    tokenizer, aggregation, follows_scheme
):
    head = a_head(aggregation=aggregation, follows_scheme=follows_scheme)
    tags = [("B-PER", "I-PER", "O"), ("O",), ("B-LOC", "B-LOC", "I-LOC")]
    words = [("model", "abc", "the"), ("cat",), ("ba", "dog", "xyz")]
    items = head.encode(
        [TaggingExample(tokens=w, tags=t) for w, t in zip(words, tags, strict=True)], tokenizer
    )
    logits_NK = logits_for(items)
    expected = 0.0
    for item, own, names in zip(
        items, logits_NK.split([item.n_tokens for item in items]), tags, strict=True
    ):
        scores = all_scores(head, emissions_of(head, item, own))
        total = torch.stack(list(scores.values())).logsumexp(dim=0)
        expected += float(total - scores[tuple(LABELS.index(name) for name in names)])
    loss = head.loss(logits_NK, targets_of(items))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected / 7, rel=1e-5)


@pytest.mark.parametrize("aggregation", ["first", "average"])
@pytest.mark.parametrize("follows_scheme", [True, False])
def test_answers_are_the_best_tags_and_their_shares_of_all_sequences(
    tokenizer, aggregation, follows_scheme
):
    head = a_head(aggregation=aggregation, follows_scheme=follows_scheme)
    texts = [("model", "abc", "the"), ("cat",), ("ba", "dog", "xyz", "de")]
    items = head.encode([TaggingExample(tokens=words) for words in texts], tokenizer)
    logits_NK = logits_for(items, seed=4)
    answers = head.decode(logits_NK, items)
    for item, own, answer in zip(
        items, logits_NK.split([item.n_tokens for item in items]), answers, strict=True
    ):
        scores = all_scores(head, emissions_of(head, item, own))
        best = max(scores, key=scores.__getitem__)
        assert answer.tags == [LABELS[tag] for tag in best]
        shares = torch.stack(list(scores.values())).softmax(dim=0)
        for place, (tag, score) in enumerate(zip(best, answer.scores, strict=True)):
            has_tag = torch.tensor([tags[place] == tag for tags in scores])
            assert score == pytest.approx(shares[has_tag].sum().item(), rel=1e-5)


def test_tags_that_the_scheme_forbids_are_never_answered(tokenizer):
    words = [("ba", "be", "bi", "bo", "bu")] * 40
    free, bound = (
        a_head(seed=3, follows_scheme=follows_scheme) for follows_scheme in (False, True)
    )
    items = bound.encode([TaggingExample(tokens=each) for each in words], tokenizer)
    logits_NK = 3 * logits_for(items)

    def broken(head):
        answers = head.decode(logits_NK, items)
        return [a for a in answers if not follows([LABELS.index(tag) for tag in a.tags])]

    assert broken(free)
    assert not broken(bound)


def test_under_bioes_every_entity_ends(tokenizer):
    head = a_head(labels=("O", *(f"{prefix}-X" for prefix in "BIES")))
    items = head.encode([TaggingExample(tokens=("ba", "be", "bi"))] * 40, tokenizer)
    for answer in head.decode(3 * logits_for(items), items):
        text = "".join(tag[0] for tag in answer.tags)
        for entity in ("BIE", "BE", "S"):
            text = text.replace(entity, "-")
        assert set(text) <= {"O", "-"}


@pytest.mark.parametrize(
    ("labels", "tags", "message"),
    [
        (LABELS, ("O", "I-PER"), "'I-PER' of word 2 cannot stand behind 'O' in the scheme 'bio'"),
        (LABELS, ("I-LOC", "O"), "'I-LOC' of word 1 cannot stand as the first"),
        (LABELS, ("B-LOC", "I-PER"), "'I-PER' of word 2 cannot stand behind 'B-LOC'"),
        (("O", "B-X", "E-X"), ("O", "B-X"), "'B-X' of the last word leaves an entity open"),
    ],
)
def test_tags_without_any_probability_are_refused(tokenizer, labels, tags, message):
    good = TaggingExample(tokens=("ba",), tags=("O",))
    bad = TaggingExample(tokens=("ba", "be"), tags=tags)
    with pytest.raises(InputError, match=rf"{message}.*crf\[follows_scheme=false\]") as caught:
        a_head(labels=labels).encode([good, bad], tokenizer)
    assert caught.value.index == 1
    [_, kept] = a_head(labels=labels, follows_scheme=False).encode([good, bad], tokenizer)
    assert kept.target is not None


def test_a_wrong_tag_or_text_is_refused_as_by_the_tagging_head(tokenizer):
    head = a_head()
    for example, message in (
        (TaggingExample(tokens=("a",), tags=("B-X",)), "the tag 'B-X' is unknown to this head"),
        (
            TaggingExample(text="the cat", entities=[(0, 5, "PER")]),
            "begins or ends within the word",
        ),
        (TaggingExample(text="  "), "the text has no words"),
    ):
        with pytest.raises(InputError, match=message):
            head.encode([example], tokenizer)


def test_entities_have_their_characters_in_the_text(tokenizer):
    head = a_head(labels=("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))
    for scores in (head.first, head.following, head.last):
        nn.init.zeros_(scores)
    text = "  The c\u00e2t's Red-Blue  mat!"
    example = TaggingExample(text=text, entities=[(6, 9, "PER"), (12, 20, "LOC")])
    [found] = head.encode([example], tokenizer)
    logits_NK = torch.zeros(found.n_tokens, 5)
    tag = 0
    for place, (number, part) in enumerate(found.target.tolist()):
        tag = number if part > 0 else tag
        logits_NK[place, max(tag, 0)] = 9.0
    [answer] = head.decode(logits_NK, [found])
    person, place = answer.entities
    assert person == FoundEntity(label="PER", text="c\u00e2t", start=6, end=9, score=person.score)
    assert (place.text, place.start, place.end) == ("Red-Blue", 12, 20)
    assert min(answer.scores) > 0.99
    assert json.loads(answer.model_dump_json()) == answer.model_dump()
    assert str(answer) == "c\u00e2t (PER), Red-Blue (LOC)"


@pytest.mark.parametrize("overlap", [0, 2, 100])
@pytest.mark.parametrize("max_length", [3, 6, 11])
def test_one_chain_goes_over_all_windows_of_a_long_text(tokenizer, overlap, max_length):
    """With the same logits for a sub-word wherever it is read, windows make no difference."""
    words = tuple(LONG.split())
    tags = tuple(LABELS[(0, 1, 2, 2, 0, 3, 4)[place % 7]] for place in range(len(words)))
    head = a_head(overlap=overlap)
    example = TaggingExample(tokens=words, tags=tags)
    [whole] = head.encode([example], tokenizer)
    [cut] = head.encode([example], tokenizer.with_settings(TextSettings(max_length=max_length)))
    assert len(cut.rows) > 1
    [row] = whole.rows
    logits_NK = logits_for([whole])
    pieces = [
        logits_NK[[0, *(1 + window.start + place for place in range(len(window) - 2)), -1]]
        for window in cut.rows
    ]
    windows_NK = torch.cat(pieces)
    torch.testing.assert_close(
        head.loss(windows_NK, cut.target), head.loss(logits_NK, whole.target)
    )
    assert head.decode(windows_NK, [cut]) == head.decode(logits_NK, [whole])
    assert len(row.ids) == whole.n_tokens


def test_the_tags_of_a_target_can_be_read_again(tokenizer):
    head = a_head()
    tags = ("B-PER", "I-PER", "O")
    [found] = head.encode([TaggingExample(tokens=("model", "abc", "the"), tags=tags)], tokenizer)
    [answer] = head.tagged_words(torch.zeros(found.n_tokens, 5), [found])
    assert head.tags_in(found.target, answer.sub_words) == [1, 2, 0]


def test_figures_are_those_of_the_answers(tokenizer):
    head = a_head()
    tags = [("B-PER", "I-PER", "O"), ("O", "B-LOC")]
    items = head.encode(
        [TaggingExample(tokens=("model", "abc", "the")[: len(own)], tags=own) for own in tags],
        tokenizer,
    )
    logits_NK = torch.zeros(sum(item.n_tokens for item in items), 5)
    tag = 0
    for place, (number, part) in enumerate(targets_of(items).tolist()):
        tag = number if part > 0 else tag
        logits_NK[place, max(tag, 0)] = 50.0
    metrics = head.metrics()
    metrics.update(logits_NK, items)
    assert metrics.compute() == {"f1": 1.0, "precision": 1.0, "recall": 1.0, "accuracy": 1.0}
    plain = a_head(labels=("NN", "VB"))
    assert plain.metrics().primary == "accuracy"
    assert head.metrics().primary == "f1"


def test_labels_of_tensors_are_words_by_themselves():
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=torch.bool)
    labels = torch.tensor([[-100, 1, 2, -100], [-100, -100, 3, 99], [-100, 0, 0, 0]])
    found = a_head().targets(labels, mask)
    assert found.tolist() == [
        *([-100, -100], [1, 2], [2, 1], [-100, -100]),
        *([-100, -100], [-100, -100], [3, 2]),
        [-100, -100],
    ]
    assert a_head().targets(labels[:0], mask[:0]).shape == (0, 2)


def test_labels_of_tensors_that_cannot_be_learned_are_refused():
    mask = torch.ones(2, 2, dtype=torch.bool)
    with pytest.raises(InputError, match="'I-PER' of word 2 cannot stand behind 'O'") as caught:
        a_head().targets(torch.tensor([[0, 0], [0, 2]]), mask)
    assert caught.value.index == 1
    with pytest.raises(InputError, match="the label 5 is neither -100 nor one of 0 to 4"):
        a_head().targets(torch.full((2, 2), 5), mask)


def test_words_without_label_are_no_part_of_the_chain():
    head = a_head()
    logits_NK = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, 5, dtype=torch.bool)
    some = head.targets(torch.tensor([[-100, 1, -100, 2, -100]]), mask)
    both = head.targets(torch.tensor([[1, 2]]), torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(head.loss(logits_NK, some), head.loss(logits_NK[[1, 3]], both))


@pytest.mark.parametrize("n_tokens", [0, 3])
def test_loss_without_labelled_words_is_zero(n_tokens):
    logits_NK = torch.randn(n_tokens, 5, requires_grad=True)
    loss = a_head().loss(logits_NK, torch.full((n_tokens, 2), -100))
    assert loss.item() == 0
    loss.backward()
    assert not logits_NK.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_loss_of_half_precision_is_computed_in_float32(tokenizer, dtype):
    head = a_head().to(dtype)
    example = TaggingExample(tokens=("model",) * 60, tags=("O", "B-PER", "I-PER") * 20)
    [found] = head.encode([example], tokenizer)
    logits_NK = (8 * logits_for([found])).to(dtype).requires_grad_()
    loss = head.loss(logits_NK, found.target)
    exact = a_head().to(dtype).float().loss(logits_NK.detach().float(), found.target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact)
    loss.backward()
    assert logits_NK.grad.dtype == head.following.grad.dtype == dtype
    assert head.following.grad.isfinite().all()


def test_gradients_reach_every_parameter(tokenizer):
    model = tiny_model()
    model.add_task("ner", head=CRFHeadConfig(labels=LABELS))
    head = model.heads["ner"]
    example = TaggingExample(tokens=("ba", "model", "the"), tags=("B-PER", "I-PER", "B-LOC"))
    [found] = head.encode([example], tokenizer)
    packing = Packing((found.n_tokens,))
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(found.n_tokens, 32, generator=generator) for _ in range(4)]
    hidden = replace(Hidden.of_rows(states[-1], packing), batch_layers=tuple(states))
    head.train()
    head.loss(head(head.select(hidden)), found.target).backward()
    assert {name for name, weight in head.named_parameters() if not weight.grad.any()} == set()


def test_what_the_scheme_forbids_is_not_learned(tokenizer):
    head = a_head()
    example = TaggingExample(tokens=("ba", "be", "bi"), tags=("B-PER", "I-PER", "O"))
    [found] = head.encode([example], tokenizer)
    head.loss(logits_for([found]), found.target).backward()
    for left, right in ((0, 2), (0, 4), (1, 4), (2, 4), (3, 2), (4, 2)):
        assert head.following.grad[left, right] == 0, (LABELS[left], LABELS[right])
    assert head.first.grad[[2, 4]].tolist() == [0, 0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(tokenizer, bad):
    head = a_head()
    [found] = head.encode([TaggingExample(text="the")], tokenizer)
    logits_NK = torch.zeros(found.n_tokens, 5)
    logits_NK[1, 2] = bad
    with pytest.raises(InputError, match="logits of token 2 are not finite"):
        head.decode(logits_NK, [found])
    with torch.no_grad():
        head.following[0, 0] = bad
    with pytest.raises(InputError, match="scores of tags that follow one another are not finite"):
        head.decode(torch.zeros(found.n_tokens, 5), [found])


def test_no_rows_give_no_answers():
    head = a_head(hidden="last")
    nothing = Hidden.of_rows(torch.empty(0, 8), Packing(()))
    assert head(nothing).shape == (0, 5)
    assert head.decode(head(nothing), []) == []


@pytest.fixture
def model():
    found = tiny_model()
    settings = TextSettings(max_length=12)
    found.add_task("ner", head=CRFHeadConfig(labels=LABELS, overlap=4), text=settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in found.heads["ner"].parameters():
            weight.normal_(0, 0.3, generator=generator)
    return found


def test_a_texts_answer_does_not_depend_on_its_batch(model):
    texts = [LONG, "the cat", LONG.split(), "x", f"{LONG}. {LONG}", ["", "abc"]]
    together = model.predict(texts, task="ner")
    for text, found in zip(texts, together, strict=True):
        [alone] = model.predict([text], task="ner")
        assert alone.tags == found.tags
        assert alone.scores == pytest.approx(found.scores, abs=1e-5)
        assert [entity.text for entity in alone.entities] == [e.text for e in found.entities]
    assert len({tag for found in together for tag in found.tags}) > 1


def test_a_saved_task_answers_as_before(model, tmp_path):
    texts = [LONG, "the cat"]
    before = model.predict(texts, task="ner")
    model.save_task("ner", tmp_path / "ner")
    other = tiny_model()
    other.load_task(tmp_path / "ner")
    assert other.predict(texts, task="ner") == before
