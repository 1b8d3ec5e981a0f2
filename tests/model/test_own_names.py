"""Versions of a task on several adapters lie in one model, and go with all that came along."""

import pytest
import torch

from polyhead import Average, Fuse, Split, Stack
from polyhead.adapters import FusionConfig
from polyhead.errors import ArtifactError, InvalidNameError, NameTakenError

TEXTS = ["good", "the cat sat on the mat"]
SETUPS = {
    "stacked": Stack("sst", "cola"),
    "fused": Fuse("sst", "cola"),
    "averaged": Average({"sst": 0.7, "cola": -0.2}),
    "split": Split("sst", "cola", splits=(2, None)),
    "named": "fusion",
    "upper": "twice",
    "head": Stack("head", "sst"),
}


@pytest.fixture
def author(make_model, shake):
    """Saves a version of a task on a setup; the seed decides all of its weights."""

    def save(folder, setup, seed, head):
        model = make_model()
        for name, kind in (("sst", "seq_bn"), ("cola", "par_bn"), ("head", "lora")):
            model.add_adapter(name, kind)
        model.add_adapter("fusion", FusionConfig.dynamic("sst", "cola"))
        model.add_adapter("twice", FusionConfig.static("fusion", "sst"))
        model.add_task("mood", head=head, share_adapter=setup)
        for number, part in enumerate((*model.adapters.values(), *model.heads.values())):
            shake(part, seed=seed * 10 + number)
        model.save_task("mood", folder)
        return [one.probabilities for one in model.predict(TEXTS, task="mood")]

    return save


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_versions_lie_side_by_side_and_go_alone(
    author, make_model, two_labels, state, tmp_path, *, setup
):
    expected = [author(tmp_path / str(seed), setup, seed, two_labels) for seed in (1, 2)]
    model = make_model()
    empty = state(model)
    model.load_task(tmp_path / "1", name="v1", own_names=True)
    only_one = state(model)
    model.load_task(tmp_path / "2", name="v2", own_names=True)
    for name, answers in zip(("v1", "v2"), expected, strict=True):
        found = [one.probabilities for one in model.predict(TEXTS, task=name)]
        assert found == [pytest.approx(one, abs=1e-6) for one in answers]
    model.delete_task("v2")
    assert state(model) == only_one
    model.delete_task("v1")
    assert state(model) == empty


def test_what_else_uses_an_adapter_keeps_it(author, make_model, two_labels, tmp_path):
    author(tmp_path / "1", SETUPS["fused"], 1, two_labels)
    model = make_model()
    model.load_task(tmp_path / "1", name="v1", own_names=True)
    [used] = [name for name, one in model.adapters.items() if one.kind == "bottleneck"][:1]
    model.add_head("other", two_labels, adapter=used)
    model.delete_task("v1")
    assert list(model.adapters) == [used]


def test_a_task_on_one_adapter_is_loaded_as_ever(tiny_model, make_model, two_labels, tmp_path):
    tiny_model.add_task("mood", head=two_labels)
    tiny_model.save_task("mood", tmp_path / "mood")
    model = make_model()
    model.load_task(tmp_path / "mood", name="v1", own_names=True)
    assert list(model.adapters) == ["v1"]
    model.delete_task("v1")
    assert not model.adapters


def test_names_that_are_taken_or_too_long_leave_nothing(
    author, make_model, two_labels, state, tmp_path
):
    author(tmp_path / "1", SETUPS["stacked"], 1, two_labels)
    model = make_model()
    model.add_adapter("v1-2")
    before = state(model)
    with pytest.raises(NameTakenError, match="'v1-2'"):
        model.load_task(tmp_path / "1", name="v1", own_names=True)
    with pytest.raises(InvalidNameError):
        model.load_task(tmp_path / "1", name="v" * 64, own_names=True)
    assert state(model) == before


def test_a_damaged_fusion_is_refused(author, make_model, two_labels, state, tmp_path, *, rewrite):
    author(tmp_path / "1", SETUPS["fused"], 1, two_labels)
    path = tmp_path / "1" / "adapters" / "fusion.safetensors"
    for fused in (3, [3], ["sst", "nowhere"], ["sst", "sst"], None):
        rewrite(path, manifest=lambda fields, fused=fused: fields["config"].update(adapters=fused))
        model = make_model()
        before = state(model)
        with pytest.raises(ArtifactError):
            model.load_task(tmp_path / "1", name="v1", own_names=True)
        assert state(model) == before


def test_nothing_is_drawn_for_weights_that_are_loaded(author, make_model, two_labels, tmp_path):
    author(tmp_path / "1", SETUPS["stacked"], 1, two_labels)
    model = make_model()
    before = torch.random.get_rng_state()
    model.load_task(tmp_path / "1")
    assert torch.equal(torch.random.get_rng_state(), before)
