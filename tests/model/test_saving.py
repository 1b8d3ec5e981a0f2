"""What is saved comes back bit by bit, here or in another process; damage leaves no trace."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from polyhead.errors import (
    ArtifactError,
    InvalidNameError,
    NameTakenError,
    NewerFormatError,
    OutputExistsError,
    UnknownAdapterError,
    UnknownHeadError,
    UnknownTaskError,
    WriteError,
)
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads
from polyhead.testing.registration import registered
from polyhead.tokenizer import TextSettings

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 8, 3]])
TEXTS = ["good", "the cat sat on the mat", "bad day! " * 40, "red 🙂"]


@pytest.fixture
def model(tiny_model, two_labels, three_labels, shake):
    """An adapter legal, a head topic, tasks mood (with adapter) and bare (without)."""
    tiny_model.add_adapter("legal", "double_seq_bn")
    tiny_model.add_head("topic", three_labels, adapter="legal")
    tiny_model.add_task("mood", head=two_labels, text=TextSettings(max_length=77))
    tiny_model.add_task("bare", head=two_labels, adapter=None)
    for number, part in enumerate((*tiny_model.adapters.values(), *tiny_model.heads.values())):
        shake(part, seed=number)
    return tiny_model


@pytest.fixture
def other(make_model):
    """Another model on the same encoder, without parts."""
    return make_model()


def assert_same_weights(found, expected):
    assert list(found.state_dict()) == list(expected.state_dict())
    for name, weight in expected.state_dict().items():
        assert found.state_dict()[name].dtype == weight.dtype
        assert torch.equal(found.state_dict()[name], weight), name
    assert all(weight.requires_grad for weight in found.parameters())


@pytest.mark.parametrize(
    "config",
    [
        "seq_bn",
        "double_seq_bn[leave_out=[1]]",
        "par_bn",
        "scaled_par_bn",
        "seq_bn[use_gating=true,scaling=channel]",
        "seq_bn[ln_before=true,ln_after=true]",
        "seq_bn[reduction_factor={'0':4,'default':2}]",
        "seq_bn[init_weights_seed=7]",
    ],
)
def test_an_adapter_comes_back_bit_by_bit(model, other, tmp_path, shake, config):
    model.add_adapter("new", config)
    shake(model.adapters["new"])
    path = model.save_adapter("new", tmp_path / "out")
    assert path == tmp_path / "out" / "adapter.safetensors"
    assert other.load_adapter(tmp_path / "out") == "new"
    assert other.adapters["new"].config == model.adapters["new"].config
    assert_same_weights(other.adapters["new"], model.adapters["new"])
    found = other(input_ids=IDS, adapter_names="new").last_hidden_state
    assert torch.equal(
        found, model(input_ids=IDS, adapter_names="new", head=None).last_hidden_state
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"layers": 3, "activation": "gelu", "pooling": "mean", "dropout": 0.3},
        {"bias": False, "layers": 1},
        {"class_weights": (0.5, 2.0)},
        {"labels": ("a\0b", "é🙂")},
    ],
    ids=str,
)
def test_a_head_comes_back_bit_by_bit(model, other, tmp_path, shake, fields):
    model.add_head(
        "new", ClassificationHeadConfig(**{"labels": ("a", "b"), **fields}), adapter=None
    )
    shake(model.heads["new"])
    assert model.save_head("new", tmp_path) == tmp_path / "head.safetensors"
    assert other.load_head(tmp_path, adapter=None) == "new"
    assert other.heads["new"].config == model.heads["new"].config
    assert_same_weights(other.heads["new"], model.heads["new"])
    found = other(input_ids=IDS, head="new").logits
    assert torch.equal(found, model(input_ids=IDS, head="new").logits)


@pytest.mark.parametrize("name", ["mood", "bare"])
def test_a_task_comes_back_bit_by_bit(model, other, tmp_path, name):
    model.save_task(name, tmp_path / "task")
    assert other.load_task(tmp_path / "task") == name
    assert other.tasks[name] == model.tasks[name]
    assert_same_weights(other.heads[name], model.heads[name])
    assert list(other.adapters) == (["mood"] if name == "mood" else [])
    assert other.predict(TEXTS, task=name) == model.predict(TEXTS, task=name)


def test_a_task_on_a_shared_adapter_takes_it_along(model, other, tmp_path, two_labels):
    model.add_task("second", head=two_labels, share_adapter="legal")
    model.save_task("second", tmp_path / "task")
    assert other.load_task(tmp_path / "task") == "second"
    assert other.tasks["second"].adapter == "second"
    assert_same_weights(other.adapters["second"], model.adapters["legal"])
    assert other.predict(TEXTS, task="second") == model.predict(TEXTS, task="second")


def test_parts_may_be_loaded_under_another_name(model, other, tmp_path):
    model.save_task("mood", tmp_path)
    assert other.load_task(tmp_path, name="first") == "first"
    assert other.load_task(tmp_path, name="second") == "second"
    assert other.load_adapter(tmp_path, name="third") == "third"
    assert (
        other.load_head(tmp_path / "head.safetensors", name="fourth", adapter="third") == "fourth"
    )
    known = model(input_ids=IDS, head="mood").logits
    for head in ("first", "second", "fourth"):
        assert torch.equal(other(input_ids=IDS, head=head).logits, known)


def test_a_part_of_a_task_may_be_loaded_alone(model, other, tmp_path):
    model.save_task("mood", tmp_path)
    other.load_head(tmp_path)
    other.load_adapter(tmp_path)
    assert not other.tasks
    found = other(input_ids=IDS, head="mood").logits
    assert torch.equal(found, model(input_ids=IDS, head="mood").logits)


def test_a_loaded_task_can_be_saved_again(model, other, tmp_path):
    model.save_task("mood", tmp_path / "a")
    other.load_task(tmp_path / "a")
    other.save_task("mood", tmp_path / "b")
    for part in ("adapter", "head"):
        tensors = []
        for folder in "ab":
            with safe_open(tmp_path / folder / f"{part}.safetensors", framework="pt") as file:
                tensors.append({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])


def test_a_double_precision_model_loses_nothing(model, other, tmp_path):
    model.to(torch.float64)
    for part in (*model.adapters.values(), *model.heads.values()):
        for weight in part.parameters():
            weight.data += 1e-12
    model.save_task("mood", tmp_path)
    other.to(torch.float64).load_task(tmp_path)
    assert_same_weights(other.adapters["mood"], model.adapters["mood"])
    assert_same_weights(other.heads["mood"], model.heads["mood"])


def test_a_part_takes_the_precision_and_mode_of_its_model(model, other, tmp_path):
    model.save_task("mood", tmp_path)
    other.to(torch.float64).train().load_task(tmp_path)
    weights = [*other.adapters["mood"].parameters(), *other.heads["mood"].parameters()]
    assert {weight.dtype for weight in weights} == {torch.float64}
    assert other.heads["mood"].training
    assert other.adapters["mood"].training


class KeepingConfig(ClassificationHeadConfig):
    """Of the head that keeps its weights in a list too."""


class KeepingHead(ClassificationHead):
    """A head that computes with its weights from a list of its own."""

    kind = "keeping"
    Config = KeepingConfig

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.kept = list(self.parameters())


def test_what_a_head_keeps_of_its_weights_are_those_that_are_loaded(model, other, tmp_path):
    with registered(KeepingHead):
        model.add_task("kept", head=KeepingConfig(labels=("no", "yes")), adapter=None)
        model.save_task("kept", tmp_path / "kept")
        other.load_task(tmp_path / "kept")
    found, expected = other.heads["kept"], model.heads["kept"]
    for kept, weight, saved in zip(
        found.kept, found.parameters(), expected.parameters(), strict=True
    ):
        assert kept is weight
        assert torch.equal(kept, saved)


def test_loading_leaves_the_random_numbers_as_they_were(model, other, tmp_path):
    model.save_task("mood", tmp_path)
    before = torch.get_rng_state()
    other.load_task(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_adapter_file_is_hardly_larger_than_its_parameters(make_model, tmp_path):
    model = make_model(dim=384, n_layers=6, n_heads=12, hidden_dim=1536)
    model.add_adapter("a", "seq_bn")
    n_bytes = sum(weight.nbytes for weight in model.adapters["a"].parameters())
    assert n_bytes == 4 * 6 * (2 * 384 * 24 + 24 + 384)
    size = model.save_adapter("a", tmp_path).stat().st_size
    assert n_bytes < size < 1.02 * n_bytes


def test_a_fresh_process_answers_bit_by_bit_alike(model, save_backbone, tmp_path):
    folder = save_backbone(model, tmp_path / "backbone")
    for name in ("mood", "bare"):
        model.save_task(name, tmp_path / name)
    script = """
