"""The metadata of a card is YAML, whatever stands in the manifests, and claims nothing more."""

import pytest
import yaml

from polyhead.artifact import CardDetails, details_of, is_hub_id, model_card, read_task
from polyhead.artifact.manifest import Manifest


@pytest.fixture
def manifests(model, tmp_path):
    """The manifests of a task, its head and its adapter."""
    model.save_task("mood", tmp_path / "mood")
    saved = read_task(tmp_path / "mood")
    return saved.manifest, saved.head, list(saved.adapters.values())


def metadata(task, head, adapters, **options):
    card = model_card(task, head, adapters, {"text": "a"}, address="me/it", **options)
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


ODD = 'a: "b" # c\n- é🙂\x85\u2028\x07{}[]&*!|>%@`'


def test_any_text_comes_through(manifests):
    task, head, adapters = manifests
    task = task.model_copy(
        update={"metrics": {ODD: 0.5}, "training": {"data": {"eval": {"file": ODD}}}}
    )
    found = metadata(task, head, adapters, details=CardDetails(license=ODD, datasets=(ODD,)))
    [result] = found["model-index"][0]["results"]
    assert result["dataset"]["name"] == ODD
    assert result["metrics"][0] == {"type": ODD, "name": ODD, "value": 0.5}
    assert (found["license"], found["datasets"]) == (ODD, [ODD])


def test_a_kind_that_the_hub_has_no_name_for_goes_without(manifests):
    task, head, adapters = manifests
    found = metadata(task, head.model_copy(update={"kind": "horoscope"}), adapters)
    assert "pipeline_tag" not in found
    assert "horoscope" in found["tags"]


def test_a_bare_head_is_no_adapter(manifests):
    task, head, _ = manifests
    found = metadata(task, head, [])
    assert found["tags"] == ["polyhead", "classification"]
    assert "base_model_relation" not in found


@pytest.mark.parametrize(
    "name", ["random", "minilm", "/srv/models/x", "./a/b", "a/b/c", "C:\\a\\b"]
)
def test_an_encoder_that_is_not_on_the_hub_is_no_base_model(manifests, name):
    task, head, adapters = manifests
    backbone = task.backbone.model_copy(update={"name": name})
    found = metadata(task.model_copy(update={"backbone": backbone}), head, adapters)
    assert "base_model" not in found


def test_a_folder_is_no_hub_id_though_it_looks_like_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_hub_id("owner/name")
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert not is_hub_id("owner/name")


@pytest.mark.parametrize("details", [CardDetails(), CardDetails("mit", ("en", "de"), (ODD,))])
def test_what_the_owner_said_is_read_back(manifests, details):
    task, head, adapters = manifests
    card = model_card(task, head, adapters, {"text": "a"}, address="me/it", details=details)
    assert details_of(card) == details


def test_a_task_of_several_adapters_names_them(manifests):
    task, head, [adapter] = manifests
    parts: list[Manifest] = [
        adapter.model_copy(update={"name": name, "kind": kind})
        for name, kind in (("a", "bottleneck"), ("b", "lora"))
    ]
    info = task.adapter
    update = {"adapter": None, "setup": "Stack('a', 'b')", "adapters": {"a": info, "b": info}}
    card = model_card(task.model_copy(update=update), head, parts, {"text": "a"})
    assert "- several adapters: `Stack('a', 'b')`" in card
    assert "- adapter `a`, a `bottleneck`: " in card
    assert "- adapter `b`, a `lora`: " in card
