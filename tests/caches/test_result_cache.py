"""Answers that are kept are right, whatever changed since; what is private is never kept."""

import copy
import gc
import pickle
import random
import threading
import weakref
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from torch import nn

import polyhead as ph
from polyhead.caches.result_cache import WrittenAnswer
from polyhead.errors import ConfigError, InputError
from polyhead.model.answer_keys import AnswerContext, AnswerKeys

TEXTS = ["the cat sat", "a bad day", "red", "the dog ran on the mat"]
ROOM = 10**6


@pytest.fixture
def model(tiny_model, two_labels, three_labels, shake):
    """Tasks mood and topic with adapters, bare without; a cache."""
    tiny_model.add_task("mood", head=two_labels)
    tiny_model.add_task("topic", head=three_labels, adapter="double_seq_bn")
    tiny_model.add_task("bare", head=two_labels, adapter=None)
    for number, part in enumerate((*tiny_model.adapters.values(), *tiny_model.heads.values())):
        shake(part, seed=number)
    tiny_model.result_cache = ph.ResultCache(ROOM)
    return tiny_model


@pytest.fixture
def passes(model):
    """The rows of each pass through the encoder."""
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].packing.lengths))
    return seen


def uncached(model, texts, task):
    """What a model without a cache answers."""
    cache, model.result_cache = model.result_cache, None
    try:
        return model.predict(texts, task=task)
    finally:
        model.result_cache = cache


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def counts(model):
    return model.result_cache.hits, model.result_cache.misses


def test_there_is_no_cache_unless_one_is_set(tiny_model):
    assert tiny_model.result_cache is None
    assert tiny_model.prefix_cache is None
    assert tiny_model.private_tasks == frozenset()


def test_an_answer_is_computed_once(model, passes):
    first = model.predict(TEXTS, task="mood")
    assert len(passes) == 1
    assert model.predict(TEXTS, task="mood") == first
    assert len(passes) == 1
    assert counts(model) == (4, 4)
    assert len(model.result_cache) == 4
    assert_same(first, uncached(model, TEXTS, "mood"))


def test_what_is_known_and_what_is_new_come_in_the_order_of_the_texts(model, passes):
    model.predict(TEXTS[1:3], task="topic")
    passes.clear()
    texts = [TEXTS[3], TEXTS[1], TEXTS[0], TEXTS[2], TEXTS[1], TEXTS[3]]
    found = model.predict(texts, task="topic")
    assert_same(found, uncached(model, texts, "topic"))
    assert sorted(passes[0]) == [5, 8]


def test_a_text_that_comes_twice_is_computed_once_and_everyone_has_an_answer_of_their_own(
    model, passes
):
    one, other, *_ = model.predict([TEXTS[0]] * 3, task="mood")
    assert one == other
    assert one is not other
    assert passes == [(5,)]
    assert counts(model) == (0, 1)


def test_several_tasks_find_their_own_answers(model, passes):
    tasks = ["mood", "topic", "bare"]
    first = model.predict(TEXTS, task=tasks)
    passes.clear()
    assert model.predict(TEXTS, task=tasks) == first
    assert passes == []
    model.predict([*TEXTS, "a new one"], task=["bare", "mood"])
    assert [len(rows) for rows in passes] == [1]


def test_changing_an_answer_does_not_change_what_is_kept(model):
    model.add_task("vector", head=ph.EmbeddingHeadConfig(), adapter=None)
    [first] = model.predict("red", task="vector")
    expected = list(first.embedding)
    first.embedding.clear()
    [second] = model.predict("red", task="vector")
    assert second.embedding == expected
    second.embedding.clear()
    assert model.predict("red", task="vector")[0].embedding == expected


