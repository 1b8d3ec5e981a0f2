"""Rows that start above the lowest layers are answered as if they had gone through them."""

import random
import threading
from collections import Counter

import pytest
import torch

import polyhead as ph
from polyhead.batch import Row
from polyhead.errors import ConfigError
from polyhead.model import HeadCall

KINDS = {
    "s": "seq_bn",
    "upper": "seq_bn[leave_out=[0,1]]",
    "upper_two": "double_seq_bn[leave_out=[0]]",
    "lora": "lora",
    "upper_lora": "lora[leave_out=[0]]",
    "top_lora": "lora[leave_out=[0,1]]",
    "lin": "lora[modules=['lin1','lin2'],leave_out=[0]]",
    "prefix": "prefix_tuning_flat[leave_out=[0,1]]",
    "prompt": "prompt_tuning",
    "inv": "seq_bn_inv",
    "parallel": "par_bn[leave_out=[0]]",
}
SETUPS = [
    None,
    *KINDS,
    ph.Stack("upper", "upper_lora"),
    ph.Stack("s", "upper"),
    ph.Average({"upper": 0.5, "upper_two": 0.5}),
    ph.Split("top_lora", "upper", splits=(1, None)),
]
N_LAYERS = 3
ROOM = 10**7
CLOSE = {"atol": 1e-5, "rtol": 1e-4}
ROWS = (Row((2, 7, 9, 3)), Row((2, 11, 3)), Row((2, 7, 9, 3), positions=(0, 1, 4, 5)))


@pytest.fixture(scope="module")
def shared():
    torch.manual_seed(0)
    config = ph.DistilBertConfig(
        vocab_size=100, dim=32, n_heads=2, hidden_dim=48, n_layers=N_LAYERS
    )
    model = ph.DistilBertModelWithHeads.from_config(config)
    for name, hidden in (("last", "last"), ("mix", "mix"), ("low", 1)):
        config = ph.ClassificationHeadConfig(labels=("a", "b"), hidden=hidden)
        model.add_head(name, config, adapter=None)
    for name, config in KINDS.items():
        model.add_adapter(name, config)
        for parameter in model.adapters[name].parameters():
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture
def model(shared):
    """Without a cache, before and after the test."""
    shared.prefix_cache = None
    yield shared
    shared.prefix_cache = None
    shared.private_tasks = ()


@pytest.fixture
def rows_by_layer(model):
    """How many rows each layer computed."""
    found = Counter()

    def note(number):
        return lambda _, args: found.update({number: args[1].packing.n_rows})

    handles = [
        layer.register_forward_pre_hook(note(number))
        for number, layer in enumerate(model.encoder.layers)
    ]
    yield found
    for handle in handles:
        handle.remove()


def call(rows, setups=(None,), head="last", *, private=False):
    setups = tuple(setups) * len(rows) if len(setups) == 1 else tuple(setups)
    return HeadCall(head, tuple(rows), setups, private=private)


def texts(chance, n_texts):
    return [Row(tuple(chance.choices(range(100), k=chance.randint(1, 8)))) for _ in range(n_texts)]


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
@torch.inference_mode()
def test_answers_are_those_without_a_cache(model, layer, seed):
    chance = random.Random(seed)  # noqa: S311 - which rows, not a secret
    known = texts(chance, 6)
    cache = ph.PrefixCache(ROOM, layer=layer)
    for _ in range(4):
        rows, setups = zip(
            *((chance.choice(known), chance.choice(SETUPS)) for _ in range(chance.randint(1, 20))),
            strict=True,
        )
        model.prefix_cache = None
        [expected] = model.compute([call(rows, setups)])
        model.prefix_cache = cache
        [found] = model.compute([call(rows, setups)])
        torch.testing.assert_close(found, expected, **CLOSE)
        [again] = model.compute([call(rows, setups)])
        torch.testing.assert_close(again, expected, **CLOSE)
    assert cache.hits > 0


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("setup", SETUPS, ids=str)
@torch.inference_mode()
def test_a_row_starts_above_what_is_kept_unless_its_adapter_acts_below(
    model, rows_by_layer, layer, setup
):
    acting = {None: 3, "upper": 2, "upper_two": 1, "upper_lora": 1, "top_lora": 2, "lin": 1}
    acting |= {"prefix": 2, "parallel": 1, SETUPS[-4]: 1, SETUPS[-2]: 1, SETUPS[-1]: 2}
    [expected] = model.compute([call(ROWS, [setup])])
    model.prefix_cache = ph.PrefixCache(ROOM, layer=layer)
    for n_lower in (3, 0):
        rows_by_layer.clear()
        [found] = model.compute([call(ROWS, [setup])])
        torch.testing.assert_close(found, expected, **CLOSE)
        is_used = acting.get(setup, 0) >= layer
        for number in range(N_LAYERS):
            wanted = n_lower if is_used and number < layer else 3
            assert rows_by_layer[number] == wanted, number
    assert len(model.prefix_cache) == (3 if is_used else 0)


