"""Tasks on several adapters: added, answered, saved and loaded, all of it or nothing."""

import hashlib
import json
import subprocess
import sys

import pytest
import torch

from polyhead import Average, Fuse, Split, Stack
from polyhead.adapters import FusionConfig
from polyhead.artifact import read_task
from polyhead.errors import (
    ArtifactError,
    ConfigError,
    InputError,
    NameTakenError,
    PolyheadError,
    UnknownAdapterError,
)
from polyhead.tokenizer import TextSettings

TEXTS = ["good", "the cat sat on the mat", "bad day"]
KINDS = {
    "lang": "seq_bn_inv",
    "sst": "seq_bn",
    "cola": "par_bn",
    "low": "lora[r=2]",
    "front": "prompt_tuning[prompt_length=2]",
    "both": "lora[r=2]|seq_bn",
}
SETUPS = {
    "stacked": Stack("front", "lang", "both"),
    "fused": Fuse("sst", "cola"),
    "over": Stack("lang", Fuse("sst", "cola")),
    "averaged": Average({"sst": 0.7, "low": -0.2}),
    "split": Split("sst", Stack("low", "cola"), splits=(2, None)),
    "named": "fusion",
    "upper": "twice",
    "one": Stack("sst"),
}


@pytest.fixture
def model(tiny_model, two_labels, shake):
    """Adapters of several kinds, a fusion of two and one of that, and a plain task."""
    for number, (name, config) in enumerate(KINDS.items()):
        tiny_model.add_adapter(name, config)
        shake(tiny_model.adapters[name], seed=number)
    tiny_model.add_adapter("fusion", FusionConfig.dynamic("sst", "cola", temperature=True))
    shake(tiny_model.adapters["fusion"], seed=50)
    tiny_model.add_adapter("twice", FusionConfig.static("fusion", "sst"))
    shake(tiny_model.adapters["twice"], seed=51)
    tiny_model.add_task("plain", head=two_labels)
    shake(tiny_model.heads["plain"], seed=52)
    return tiny_model


@pytest.fixture
def add(model, three_labels, shake):
    """Adds a task on a setup, with weights that matter."""

    def adding(name, setup):
        task = model.add_task(
            name, head=three_labels, share_adapter=setup, text=TextSettings(max_length=30)
        )
        shake(model.heads[name], seed=len(name))
        return task

    return adding


@pytest.fixture
def other(make_model):
    return make_model()