HEADS = {
    "classification": (
        ph.ClassificationHeadConfig(labels=("a", "b")),
        ["red", ("a cat", "a dog"), {"text": "red", "label": "a"}],
    ),
    "multilabel": (ph.MultilabelHeadConfig(labels=("a", "b", "c")), ["red", "the cat"]),
    "regression": (ph.RegressionHeadConfig(outputs=("x", "y")), ["red", "the cat"]),
    "tagging": (
        ph.TaggingHeadConfig(labels=("O", "B-X", "I-X")),
        ["the cat sat", {"tokens": ["red", "dog"]}],
    ),
    "question_answering": (
        ph.QuestionAnsweringHeadConfig(null_answers=True),
        [{"question": "is it red", "context": "the cat is red. " * 30}],
    ),
    "multiple_choice": (
        ph.MultipleChoiceHeadConfig(),
        [{"text": "the cat", "choices": ["sat", "ran"]}, {"choices": ["a", "b", "c"]}],
    ),
    "masked_lm": (ph.MaskedLMHeadConfig(), ["the [MASK] sat", "[MASK] is [MASK]"]),
    "embedding": (ph.EmbeddingHeadConfig(projection=7), ["red", ("a cat", "a dog")]),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_answers_of_every_kind_of_head_come_back_whole(model, passes, shake, kind):
    config, examples = HEADS[kind]
    model.add_task("any", head=config)
    shake(model.heads["any"], seed=7)
    first = model.predict(examples, task="any")
    passes.clear()
    second = model.predict(examples, task="any")
    assert passes == []
    assert second == first
    assert list(map(type, second)) == list(map(type, first))


def step(weights, **options):
    """One step of an optimizer that makes all of them other ones."""
    optimizer = torch.optim.AdamW(weights, lr=0.5, **options)
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    optimizer.zero_grad()


def trained(model, **options):
    model.train()
    step([*model.adapters["mood"].parameters(), *model.heads["mood"].parameters()], **options)
    model.eval()


def loaded(model, name="adapters"):
    part = getattr(model, name)["mood"]
    part.load_state_dict({key: weight + 0.5 for key, weight in part.state_dict().items()})


def assigned(model):
    part = model.adapters["mood"]
    state = {key: weight + 0.5 for key, weight in part.state_dict().items()}
    part.load_state_dict(state, assign=True)


def replaced(model):
    model.delete_task("mood")
    model.add_task("mood", head=ph.ClassificationHeadConfig(labels=("bad", "good")))
    for part in (model.adapters["mood"], model.heads["mood"]):
        for number, weight in enumerate(part.parameters()):
            nn.init.normal_(weight, 0, 0.3, generator=torch.Generator().manual_seed(number))


def rewritten(model):
    with torch.no_grad():
        model.heads["mood"].out.bias.add_(torch.tensor([0.0, 3.0]))


def swapped(model):
    """Other memory in the same tensor: no write is counted."""
    weight = model.heads["mood"].out.bias
    weight.data = weight.data + torch.tensor([0.0, 3.0])


def of_one_label_less(model):
    model.delete_task("mood")
    model.add_task("mood", head=ph.ClassificationHeadConfig(labels=("bad", "worse")), adapter=None)


CHANGES = {
    "a step": trained,
    "a fused step": lambda model: trained(model, fused=True),
    "load_state_dict of the adapter": loaded,
    "load_state_dict of the head": lambda model: loaded(model, "heads"),
    "other tensors": assigned,
    "another task of that name": replaced,
    "another head of that name": of_one_label_less,
    "a write in place": rewritten,
    "other memory": swapped,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_computed_anew(model, change):
    before = model.predict(TEXTS, task="mood")
    change(model)
    after = model.predict(TEXTS, task="mood")
    assert_same(after, uncached(model, TEXTS, "mood"))
    assert after != before


def test_training_with_the_trainer_makes_old_answers_old(model):
    head = type(model.heads["mood"])
    examples = [head.Example(text=text, label=label) for text in TEXTS for label in ("bad", "good")]
    settings = ph.TrainSettings(epochs=1, lr=0.1, batch_size=4, seed=0)
    before = model.predict(TEXTS, task="mood")
    ph.Trainer(model, settings).fit("mood", examples, examples)
    after = model.predict(TEXTS, task="mood")
    assert_same(after, uncached(model, TEXTS, "mood"))
    assert after != before


def test_answers_in_the_middle_of_a_training_are_those_of_its_weights(model):
    """Between two epochs other threads may ask; the optimizer counts no writes by itself."""
    head = type(model.heads["mood"])
    examples = [head.Example(text=text, label="good") for text in TEXTS]

    def asked(event):
        if event.event == "epoch":
            parts = (model.heads["mood"], model.adapters["mood"])
            for part in parts:
                part.eval()
            found.append(model.predict(TEXTS, task="mood"))
            assert_same(found[-1], uncached(model, TEXTS, "mood"))
            for part in parts:
                part.train()

    found = []
    settings = ph.TrainSettings(epochs=2, lr=0.1, batch_size=4, seed=0)
    ph.Trainer(model, settings, observers=[asked]).fit("mood", examples)
    assert found[0] != found[1]


def test_weights_that_come_back_find_their_answers_again(model, passes):
    state = {key: weight.clone() for key, weight in model.adapters["mood"].state_dict().items()}
    first = model.predict(TEXTS, task="mood")
    trained(model, fused=True)
    model.adapters["mood"].load_state_dict(state)
    state = model.heads["mood"].state_dict()
    assert model.predict(TEXTS, task="mood") != first  # the head is still another one
    passes.clear()
    loaded(model)
    model.predict(TEXTS, task="mood")
    assert len(passes) == 1


def test_a_threshold_is_part_of_a_head(model):
    config = ph.QuestionAnsweringHeadConfig(null_answers=True)
    model.add_task("ask", head=config, adapter=None)
    example = {"question": "is it red", "context": "the cat is red"}
    [found] = model.predict(example, task="ask")
    model.heads["ask"].set_null_threshold(found.null_margin - 1)
    assert model.predict(example, task="ask")[0].text == ""
    model.heads["ask"].set_null_threshold(found.null_margin + 1)
    assert model.predict(example, task="ask")[0].text != ""


def test_what_is_written_uncounted_is_seen_after_clear(model):
    before = model.predict(TEXTS, task="mood")
    model.heads["mood"].out.bias.data[1] += 3
    model.result_cache.clear()
    assert counts(model) == (0, 0)
    after = model.predict(TEXTS, task="mood")
    assert after != before
    assert_same(after, uncached(model, TEXTS, "mood"))


def test_equal_weights_share_answers_under_whatever_names(model, passes, tmp_path):
    first = model.predict(TEXTS, task="mood")
    model.save_task("mood", tmp_path / "mood")
    model.load_task(tmp_path / "mood", name="again")
    passes.clear()
    assert model.predict(TEXTS, task="again") == first
    assert passes == []
    model.delete_task("mood")
    model.load_task(tmp_path / "mood", name="mood")
    assert model.predict(TEXTS, task="mood") == first
    assert passes == []


def test_another_adapter_under_an_old_name_has_answers_of_its_own(model, tmp_path, shake):
    first = model.predict(TEXTS, task="mood")
    model.save_task("mood", tmp_path / "old")
    shake(model.adapters["mood"], seed=99)
    model.save_task("mood", tmp_path / "new")
    model.delete_task("mood")
    model.load_task(tmp_path / "new", name="mood")
    after = model.predict(TEXTS, task="mood")
    assert after != first
    assert_same(after, uncached(model, TEXTS, "mood"))


def test_two_models_share_a_cache_and_not_the_answers_of_other_encoders(make_model, two_labels):
    cache = ph.ResultCache(ROOM)
    found = []
    for seed in (0, 0, 1):
        model = make_model(seed)
        model.result_cache = cache
        torch.manual_seed(5)
        model.add_task("mood", head=two_labels)
        found.append(model.predict("red", task="mood"))
    assert found[0] == found[1] != found[2]
    assert (cache.hits, cache.misses) == (1, 2)


def test_another_precision_has_answers_of_its_own(model):
    model.predict(TEXTS, task="bare")
    model.half()
    model.float()  # not what it was: digits are gone
    model.predict(TEXTS, task="bare")
    assert counts(model) == (0, 8)
    with torch.autocast("cpu", torch.bfloat16):
        model.predict(TEXTS, task="bare")
    assert counts(model) == (0, 12)


SETUPS = [
    "mood",
    None,
    ph.Stack("mood", "topic"),
    ph.Stack("topic", "mood"),
    ph.Average({"mood": 0.5, "topic": 0.5}),
    ph.Average({"mood": 0.25, "topic": 0.75}),
    ph.Split("mood", "topic", splits=(2, None)),
    ph.Split("mood", "topic", splits=(3, None)),
    ph.Fuse("mood", "topic", name="one"),
    ph.Fuse("mood", "topic", name="other"),
    "one",
]


@pytest.fixture
def composed(model, shake):
    """A task for each of several setups, all with one and the same head's weights."""
    for number, name in enumerate(("one", "other")):
        model.add_adapter_fusion(["mood", "topic"], name=name)
        shake(model.adapters[name], seed=20 + number)
    config = ph.ClassificationHeadConfig(labels=("bad", "good"))
    for number, setup in enumerate(SETUPS):
        model.add_task(f"t{number}", head=config, adapter=None, share_adapter=setup)
        shake(model.heads[f"t{number}"], seed=3)
    return model


def test_every_way_of_putting_adapters_together_has_answers_of_its_own(composed):
    tasks = [f"t{number}" for number in range(len(SETUPS))]
    for _ in range(2):
        for task in tasks:
            assert_same(composed.predict(TEXTS, task=task), uncached(composed, TEXTS, task))
    assert counts(composed)[1] == len(TEXTS) * len(SETUPS)


@pytest.mark.parametrize("number", [2, 4, 6, 8, 10])
def test_a_part_of_a_composition_that_changes_makes_its_answers_old(composed, number, shake):
    task = f"t{number}"
    before = composed.predict(TEXTS, task=task)
    shake(composed.adapters["topic"], seed=77)
    after = composed.predict(TEXTS, task=task)
    assert after != before
    assert_same(after, uncached(composed, TEXTS, task))


def test_a_merged_adapter_has_answers_of_its_own(model):
    model.add_adapter("second")
    model.average_adapters("both", {"mood": 0.5, "second": 0.5})
    model.add_task("merged", head=ph.ClassificationHeadConfig(labels=("a", "b")), adapter=None)
    model.add_task(
        "half", head=ph.ClassificationHeadConfig(labels=("a", "b")), share_adapter="both"
    )
    state = model.heads["merged"].state_dict()
    model.heads["half"].load_state_dict(state)
    model.predict(TEXTS, task="merged")
    assert_same(model.predict(TEXTS, task="half"), uncached(model, TEXTS, "half"))
    assert counts(model)[0] == 0


def test_the_key_holds_how_texts_are_read(model):
    config = ph.ClassificationHeadConfig(labels=("bad", "good"))
    for name, length in (("short", 4), ("shorter", 4), ("long", 40)):
        text = ph.TextSettings(max_length=length)
        model.add_task(name, head=config, adapter=None, text=text)
        model.heads[name].load_state_dict(model.heads["bare"].state_dict())
    keys = AnswerKeys(model, model.result_cache.digests)
    questions = model.questions(dict.fromkeys(("short", "shorter", "long"), "red"))
    short, shorter, long = (context.digest for context in keys.contexts(questions))
    assert short == shorter != long


def test_the_key_holds_the_example_as_given_and_as_read(model):
    [question] = model.questions(
        {"mood": ["red", "Red", ("red", "red"), {"text": "red", "label": "good"}]}
    )
    keys = AnswerKeys(model, model.result_cache.digests)
    context = AnswerContext(b"", ())
    found = keys.of(question, context)
    assert len(set(found)) == 4
    cut = [replace(each, rows=each.rows[:0]) for each in question.encoded]
    assert not set(found) & set(keys.of(replace(question, encoded=cut), context))


def test_a_head_that_was_replaced_since_the_examples_were_read_is_not_cached(model):
    questions = model.questions({"mood": TEXTS})
    replaced(model)
    model.answer(questions)
    assert len(model.result_cache) == 0


def test_answers_of_weights_that_change_meanwhile_are_not_kept(model):
    def write(*_):
        with torch.no_grad():
            model.heads["mood"].out.bias.add_(1)

    handle = model.encoder.register_forward_pre_hook(write)
    model.predict(TEXTS, task=["mood", "bare"])
    handle.remove()
    assert len(model.result_cache) == len(TEXTS)  # those of "bare"
    model.result_cache.clear()
    model.predict(TEXTS, task="mood")
    assert len(model.result_cache) == len(TEXTS)


def test_answers_of_weights_that_came_and_went_meanwhile_are_not_kept(model, shake):
    def exchange(seed):
        adapter = copy.deepcopy(model.adapters["mood"])
        model._adapters.replace("mood", shake(adapter, seed))

    def compute(calls, **options):
        exchange(8)
        outputs = found(calls, **options)
        exchange(9)
        return outputs

    exchange(9)
    found = model.compute
    model.compute = compute
    model.predict(TEXTS, task="mood")
    assert len(model.result_cache) == 0
    del model.compute
    model.predict(TEXTS, task="mood")
    assert len(model.result_cache) == len(TEXTS)


def test_what_is_refused_is_refused_each_time_at_its_place(model):
    model.add_task("fill", head=ph.MaskedLMHeadConfig(), adapter=None)
    known = ["the [MASK] sat", "[MASK]"]
    expected = model.predict(known, task="fill")
    for _ in range(2):
        with pytest.raises(InputError, match="has no") as caught:
            model.predict([*known, "[MASK] ran", "no mask", known[0]], task="fill")
        assert caught.value.index == 3
        with pytest.raises(InputError, match="has no words"):
            model.predict(["red", " "], task="mood")
    assert model.predict(known, task="fill") == expected
    assert len(model.result_cache) == len(known)


def test_training_mode_is_refused_though_answers_are_kept(model):
    model.predict(TEXTS, task="mood")
    model.train()
    with pytest.raises(InputError, match="in training mode"):
        model.predict(TEXTS, task="mood")


def test_of_private_tasks_and_calls_nothing_is_kept_nor_looked_for(model, passes):
    model.private_tasks = ["mood", "one-that-comes-later"]
    assert model.private_tasks == {"mood", "one-that-comes-later"}
    for _ in range(2):
        model.predict(TEXTS, task="mood")
        model.predict(TEXTS, task="bare", private=True)
    assert len(passes) == 4
    assert len(model.result_cache) == 0
    assert counts(model) == (0, 0)
    model.predict(TEXTS, task=["mood", "bare"])
    assert len(model.result_cache) == len(TEXTS)
    assert counts(model) == (0, len(TEXTS))
    model.private_tasks = ()
    model.predict(TEXTS, task="mood")
    assert len(model.result_cache) == 2 * len(TEXTS)


class Odd(ph.Prediction):
    score: float
    label: str = ""


def test_an_answer_that_its_json_does_not_bring_back_is_given_and_not_kept(model, monkeypatch):
    monkeypatch.setattr(
        type(model.heads["mood"]),
        "decode",
        lambda _, __, encoded: [Odd(score=float("nan")) for _ in encoded],
    )
    assert WrittenAnswer.of(Odd(score=float("nan"))) is None
    assert WrittenAnswer.of(Odd(score=0.1 + 0.2)).read() == Odd(score=0.1 + 0.2)
    found = model.predict(["red", "red", "blue"], task="mood")
    assert all(answer.score != answer.score for answer in found)  # NaN
    assert len({id(answer) for answer in found}) == 3
    assert len(model.result_cache) == 0


def test_the_oldest_go_where_there_is_no_room(model):
    model.predict(TEXTS[0], task="mood")
    model.result_cache = ph.ResultCache(3 * model.result_cache.n_bytes)
    for number in range(20):
        model.predict(f"the cat sat {number}", task="mood")
        assert model.result_cache.n_bytes <= model.result_cache.max_bytes
    assert 1 < len(model.result_cache) < 4


def test_an_answer_larger_than_the_cache_is_given_and_not_kept(model):
    model.result_cache = ph.ResultCache(1)
    assert_same(model.predict(TEXTS, task="mood"), uncached(model, TEXTS, "mood"))
    assert (len(model.result_cache), model.result_cache.n_bytes) == (0, 0)


def test_deleted_parts_are_not_kept_alive(model):
    model.predict(TEXTS, task="mood")
    parts = [weakref.ref(model.adapters["mood"]), weakref.ref(model.heads["mood"])]
    parts += [weakref.ref(part().weight) for part in parts if hasattr(part(), "weight")]
    model.delete_task("mood")
    gc.collect()
    assert [part() for part in parts] == [None] * len(parts)


def test_a_copy_of_a_model_has_an_empty_cache_of_its_own(model):
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    first = model.predict(TEXTS, task="mood")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 - ours
        assert other.result_cache is not model.result_cache
        assert len(other.result_cache) == 0
        assert other.result_cache.max_bytes == ROOM
        assert other.prefix_cache.layer == 2
        assert_same(other.predict(TEXTS, task="mood"), first)
        assert len(other.result_cache) == len(TEXTS)


def in_threads(act, n_threads=4):
    """Runs `act` in several threads; returns what they raise."""
    failures = []

    def run(seed):
        try:
            act(random.Random(seed))  # noqa: S311 - which texts, not a secret
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(n_threads)]
    for thread in threads:
        thread.start()
    return threads, failures


def test_many_threads_share_a_small_cache(model):
    expected = dict(zip(TEXTS, uncached(model, TEXTS, "mood"), strict=True))
    model.result_cache = ph.ResultCache(1_100)

    def ask(chance):
        for _ in range(40):
            texts = chance.choices(TEXTS, k=3)
            assert_same(model.predict(texts, task="mood"), [expected[text] for text in texts])
            assert model.result_cache.n_bytes <= 1_100

    threads, failures = in_threads(ask)
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(model.result_cache) in {1, 2}
    assert min(counts(model)) > 0


def test_no_wrong_answer_is_kept_while_the_weights_of_a_name_change(model, two_labels, shake):
    def put(seed):
        head = shake(model._new_head(two_labels), seed)
        adapter = shake(model._new_adapter("seq_bn"), seed)
        model._put_task("turn", head, adapter, None, ph.TextSettings())

    def ask(chance):
        while not done.is_set():
            with suppress(LookupError):  # between the two, or while one of them goes
                model.predict(chance.choices(TEXTS, k=3), task="turn")

    done = threading.Event()
    threads, failures = in_threads(ask)
    for seed in (1, 2) * 10:
        put(seed)
        model.predict(TEXTS, task="turn")
        model.delete_task("turn")
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(model.result_cache) == 2 * len(TEXTS)
    for seed in (1, 2):
        put(seed)
        assert_same(model.predict(TEXTS, task="turn"), uncached(model, TEXTS, "turn"))
        model.delete_task("turn")


@pytest.mark.parametrize("bad", [0, -1, 1.5, "1GB", None, True])
def test_a_bound_that_is_none_is_refused(bad):
    with pytest.raises(ConfigError, match="max_bytes is the most bytes that a ResultCache keeps"):
        ph.ResultCache(bad)


@pytest.mark.parametrize("bad", [100, "on", {}, ph.PrefixCache(10, layer=1)])
def test_what_is_no_cache_is_refused(model, bad):
    kept = model.result_cache
    with pytest.raises(ConfigError, match=r"result_cache is a polyhead\.ResultCache, or None"):
        model.result_cache = bad
    assert model.result_cache is kept


@pytest.mark.parametrize("bad", ["mood", 3, None, ["a b"], [None], [["mood"]]])
def test_private_tasks_that_are_no_names_are_refused(model, bad):
    with pytest.raises(ConfigError, match="private_tasks are names of tasks"):
        model.private_tasks = bad