@torch.inference_mode()
def test_one_text_under_several_adapters_is_kept_once_and_parts_where_they_act(
    model, rows_by_layer
):
    model.prefix_cache = ph.PrefixCache(ROOM, layer=1)
    setups = (None, "upper", "upper_lora", "s")
    model.compute([call(ROWS[:1] * 4, setups)])
    assert len(model.prefix_cache) == 1
    rows_by_layer.clear()
    [found] = model.compute([call(ROWS[:1] * 4, setups)])
    # "s" goes alone; "upper_lora" parts from the others as layer 1 starts, "upper" in layer 2
    assert dict(rows_by_layer) == {0: 1, 1: 2, 2: 3}
    for number, setup in enumerate(setups):
        [alone] = model.compute([call(ROWS[:1], [setup])])
        torch.testing.assert_close(found[number], alone[0], **CLOSE)


@torch.inference_mode()
def test_with_all_layers_kept_texts_without_adapter_are_not_computed_at_all(model, rows_by_layer):
    model.prefix_cache = ph.PrefixCache(ROOM, layer=N_LAYERS)
    [first] = model.compute([call(ROWS)])
    rows_by_layer.clear()
    [second] = model.compute([call(ROWS)])
    assert torch.equal(first, second)
    assert not rows_by_layer


@torch.inference_mode()
def test_texts_that_are_new_are_computed_beside_those_that_are_known(model, rows_by_layer):
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    model.compute([call(ROWS[:1], ["upper"])])
    rows_by_layer.clear()
    rows = (ROWS[1], ROWS[0], ROWS[2], ROWS[0])
    [found] = model.compute([call(rows, ["upper"])])
    assert dict(rows_by_layer) == {0: 2, 1: 2, 2: 3}
    model.prefix_cache = None
    torch.testing.assert_close(found, model.compute([call(rows, ["upper"])])[0], **CLOSE)
    assert torch.equal(found[1], found[3])


def padded():
    ids = torch.tensor([[2, 7, 9, 3], [2, 11, 3, 0]])
    return {"input_ids": ids, "attention_mask": (ids > 0).long(), "head": "last"}


def test_the_padded_call_uses_it_outside_training(model, rows_by_layer):
    expected = model(**padded(), adapter_names="upper")
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    for n_lower in (2, 0):
        rows_by_layer.clear()
        with torch.no_grad():
            found = model(**padded(), adapter_names="upper")
        assert rows_by_layer[0] == n_lower
        torch.testing.assert_close(found.logits, expected.logits, **CLOSE)
        torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, **CLOSE)


def test_what_inference_kept_serves_calls_without_gradients(model):
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    with torch.inference_mode():
        [expected] = model.compute([call(ROWS, ["upper"])])
    with torch.no_grad():
        [found] = model.compute([call(ROWS, ["upper"])])
    assert torch.equal(found, expected)
    assert not found.is_inference()


def test_training_does_not_use_it(model, rows_by_layer):
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    [output] = model.compute([call(ROWS, ["upper"])])
    output.sum().backward()
    assert len(model.prefix_cache) == 0
    assert rows_by_layer[0] == 3
    model.zero_grad()


