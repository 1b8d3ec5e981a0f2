"""From folder to folder, and straight into a model."""

from pathlib import Path

import pytest
import torch

from polyhead.composition import Stack
from polyhead.convert.converting import (
    convert_folder,
    load_foreign,
    read_foreign,
    save_foreign,
)
from polyhead.convert.formats import FORMATS, format_of
from polyhead.errors import (
    ArtifactError,
    BackboneMismatchError,
    ConversionError,
    InputError,
    OutputExistsError,
    UnknownBackboneError,
)
from polyhead.heads import ClassificationHeadConfig
from polyhead.model import DistilBertModelWithHeads

FIXTURES = Path(__file__).parents[1] / "fixtures"
HUB = FIXTURES / "adapterhub"


def model_on(folder):
    return DistilBertModelWithHeads.from_pretrained(folder)


def test_a_converted_folder_is_a_task_that_a_model_loads(hub_model, tmp_path):
    done = convert_folder(HUB / "seq_bn", tmp_path / "out", backbone=HUB / "backbone")
    assert (done.source_format, done.target_format) == ("adapterhub", "polyhead")
    assert (done.adapters, done.heads) == (("a",), ("a",))
    assert "task.json" in done.files
    assert hub_model.load_task(tmp_path / "out") == "a"
    other = model_on(HUB / "backbone")
    load_foreign(other, HUB / "seq_bn")
    for ours, theirs in ((hub_model.adapters, other.adapters), (hub_model.heads, other.heads)):
        held = theirs["a"].state_dict()
        assert all(torch.equal(held[key], value) for key, value in ours["a"].state_dict().items())


def test_a_head_alone_becomes_a_head_file(hub_model, tmp_path):
    done = convert_folder(HUB / "heads" / "qa", tmp_path / "out", backbone=hub_model, name="qa")
    assert done.files == ("head.safetensors",)
    assert hub_model.load_head(tmp_path / "out") == "qa"


def test_an_adapter_alone_becomes_an_adapter_file(hub_model, tmp_path):
    done = convert_folder(HUB / "stack" / "b", tmp_path / "out", backbone=hub_model)
    assert done.files == ("adapter.safetensors",)
    assert hub_model.load_adapter(tmp_path / "out") == "b"


def test_several_parts_become_folders_and_come_back(hub_model, tmp_path):
    done = convert_folder(HUB / "fusion", tmp_path / "ours", backbone=hub_model)
    assert {file.split("/")[0] for file in done.files} == {"a", "b", "a-b"}
    back = convert_folder(
        tmp_path / "ours", tmp_path / "theirs", backbone=hub_model, target_format="adapterhub"
    )
    assert "a,b/adapter_fusion_config.json" in back.files
    one, two = (read_foreign(place, hub_model) for place in (HUB / "fusion", tmp_path / "theirs"))
    assert [part.config for part in one.adapters] == [part.config for part in two.adapters]


def test_the_encoder_is_that_which_our_folder_names(hub_model, tmp_path):
    convert_folder(HUB / "seq_bn", tmp_path / "ours", backbone=HUB / "backbone")
    done = convert_folder(tmp_path / "ours", tmp_path / "theirs", target_format="adapterhub")
    assert done.adapters == ("a",)


def test_the_encoder_of_a_foreign_folder_must_be_named(tmp_path):
    with pytest.raises(InputError, match="--backbone"):
        convert_folder(HUB / "seq_bn", tmp_path / "out")
    with pytest.raises(UnknownBackboneError):
        convert_folder(HUB / "seq_bn", tmp_path / "out", backbone="nowhere")
    assert not (tmp_path / "out").exists()


def test_our_folder_is_refused_on_another_encoder(tiny_model, hub_model, tmp_path):
    convert_folder(HUB / "seq_bn", tmp_path / "ours", backbone=hub_model)
    with pytest.raises(BackboneMismatchError):
        convert_folder(
            tmp_path / "ours", tmp_path / "out", backbone=tiny_model, target_format="adapterhub"
        )


def test_from_peft_to_the_adapters_library(tmp_path):
    done = convert_folder(
        FIXTURES / "peft" / "lora",
        tmp_path / "out",
        backbone=FIXTURES / "peft" / "backbone",
        target_format="adapterhub",
        name="mine",
    )
    assert (done.source_format, done.adapters) == ("peft", ("mine",))
    model = model_on(FIXTURES / "peft" / "backbone")
    assert load_foreign(model, tmp_path / "out").adapters == ("mine",)