import json, sys, torch
import polyhead as ph
torch.set_num_threads(1)
backbone, texts, *tasks = sys.argv[1:]
model = ph.DistilBertModelWithHeads.from_pretrained(backbone)
names = [model.load_task(task) for task in tasks]
answers = model.predict(json.loads(texts), task=names)
print(json.dumps([{name: a.probabilities for name, a in found.items()} for found in answers]))
"""
    arguments = [folder, json.dumps(TEXTS), tmp_path / "mood", tmp_path / "bare"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here = model.predict(TEXTS, task=["mood", "bare"])
    assert json.loads(done.stdout) == [
        {name: answer.probabilities for name, answer in found.items()} for found in here
    ]


def test_the_backbone_never_changes(model, tmp_path):
    known = model.encoder.fingerprint()
    assert known == model.backbone.fingerprint
    parts = [*model.adapters.values(), *model.heads.values()]
    before = [weight.clone() for part in parts for weight in part.parameters()]
    optimiser = torch.optim.AdamW([*model.parameters()], lr=0.1, weight_decay=0.1)
    model.train()
    for _ in range(3):
        loss = model(input_ids=IDS, head=["mood", "topic"], labels=[1, 2]).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    after = [weight for part in parts for weight in part.parameters()]
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    model.eval()
    assert model.encoder.fingerprint() == known
    model.predict(TEXTS, task=["mood", "bare"])
    assert model.encoder.fingerprint() == known
    model.save_task("mood", tmp_path)
    model.load_task(tmp_path, name="again")
    model.load_adapter(tmp_path, name="more")
    assert model.encoder.fingerprint() == known
    assert all(weight.grad is None for weight in model.encoder.parameters())


@pytest.mark.parametrize("name", ["nil", "", 3, None])
def test_unknown_parts_cannot_be_saved(model, tmp_path, name):
    for save, error in (
        (model.save_adapter, UnknownAdapterError),
        (model.save_head, UnknownHeadError),
        (model.save_task, UnknownTaskError),
    ):
        with pytest.raises(error, match="this model has: '"):
            save(name, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_refused_without_the_flag(model, tmp_path):
    for save, name in ((model.save_adapter, "legal"), (model.save_head, "topic")):
        path = save(name, tmp_path)
        before = path.read_bytes()
        with pytest.raises(OutputExistsError, match="exists; choose another place"):
            save("mood", tmp_path)
        assert path.read_bytes() == before
        save("mood", tmp_path, overwrite=True)
        assert path.read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter.safetensors",
        "head.safetensors",
    ]


def test_a_full_disk_leaves_what_was_there(model, tmp_path, monkeypatch):
    path = model.save_adapter("legal", tmp_path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(WriteError, match=r"No space left on device\. Nothing was changed"):
            model.save_adapter("mood", tmp_path, overwrite=True)
        with pytest.raises(WriteError):
            model.save_adapter("mood", tmp_path / "new" / "place")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_taken_names_are_refused_and_leave_nothing(model, tmp_path, state):
    model.save_task("mood", tmp_path)
    before = state(model)
    for load in (
        lambda: model.load_task(tmp_path),
        lambda: model.load_adapter(tmp_path),
        lambda: model.load_head(tmp_path),
        lambda: model.load_task(tmp_path, name="bare"),
        lambda: model.load_task(tmp_path, name="topic"),  # the head's name is taken
        lambda: model.load_task(tmp_path, name="legal"),  # the adapter's name is taken
    ):
        with pytest.raises(NameTakenError):
            load()
        assert state(model) == before


@pytest.mark.parametrize("name", ["../x", "", "a.b", 3])
def test_what_cannot_be_a_name_is_refused(model, other, tmp_path, rewrite, state, *, name):
    model.save_task("mood", tmp_path)
    before = state(other)
    for load in (other.load_task, other.load_adapter, other.load_head):
        with pytest.raises(InvalidNameError):
            load(tmp_path, name=name)
    if isinstance(name, str):
        rewrite(tmp_path / "adapter.safetensors", manifest=lambda fields: fields.update(name=name))
        with pytest.raises(InvalidNameError):
            other.load_adapter(tmp_path)
        assert other.load_adapter(tmp_path, name="good") == "good"
        other.delete_adapter("good")
    assert state(other) == before


def test_a_head_is_not_loaded_for_an_adapter_that_is_not_there(model, other, tmp_path, state):
    model.save_head("topic", tmp_path)
    before = state(other)
    for adapter in ("legal", "", 3):
        with pytest.raises(UnknownAdapterError):
            other.load_head(tmp_path, adapter=adapter)
    assert state(other) == before


def damage(tensor):
    return lambda path, rewrite: rewrite(path, tensors=tensor)


def cut(path, rewrite):
    path.write_bytes(path.read_bytes()[:-7])


def newer(path, rewrite):
    rewrite(path, manifest=lambda fields: fields.update(format=2))


def stranger(path, rewrite):
    path.write_bytes(b"\x02\0\0\0\0\0\0\0{}")


DAMAGES = {
    "cut": (cut, ArtifactError),
    "empty": (lambda path, _: path.write_bytes(b""), ArtifactError),
    "missing": (lambda path, _: path.unlink(), ArtifactError),
    "no manifest": (stranger, ArtifactError),
    "newer": (newer, NewerFormatError),
    "unknown field": (
        lambda path, rewrite: rewrite(path, manifest=lambda fields: fields.update(more=1)),
        ArtifactError,
    ),
    "extra tensor": (damage(lambda t: t.update(more=torch.ones(2))), ArtifactError),
    "missing tensor": (damage(lambda t: t.pop(next(iter(t)))), ArtifactError),
    "another shape": (damage(lambda t: t.update({next(iter(t)): torch.ones(7)})), ArtifactError),
    "nan": (damage(lambda t: t[next(iter(t))].fill_(float("nan"))), ArtifactError),
    "integers": (
        damage(lambda t: t.update({next(iter(t)): t[next(iter(t))].int()})),
        ArtifactError,
    ),
}


@pytest.mark.parametrize(("harm", "error"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_leave_nothing_in_the_model(
    model, other, tmp_path, rewrite, state, *, harm, error
):
    before = state(other)
    for part in ("adapter", "head"):
        folder = tmp_path / part
        model.save_task("mood", folder)
        path = folder / f"{part}.safetensors"
        harm(path, rewrite)
        load_part = other.load_adapter if part == "adapter" else other.load_head
        for load, place in ((load_part, folder), (load_part, path), (other.load_task, folder)):
            with pytest.raises(error) as caught:
                load(place)
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)
            assert state(other) == before


def test_a_task_whose_digest_differs_is_refused(model, other, tmp_path, rewrite, state):
    model.save_task("mood", tmp_path)
    before = state(other)
    rewrite(tmp_path / "head.safetensors", tensors=lambda t: t[next(iter(t))].add_(1e-3))
    with pytest.raises(ArtifactError, match="is not the file this task was saved with: its digest"):
        other.load_task(tmp_path)
    assert state(other) == before
    assert other.load_head(tmp_path) == "mood"  # alone it is whole


def test_files_in_each_others_place_are_refused(model, other, tmp_path, state):
    model.save_task("mood", tmp_path)
    before = state(other)
    head, adapter = tmp_path / "head.safetensors", tmp_path / "adapter.safetensors"
    with pytest.raises(ArtifactError, match=r"was saved as 'head', not as 'adapter'"):
        other.load_adapter(head)
    with pytest.raises(ArtifactError, match=r"was saved as 'adapter', not as 'head'"):
        other.load_head(adapter)
    adapter.replace(head)
    with pytest.raises(ArtifactError, match=r"was saved as 'adapter', not as 'head'"):
        other.load_task(tmp_path)
    assert state(other) == before


@pytest.mark.parametrize("name", ["nowhere", "x" * 300, "a\0b"])
def test_paths_that_lead_nowhere_are_refused(other, tmp_path, state, name):
    before = state(other)
    for load in (other.load_adapter, other.load_head, other.load_task):
        with pytest.raises(ArtifactError) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert state(other) == before


def test_unknown_keyword_arguments_are_type_errors(model, tmp_path):
    for call in (
        lambda: model.save_task("mood", tmp_path / "out", force=True),
        lambda: model.save_adapter("mood", tmp_path / "out", True),
        lambda: model.load_task(tmp_path, task="mood"),
        lambda: DistilBertModelWithHeads.from_pretrained(tmp_path, local_only=True),
    ):
        with pytest.raises(TypeError):
            call()
    assert list(tmp_path.iterdir()) == []
