"""The model card of a task tells what it is, how good, and how to load it."""

import pytest


@pytest.fixture
def card(model, tmp_path):
    def read(name, **options):
        model.save_task(name, tmp_path / name, **options)
        return (tmp_path / name / "README.md").read_text(encoding="utf-8")

    return read


def test_it_names_the_parts_and_the_encoder(card, model):
    text = card("mood")
    assert text.startswith("# mood\n")
    assert "`classification` task" in text
    assert "head `classification`: " in text
    assert "labels=['bad', 'good']" in text
    assert "adapter `bottleneck`: mh_adapter=False" in text
    assert "at most 128 tokens, truncation `longest_first`" in text
    assert "on the encoder `random` (3 layers of width 32)" in text
    assert model.backbone.fingerprint in text


def test_a_task_without_adapter_says_so(card):
    assert "no adapter: the head reads the bare encoder" in card("bare")


def test_figures_and_settings_are_tables(card):
    text = card("mood", metrics={"accuracy": 0.87654}, training={"lr": 0.001, "data": "a|b\nc.csv"})
    assert "## Metrics\n\n| metric | value |\n| --- | --- |\n| accuracy | 0.8765 |" in text
    assert "| lr | 0.001 |" in text
    assert "| data | a\\|b c.csv |" in text


def test_there_are_no_empty_tables(card):
    text = card("mood")
    assert "## Metrics" not in text
    assert "## Training" not in text


@pytest.mark.parametrize("name", ["minilm", 'C:\\new "models"\\é🙂'])
def test_its_lines_to_copy_load_the_task(card, model, tmp_path, monkeypatch, name):
    model.backbone = model.backbone.model_copy(update={"name": name})
    text = card("mood")
    code = text.split("```python\n")[1].split("```")[0]
    code = code.replace("path/to/mood", str(tmp_path / "mood"))
    known = model.predict(["a text"], task="mood")
    model.delete_task("mood")
    asked = []
    monkeypatch.setattr(
        "polyhead.DistilBertModelWithHeads.from_pretrained",
        classmethod(lambda cls, name: asked.append(name) or model),
    )
    scope = {}
    exec(compile(code.replace("model.predict", "answers = model.predict"), "card", "exec"), scope)  # noqa: S102
    assert scope["answers"] == known
    assert asked == [name]