@pytest.mark.parametrize(
    "options",
    [
        {"output_hidden_states": True},
        {"output_attentions": True},
        {"head_mask": torch.tensor([1.0, 0.0])},
        {"head": "mix"},
        {"head": "low"},
        {"head": ["mix", "last"]},
    ],
    ids=str,
)
@torch.no_grad()
def test_calls_that_need_more_than_the_last_layer_do_not_use_it(model, options):
    expected = model(**padded() | options, adapter_names=None)
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    model(**padded(), adapter_names=None)
    assert len(model.prefix_cache) == 2
    hits = model.prefix_cache.hits
    found = model(**padded() | options, adapter_names=None)
    assert model.prefix_cache.hits == hits
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, **CLOSE)


@torch.no_grad()
def test_embeddings_in_place_of_ids_do_not_use_it(model):
    embeds = model.encoder.word_embeddings(padded()["input_ids"])
    options = {"attention_mask": padded()["attention_mask"], "head": "last"}
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    expected = model(**padded(), adapter_names="upper")
    assert len(model.prefix_cache) == 2
    found = model(inputs_embeds=embeds * 2, **options, adapter_names="upper")
    assert len(model.prefix_cache) == 2
    assert not torch.allclose(found.logits, expected.logits)


@torch.no_grad()
def test_a_head_on_a_lower_layer_than_is_kept_is_answered_as_before(model):
    [expected] = model.compute([call(ROWS, head="low")])
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    model.compute([call(ROWS)])
    torch.testing.assert_close(model.compute([call(ROWS, head="low")])[0], expected, **CLOSE)
    mixed = model.compute([call(ROWS, head="low"), call(ROWS)])
    torch.testing.assert_close(mixed[0], expected, **CLOSE)


@torch.inference_mode()
def test_positions_are_part_of_a_text(model):
    model.prefix_cache = ph.PrefixCache(ROOM, layer=2)
    model.compute([call(ROWS)])
    assert len(model.prefix_cache) == 3


@torch.inference_mode()
def test_what_is_kept_is_bounded_and_does_not_keep_a_batch_alive(model):
    chance = random.Random(0)  # noqa: S311
    rows = texts(chance, 60)
    [expected] = model.compute([call(rows)])
    model.prefix_cache = cache = ph.PrefixCache(20_000, layer=2)
    for _ in range(2):
        for start in range(0, 60, 20):
            part = slice(start, start + 20)
            [found] = model.compute([call(rows[part])])
            torch.testing.assert_close(found, expected[part], **CLOSE)
            assert cache.n_bytes <= 20_000
    states = list(cache._values.values())
    assert 1 < len(states) < 20
    assert sum(each.untyped_storage().nbytes() for each in states) == sum(
        each.nbytes for each in states
    )
    assert cache.n_bytes == sum(map(cache.bytes_of, states))


@torch.inference_mode()
def test_a_text_larger_than_the_cache_is_answered_and_not_kept(model):
    [expected] = model.compute([call(ROWS)])
    model.prefix_cache = ph.PrefixCache(100, layer=2)
    torch.testing.assert_close(model.compute([call(ROWS)])[0], expected, **CLOSE)
    assert (len(model.prefix_cache), model.prefix_cache.n_bytes) == (0, 0)


@torch.inference_mode()
def test_another_encoder_or_precision_never_finds_it(make_model):
    cache = ph.PrefixCache(ROOM, layer=2)
    for number, seed in enumerate((0, 1), start=1):
        model = make_model(seed)
        model.add_head("last", ph.ClassificationHeadConfig(labels=("a", "b")), adapter=None)
        [expected] = model.compute([call(ROWS)])
        model.prefix_cache = cache
        torch.testing.assert_close(model.compute([call(ROWS)])[0], expected, **CLOSE)
        assert len(cache) == 3 * number
    model.double()
    assert model.compute([call(ROWS)])[0].dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        model.compute([call(ROWS)])
    assert len(cache) == 12
    assert cache.hits == 0