def digest_of(model):
    """All weights of adapters and heads."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(name.encode() + weight.detach().numpy().tobytes())
    return digest.hexdigest()


# --------------------------------------------------------------------------------- in one model


@pytest.mark.parametrize("name", SETUPS)
def test_a_task_answers_through_its_setup(model, add, name):
    task = add(name, SETUPS[name])
    assert model.tasks[name] is task
    encoded = model.questions({name: TEXTS})[0].encoded
    ids = torch.tensor([encoded[1].rows[0].ids])
    with torch.no_grad():
        by_task = model(ids, head=name).logits
        by_call = model(ids, head=name, adapter_names=task.adapter).logits
        bare = model(ids, head=name, adapter_names=None).logits
    assert torch.equal(by_task, by_call)
    assert (by_task - bare).abs().max() > 1e-4
    answer = model.predict(TEXTS, task=name)[1]
    found = torch.tensor(list(answer.probabilities.values()))
    torch.testing.assert_close(found, by_task.softmax(-1)[0], atol=1e-5, rtol=0)


def test_composed_and_plain_tasks_answer_together_as_alone(model, add):
    for name, setup in SETUPS.items():
        add(name, setup)
    alone = {name: model.predict(TEXTS, task=name) for name in model.tasks}
    together = model.predict(TEXTS, task=list(model.tasks))
    for number, answers in enumerate(together):
        assert answers.keys() == model.tasks.keys()
        for name, answer in answers.items():
            expected = alone[name][number]
            assert answer.label == expected.label
            assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def test_a_kept_setup_says_which_fusion_it_means(model, add, two_labels):
    """So that a further fusion of the same adapters, as another task brings it, changes nothing."""
    assert add("fused", SETUPS["fused"]).adapter == Fuse("sst", "cola", name="fusion")
    model.add_head("beside", two_labels, adapter=Stack("lang", Fuse("sst", "cola")))
    ids = torch.tensor([[2, 7, 9, 3]])
    before = model.predict(TEXTS, task="fused"), model(ids, head="beside").logits
    model.add_adapter_fusion(["sst", "cola"], name="second")
    assert model.predict(TEXTS, task="fused") == before[0]
    assert torch.equal(model(ids, head="beside").logits, before[1])
    with pytest.raises(ConfigError, match="several fusions of sst, cola"):
        add("third", SETUPS["fused"])
    assert "third" not in model.tasks


def test_adapters_of_tells_all_that_act_and_all_that_they_fuse(model):
    assert list(model.adapters_of("twice")) == ["twice", "fusion", "sst", "cola"]
    found = model.adapters_of(Stack("lang", Fuse("sst", "cola"), "lang"))
    assert list(found) == ["lang", "sst", "cola", "fusion"]
    assert all(found[name] is model.adapters[name] for name in found)
    assert model.adapters_of(None) == {}
    with pytest.raises(UnknownAdapterError):
        model.adapters_of(Stack("lang", "nil"))


@pytest.mark.parametrize(
    ("setup", "error"),
    [
        (Stack("sst", "nil"), UnknownAdapterError),
        (Fuse("cola", "sst"), UnknownAdapterError),
        (Fuse("sst", "cola", name="low"), ConfigError),
        (Average("front", "sst"), ConfigError),
        (Split("lang", "sst", splits=(1, None)), ConfigError),
        (Fuse(Stack("low", "sst"), "cola"), ConfigError),
    ],
    ids=str,
)
def test_a_setup_that_cannot_be_leaves_nothing(model, add, state, two_labels, *, setup, error):
    before = state(model)
    with pytest.raises(error):
        add("new", setup)
    with pytest.raises(error):
        model.add_head("new", two_labels, adapter=setup)
    assert state(model) == before


# ------------------------------------------------------------------------------------- deleting


@pytest.mark.parametrize(
    ("setup", "used"),
    [
        (SETUPS["stacked"], ("front", "lang", "both")),
        (SETUPS["over"], ("lang", "sst", "cola", "fusion")),
        (SETUPS["upper"], ("twice",)),
        (SETUPS["split"], ("sst", "low", "cola")),
    ],
    ids=str,
)
def test_what_a_task_goes_through_cannot_be_deleted(model, add, state, setup, used):
    add("new", setup)
    before = state(model)
    for name in used:
        with pytest.raises(InputError, match=r"'new'; delete the task first with model\.delete_t"):
            model.delete_adapter(name)
    assert state(model) == before
    model.delete_task("new")
    assert set(KINDS) < model.adapters.keys()  # they were only shared


def test_what_is_fused_cannot_be_deleted_before_the_fusion(model):
    for name, fusion in (("sst", "fusion"), ("cola", "fusion"), ("fusion", "twice")):
        with pytest.raises(InputError, match=f"is fused by '{fusion}'"):
            model.delete_adapter(name)
    for name in ("twice", "fusion", "sst"):
        model.delete_adapter(name)
    assert not {"twice", "fusion", "sst"} & model.adapters.keys()
    assert model.adapter_table.fusions == {}


def test_a_tasks_own_fusion_outlives_it_where_another_task_goes_through_it(model, two_labels):
    model.add_task("first", head=two_labels, adapter=FusionConfig.static("cola", "sst"))
    second = model.add_task("second", head=two_labels, share_adapter=Fuse("cola", "sst"))
    assert second.adapter == Fuse("cola", "sst", name="first")
    before = model.predict(TEXTS, task="second")
    model.delete_task("first")
    assert model.predict(TEXTS, task="second") == before
    model.delete_task("second")
    model.delete_adapter("first")


# -------------------------------------------------------------------------------- saved and loaded


@pytest.mark.parametrize("name", SETUPS)
def test_a_task_comes_back_bit_by_bit(model, other, add, tmp_path, name):
    task = add(name, SETUPS[name])
    model.save_task(name, tmp_path / "task")
    assert other.load_task(tmp_path / "task") == name
    assert other.tasks[name] == task
    needed = model.adapters_of(task.adapter)
    assert other.adapters.keys() == needed.keys()
    for own, adapter in needed.items():
        assert other.adapters[own].config == adapter.config
        theirs = other.adapters[own].state_dict()
        assert list(theirs) == list(adapter.state_dict())
        assert all(torch.equal(theirs[key], w) for key, w in adapter.state_dict().items())
    assert other.predict(TEXTS, task=name) == model.predict(TEXTS, task=name)


def test_the_folder_has_a_file_for_each_adapter_and_says_how_they_go_together(model, add, tmp_path):
    add("over", SETUPS["over"])
    model.save_task("over", tmp_path / "task")
    manifest = json.loads((tmp_path / "task" / "task.json").read_text())
    assert manifest["setup"] == "Stack('lang', Fuse('sst', 'cola', name='fusion'))"
    assert manifest["adapter"] is None
    assert set(manifest["adapters"]) == {"lang", "sst", "cola", "fusion"}
    files = {path.name for path in (tmp_path / "task" / "adapters").iterdir()}
    assert files == {f"{name}.safetensors" for name in manifest["adapters"]}
    assert not (tmp_path / "task" / "adapter.safetensors").exists()
    saved = read_task(tmp_path / "task")
    assert saved.adapter is None
    sizes = [path.stat().st_size for path in (tmp_path / "task").rglob("*.safetensors")]
    assert saved.n_bytes == sum(sizes)
    card = (tmp_path / "task" / "README.md").read_text()
    assert "Stack('lang', Fuse('sst', 'cola', name='fusion'))" in card


def test_a_fresh_process_answers_bit_by_bit_alike(model, add, save_backbone, tmp_path):
    """Two of them share adapters, and one a fusion that the others lack."""
    names = ["stacked", "over", "upper"]
    for name in names:
        add(name, SETUPS[name])
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
    arguments = [save_backbone(model, tmp_path / "backbone"), json.dumps(TEXTS)]
    arguments += [tmp_path / name for name in names]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here = model.predict(TEXTS, task=names)
    assert json.loads(done.stdout) == [
        {name: answer.probabilities for name, answer in found.items()} for found in here
    ]


def test_an_adapter_that_is_there_with_equal_weights_is_shared(model, other, add, tmp_path):
    for name in ("fused", "over", "stacked"):
        add(name, SETUPS[name])
        model.save_task(name, tmp_path / name)
    other.load_task(tmp_path / "fused")
    there = dict(other.adapters)
    other.load_task(tmp_path / "over", name="again")
    other.load_task(tmp_path / "over")
    other.load_task(tmp_path / "stacked")
    assert {name: other.adapters[name] for name in there} == there
    assert set(other.adapters) == {"sst", "cola", "fusion", "lang", "front", "both"}
    assert other.tasks["again"].adapter == other.tasks["over"].adapter
    assert other.predict(TEXTS, task="again") == model.predict(TEXTS, task="over")


def test_two_tasks_with_fusions_of_their_own_over_the_same_adapters(
    model, other, add, tmp_path, shake
):
    """As training them one by one makes them."""
    model.add_adapter_fusion(["sst", "cola"], name="second")
    shake(model.adapters["second"], seed=9)
    for name, fusion in (("first", "fusion"), ("later", "second")):
        add(name, Fuse("sst", "cola", name=fusion))
        model.save_task(name, tmp_path / name)
        other.load_task(tmp_path / name)
    for name in ("first", "later"):
        assert other.predict(TEXTS, task=name) == model.predict(TEXTS, task=name)
    first, later = ([one.score for one in model.predict(TEXTS, task=n)] for n in ("first", "later"))
    assert first != later


@pytest.mark.parametrize(
    "change",
    [
        lambda there: there.add_adapter("cola", "par_bn"),
        lambda there: there.add_adapter("cola", "seq_bn"),
        lambda there: there.add_adapter("fusion", "ia3"),
        lambda there: there.add_adapter("lang", "seq_bn_inv"),
    ],
    ids=["other weights", "another config", "another kind", "the first of all"],
)
def test_an_adapter_that_is_there_and_differs_is_refused(folder, other, state, change):
    change(other)
    before, digest = state(other), digest_of(other)
    with pytest.raises(NameTakenError, match="already has the adapter"):
        other.load_task(folder)
    assert state(other) == before
    assert digest_of(other) == digest


@pytest.mark.parametrize("step", ["_checked_setup", "_put_task", "add", "_fitted"])
def test_a_failure_at_any_step_leaves_nothing(folder, other, state, step, monkeypatch):
    before = state(other)
    owner = other._adapters if step == "add" else other
    real, calls = getattr(owner, step), []

    def fail(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2 or step in {"_checked_setup", "_put_task"}:
            raise MemoryError("out of memory")
        return real(*arguments, **options)

    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(MemoryError):
        other.load_task(folder)
    monkeypatch.undo()
    assert state(other) == before
    assert other.adapter_table.fusions == {}
    other.load_task(folder)


# ---------------------------------------------------------------------------------- damaged folders


def edited(folder, change):
    """Changes task.json."""
    path = folder / "task.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def renamed(old, new):
    def change(fields):
        fields["adapters"][new] = fields["adapters"].pop(old)

    return change


NO_NAMES = ("../x", "/etc/x", "a/b", "a\\b", "..", ".", "", "a.b", "-a", "a\0", "\u0430", "x" * 65)
DAMAGES = {
    **{f"an adapter called {name!r}": renamed("cola", name) for name in NO_NAMES},
    **{
        f"a setup of {name!r}": lambda fields, name=name: fields.update(setup=f"Stack({name!r})")
        for name in NO_NAMES
    },
    "a setup that is none": lambda fields: fields.update(setup="Parallel('sst', 'cola')"),
    "a setup that runs code": lambda fields: fields.update(setup="__import__('os').getcwd()"),
    "a setup that is empty": lambda fields: fields.update(setup=""),
    "a setup that is long": lambda fields: fields.update(setup="Stack(" + "'sst'," * 2000 + ")"),
    "a setup that is a list": lambda fields: fields.update(setup=["sst"]),
    "a setup of another adapter": lambda fields: fields.update(setup="Stack('sst', 'nil')"),
    "a setup of fewer adapters": lambda fields: fields.update(setup="Fuse('sst', 'cola')"),
    "a fusion that is not there": lambda fields: fields["adapters"].pop("fusion"),
    "a fused one that is not there": lambda fields: fields["adapters"].pop("cola"),
    "no setup": lambda fields: fields.update(setup=None),
    "no adapters": lambda fields: fields.update(adapters={}),
    "adapters that are a list": lambda fields: fields.update(adapters=["sst"]),
    "an adapter beside": lambda fields: fields.update(adapter=fields["head"]),
    "a wrong digest": lambda fields: fields["adapters"]["sst"].update(sha256="0" * 64),
    "a wrong size": lambda fields: fields["adapters"]["sst"].update(n_bytes=1),
    "a file that is not there": lambda fields: fields["adapters"].update(nil=fields["head"]),
    "a setup that cannot be": lambda fields: fields.update(
        setup="Average('lang', Fuse('sst', 'cola'))"
    ),
}


@pytest.fixture
def folder(model, add, tmp_path):
    add("over", SETUPS["over"])
    model.save_task("over", tmp_path / "task")
    return tmp_path / "task"


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_manifest_is_refused_in_one_sentence(folder, other, state, name):
    edited(folder, DAMAGES[name])
    before = state(other)
    with pytest.raises(PolyheadError) as caught:
        other.load_task(folder)
    message = str(caught.value)
    assert isinstance(caught.value, ArtifactError | ConfigError | UnknownAdapterError), message
    assert "\n" not in message
    assert len(message) < 600
    assert state(other) == before


def test_the_undamaged_folder_is_loaded(folder, other):
    edited(folder, lambda fields: None)
    assert other.load_task(folder) == "over"


def refit(folder, name):
    """Writes the digest of a file that was changed."""
    content = (folder / "adapters" / f"{name}.safetensors").read_bytes()

    def change(fields):
        fields["adapters"][name] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "n_bytes": len(content),
        }

    edited(folder, change)


def test_files_that_stand_in_each_others_place_are_refused(folder, other, state):
    place = folder / "adapters"
    (place / "sst.safetensors").rename(place / "x")
    (place / "cola.safetensors").rename(place / "sst.safetensors")
    (place / "x").rename(place / "cola.safetensors")
    for name in ("sst", "cola"):
        refit(folder, name)
    before = state(other)
    with pytest.raises(ArtifactError, match=r"sst\.safetensors was saved as 'cola'"):
        other.load_task(folder)
    assert state(other) == before


@pytest.mark.parametrize("fused", [["fusion", "sst"], ["sst", "nil"], ["lang", "sst"], ["sst"]])
def test_a_fusion_of_itself_or_of_what_cannot_be_is_refused(folder, other, state, rewrite, fused):
    path = folder / "adapters" / "fusion.safetensors"
    rewrite(path, manifest=lambda fields: fields["config"].update(adapters=fused))
    refit(folder, "fusion")
    setup = f"Stack('lang', Fuse({', '.join(map(repr, fused))}))"
    edited(folder, lambda fields: fields.update(setup=setup))
    before = state(other)
    with pytest.raises(PolyheadError) as caught:
        other.load_task(folder)
    assert "\n" not in str(caught.value)
    assert state(other) == before


def test_fusions_in_a_circle_are_refused(model, other, add, rewrite, tmp_path):
    add("upper", "twice")
    folder = tmp_path / "task"
    model.save_task("upper", folder)
    path = folder / "adapters" / "fusion.safetensors"
    rewrite(path, manifest=lambda fields: fields["config"].update(adapters=["twice", "cola"]))
    refit(folder, "fusion")
    with pytest.raises(ConfigError, match="and so itself in the end"):
        other.load_task(folder)
    assert not {**other.adapters, **other.heads, **other.tasks}
    assert other.adapter_table.fusions == {}


def test_a_fusion_alone_is_loaded_where_its_adapters_are(model, other, tmp_path):
    for name in ("fusion", "sst", "cola"):
        model.save_adapter(name, tmp_path / name)
    with pytest.raises(UnknownAdapterError, match="no adapter 'sst'"):
        other.load_adapter(tmp_path / "fusion")
    for name in ("sst", "cola", "fusion"):
        other.load_adapter(tmp_path / name)
    ids = torch.tensor([[2, 7, 9, 3]])
    found = [
        one(ids, adapter_names="fusion", head=None).last_hidden_state for one in (model, other)
    ]
    assert torch.equal(*found)


def test_a_head_is_loaded_onto_several_adapters(model, add, tmp_path, state):
    add("over", SETUPS["over"])
    model.save_head("over", tmp_path)
    model.load_head(tmp_path, name="again", adapter=SETUPS["over"])
    ids = torch.tensor([[2, 7, 9, 3]])
    assert torch.equal(model(ids, head="again").logits, model(ids, head="over").logits)
    before = state(model)
    with pytest.raises(ConfigError, match="acts on the embeddings"):
        model.load_head(tmp_path, name="third", adapter=Average("lang", "sst"))
    assert state(model) == before


def test_overwriting_leaves_no_file_of_the_task_before(model, add, tmp_path, two_labels):
    add("over", SETUPS["over"])
    model.save_task("over", tmp_path / "task")
    model.save_task("plain", tmp_path / "task", overwrite=True)
    files = {path.name for path in (tmp_path / "task").rglob("*.safetensors")}
    assert files == {"adapter.safetensors", "head.safetensors"}
    model.save_task("over", tmp_path / "task", overwrite=True)
    assert not (tmp_path / "task" / "adapter.safetensors").exists()
