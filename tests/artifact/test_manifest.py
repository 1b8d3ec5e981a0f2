"""A manifest says what an artifact is; what it does not understand it refuses."""

import json

import pytest
from pydantic import ValidationError

from polyhead.artifact import FORMAT, Manifest, TaskManifest, read_manifest, read_task
from polyhead.artifact.manifest import parse
from polyhead.errors import ArtifactError, NewerFormatError


@pytest.fixture
def fields(model, tmp_path):
    """The fields of an adapter's manifest, as they stand in the file."""
    manifest = read_manifest(model.save_adapter("legal", tmp_path))
    return json.loads(manifest.model_dump_json())


def refusal(fields, manifest_class=Manifest):
    text = fields if isinstance(fields, str) else json.dumps(fields)
    with pytest.raises(ArtifactError) as caught:
        parse(text, manifest_class, "the file")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("the file")
    return message


def test_an_adapters_manifest_says_all_that_loading_needs(model, tmp_path):
    path = model.save_adapter("legal", tmp_path, metrics={"accuracy": 0.875})
    manifest = read_manifest(path)
    assert manifest.format == FORMAT == 1
    assert manifest.artifact == "adapter"
    assert manifest.name == "legal"
    assert manifest.kind == "bottleneck"
    assert manifest.config["reduction_factor"] == 4
    assert manifest.config["mh_adapter"] is True
    assert manifest.provider.distribution == "polyhead"
    assert manifest.provider.version == manifest.polyhead
    assert manifest.backbone == model.backbone
    assert manifest.metrics == {"accuracy": 0.875}
    assert manifest.created.tzinfo is not None


def test_a_heads_manifest_says_all_that_loading_needs(model, tmp_path):
    manifest = read_manifest(model.save_head("topic", tmp_path))
    assert manifest.artifact == "head"
    assert manifest.kind == "classification"
    assert manifest.config["labels"] == ["blue", "green", "red"]
    assert manifest.config["pooling"] == "mean"
    assert manifest.metrics == {}


def test_a_tasks_manifest_holds_its_parts(model, tmp_path):
    written = model.save_task(
        "mood", tmp_path / "mood", metrics={"accuracy": 0.5}, training={"epochs": 3}
    )
    saved = read_task(tmp_path / "mood")
    assert saved.manifest == written
    assert isinstance(written, TaskManifest)
    assert written.name == "mood"
    assert written.text == model.tasks["mood"].text
    assert written.training == {"epochs": 3}
    assert saved.head.name == saved.adapter.name == "mood"
    assert saved.head.metrics == saved.adapter.metrics == written.metrics == {"accuracy": 0.5}
    sizes = [(tmp_path / "mood" / f"{part}.safetensors").stat().st_size for part in PARTS]
    assert saved.n_bytes == sum(sizes)


def test_a_manifest_comes_back_as_it_was(fields):
    manifest = parse(json.dumps(fields), Manifest, "the file")
    assert parse(manifest.model_dump_json(), Manifest, "the file") == manifest


@pytest.mark.parametrize("text", ["", "{", "nonsense", "{]", "[" * 200_000])
def test_a_manifest_that_is_not_json_is_refused(text):
    assert "its manifest is not JSON" in refusal(text)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"adapter"', "true"])
def test_a_manifest_that_is_no_object_is_refused(text):
    assert "its manifest is not understood" in refusal(text)


def test_an_unknown_field_is_refused(fields):
    assert "unknown field 'licence'" in refusal({**fields, "licence": "MIT"})
    backbone = {**fields["backbone"], "colour": "red"}
    assert "unknown field 'backbone.colour'" in refusal({**fields, "backbone": backbone})


@pytest.mark.parametrize("name", ["name", "kind", "config", "backbone", "provider", "artifact"])
def test_a_missing_field_is_refused(fields, name):
    del fields[name]
    assert f"field '{name}' is missing" in refusal(fields)


@pytest.mark.parametrize(
    "changed",
    [
        {"artifact": "task"},
        {"format": 0},
        {"format": "one"},
        {"name": 3},
        {"config": []},
        {"created": "yesterday"},
        {"metrics": {"accuracy": "high"}},
        {"metrics": {"accuracy": float("nan")}},
    ],
    ids=str,
)
def test_a_field_of_another_form_is_refused(fields, changed):
    assert next(iter(changed)) in refusal({**fields, **changed})


def test_a_fingerprint_of_another_form_is_refused(fields):
    for fingerprint in ("", "abc", "G" * 64, "a" * 65):
        fields["backbone"]["fingerprint"] = fingerprint
        assert "fingerprint" in refusal(fields)


def test_a_newer_format_is_refused_as_such_whatever_its_fields(fields):
    newer = {"format": FORMAT + 1, "polyhead": "9.1", "shape of things": "to come"}
    for manifest_class in (Manifest, TaskManifest):
        with pytest.raises(NewerFormatError) as caught:
            parse(json.dumps(newer), manifest_class, "the file")
        assert str(caught.value) == (
            "the file is in format 2, written by polyhead 9.1; this polyhead reads up to format 1. "
            "Upgrade polyhead."
        )


def test_metrics_that_are_no_numbers_are_not_saved(model, tmp_path):
    with pytest.raises((ArtifactError, ValidationError)):
        model.save_adapter("legal", tmp_path / "out", metrics={"loss": float("nan")})
    assert not (tmp_path / "out").exists()


PARTS = ("head", "adapter")