def test_nothing_is_written_where_something_has_no_equal(hub_model, tmp_path):
    with pytest.raises(ConversionError):
        convert_folder(HUB / "seq_bn", tmp_path / "out", backbone=hub_model, target_format="peft")
    assert not (tmp_path / "out").exists()


def test_only_files_of_the_same_names_are_replaced(hub_model, tmp_path):
    for _ in range(2):
        convert_folder(HUB / "seq_bn", tmp_path / "out", backbone=hub_model, overwrite=True)
    with pytest.raises(OutputExistsError):
        convert_folder(HUB / "seq_bn", tmp_path / "out", backbone=hub_model)
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(OutputExistsError, match=r"mine\.txt"):
        convert_folder(HUB / "seq_bn", tmp_path / "out", backbone=hub_model, overwrite=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputExistsError):
        convert_folder(HUB / "seq_bn", tmp_path / "file", backbone=hub_model, overwrite=True)


@pytest.mark.parametrize("weights", ["bin", "safetensors"])
def test_ours_are_safetensors_alone(weights, hub_model, tmp_path):
    options = {"backbone": hub_model, "weights": weights}
    if weights == "safetensors":
        convert_folder(HUB / "seq_bn", tmp_path / "out", **options)
    else:
        with pytest.raises(ConversionError, match="safetensors alone"):
            convert_folder(HUB / "seq_bn", tmp_path / "out", **options)


# ------------------------------------------------------------------------------- which format


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (HUB / "seq_bn", "adapterhub"),
        (HUB / "lora" / "bin", "adapterhub"),
        (HUB / "stack", "adapterhub"),
        (FIXTURES / "peft" / "lora", "peft"),
        (FIXTURES / "peft" / "ia3", "peft"),
        (HUB / "backbone", "transformers"),
    ],
)
def test_a_folder_tells_its_format(folder, name):
    assert format_of(folder).name == name


def test_our_own_folders_are_told_from_those_with_files_of_the_same_names(hub_model, tmp_path):
    convert_folder(HUB / "seq_bn", tmp_path / "task", backbone=hub_model)
    convert_folder(HUB / "stack" / "b", tmp_path / "adapter", backbone=hub_model)
    assert format_of(tmp_path / "task").name == "polyhead"
    assert format_of(tmp_path / "adapter").name == "polyhead"


def test_what_is_in_no_format_is_told(tmp_path):
    with pytest.raises(ArtifactError, match=r"is none of these: .*adapters library.*PEFT"):
        format_of(tmp_path)
    with pytest.raises(ArtifactError, match="is not a folder"):
        format_of(tmp_path / "nowhere")


def test_an_unknown_format_is_told_with_those_there_are():
    with pytest.raises(ConversionError, match=r"'adapterhub'.*'peft'"):
        format_of(HUB, "openvino")


def test_a_folder_in_two_formats_needs_a_word(hub_model, tmp_path):
    convert_folder(HUB / "stack" / "b", tmp_path / "both", backbone=hub_model)
    for name in ("head_config.json", "model_head.safetensors"):
        content = (HUB / "heads" / "tagging" / name).read_bytes()
        (tmp_path / "both" / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="--from"):
        load_foreign(hub_model, tmp_path / "both")
    added = load_foreign(hub_model, tmp_path / "both", source_format="adapterhub")
    assert added.heads == ("h",)


def test_all_formats_are_named_as_the_command_line_names_them():
    assert list(FORMATS) == ["polyhead", "adapterhub", "peft", "transformers"]


# ------------------------------------------------------------------------------- into a model


def test_reading_registers_nothing(hub_model):
    bundle = read_foreign(HUB / "mam" / "bin", hub_model)
    assert [part.name for part in bundle.adapters] == ["a"]
    assert not hub_model.adapters
    assert not hub_model.heads


def test_fresh_weights_are_drawn_from_no_generator_of_ours(hub_model):
    before = torch.random.get_rng_state()
    load_foreign(hub_model, HUB / "mam" / "bin")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_is_loaded_is_in_the_models_mode(hub_model):
    hub_model.train()
    load_foreign(hub_model, HUB / "seq_bn")
    assert hub_model.adapters["a"].training
    assert hub_model.heads["a"].training


def test_a_saved_setup_keeps_its_task(make_model, tmp_path):
    model = make_model()
    for name in ("a", "b"):
        model.add_adapter(name, "seq_bn")
    model.add_head("h", ClassificationHeadConfig(labels=("x", "y"), pooling="cls"))
    save_foreign(
        model, tmp_path / "out", target_format="polyhead", adapter=Stack("a", "b"), heads=["h"]
    )
    fresh = make_model()
    fresh.load_task(tmp_path / "out")
    assert fresh.task("h").adapter == Stack("a", "b")