@torch.inference_mode()
def test_an_encoder_of_int8_is_answered_the_same_and_finds_its_own(make_model):
    model = make_model()
    model.add_head("last", ph.ClassificationHeadConfig(labels=("a", "b")), adapter=None)
    model.prefix_cache = cache = ph.PrefixCache(ROOM, layer=2)
    model.compute([call(ROWS)])
    model.encoder.reduce("int8")
    model.prefix_cache = None
    [expected] = model.compute([call(ROWS)])
    model.prefix_cache = cache
    for n_hits in (0, 3):
        [found] = model.compute([call(ROWS)])
        torch.testing.assert_close(found, expected, **CLOSE)
        assert cache.hits == n_hits


@torch.inference_mode()
def test_of_private_rows_nothing_is_kept_nor_looked_for(model, rows_by_layer):
    model.prefix_cache = cache = ph.PrefixCache(ROOM, layer=2)
    model.private_tasks = ["last"]
    [expected] = model.compute([call(ROWS)])
    model(**padded(), adapter_names=None)
    model.private_tasks = []
    model.compute([call(ROWS, private=True)])
    assert (len(cache), cache.hits, cache.misses) == (0, 0, 0)
    model.compute([call(ROWS)])
    rows_by_layer.clear()
    [found] = model.compute([call(ROWS, private=True)])
    assert rows_by_layer[0] == 3
    torch.testing.assert_close(found, expected, **CLOSE)
    model.add_head("open", ph.ClassificationHeadConfig(labels=("a", "b")), adapter=None)
    model.private_tasks = ["last"]
    cache.clear()
    model.compute([call(ROWS[:2]), call(ROWS[2:], head="open")])
    model.delete_head("open")
    assert len(cache) == 1


def test_tasks_share_it_in_predict(make_model, shake):
    model = make_model()
    config = ph.ClassificationHeadConfig(labels=("a", "b"))
    for number, name in enumerate(("one", "two")):
        model.add_task(name, head=config, adapter="seq_bn[leave_out=[0,1]]")
        shake(model.adapters[name], seed=number)
    model.add_task("below", head=config, adapter="seq_bn")
    asked = ["the cat sat", ("red", "blue"), "a bad day", "the cat sat"]
    tasks = ["one", "below", "two"]
    expected = model.predict(asked, task=tasks)
    model.prefix_cache = cache = ph.PrefixCache(ROOM, layer=2)
    model.predict(asked, task="one")
    assert (len(cache), cache.misses, cache.hits) == (3, 3, 0)
    for found, want in zip(model.predict(asked, task=tasks), expected, strict=True):
        for task in tasks:
            assert found[task].probabilities == pytest.approx(want[task].probabilities, abs=1e-5)
    assert (len(cache), cache.misses) == (3, 3)


def test_many_threads_share_it(model):
    rows = texts(random.Random(0), 12)  # noqa: S311
    with torch.inference_mode():
        [expected] = model.compute([call(rows, ["upper"])])
    model.prefix_cache = ph.PrefixCache(8_000, layer=2)
    failures = []

    def ask(seed):
        chance = random.Random(seed)  # noqa: S311
        try:
            for _ in range(30):
                chosen = chance.choices(range(12), k=4)
                with torch.inference_mode():
                    [found] = model.compute([call([rows[n] for n in chosen], ["upper"])])
                torch.testing.assert_close(found, expected[chosen], **CLOSE)
                assert model.prefix_cache.n_bytes <= 8_000
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("bad", [0, -1, 1.5, "3", None, True])
def test_a_layer_that_is_none_is_refused(bad):
    with pytest.raises(ConfigError, match="layer is how many of the lowest layers a PrefixCache"):
        ph.PrefixCache(10, layer=bad)
    with pytest.raises(ConfigError, match="most bytes that a PrefixCache keeps"):
        ph.PrefixCache(bad, layer=1)


def test_a_layer_above_the_encoders_is_refused_when_it_is_set(model):
    with pytest.raises(ConfigError, match="layer=4 is above this encoder's 3 layers"):
        model.prefix_cache = ph.PrefixCache(10, layer=4)
    assert model.prefix_cache is None


@pytest.mark.parametrize("bad", [100, "on", {}, ph.ResultCache(10)])
def test_what_is_no_cache_is_refused(model, bad):
    with pytest.raises(ConfigError, match=r"prefix_cache is a polyhead\.PrefixCache, or None"):
        model.prefix_cache = bad
