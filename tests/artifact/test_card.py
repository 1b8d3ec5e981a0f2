"""The model card of a task tells what it is, how good, and how to load it."""

import pytest

from polyhead.heads import QuestionAnsweringHeadConfig


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


def test_what_the_task_is_for_comes_before_what_every_head_has(card):
    fields = card("mood").split("head `classification`: ")[1].split("\n")[0]
    assert fields.startswith("labels=['bad', 'good'], ")
    assert fields.endswith(", hidden='last'")


def test_an_example_of_several_fields_is_asked_by_their_names(card, model):
    model.add_task("answers", head=QuestionAnsweringHeadConfig(), adapter=None)
    code = card("answers").split("```python\n")[1].split("```")[0]
    [line] = [line for line in code.splitlines() if "model.predict" in line]
    asked = 'model.predict([{"question": "a question of yours", "context": "a text that answers'
    assert line.startswith(asked)
    [answer] = eval(line, {"model": model})  # noqa: S307 - our own line
    assert answer.text


@pytest.mark.parametrize("name", ["minilm", 'C:\\new "models"\\é🙂'])
def test_its_lines_to_copy_load_the_task(card, model, tmp_path, monkeypatch, name):
    model.backbone = model.backbone.model_copy(update={"name": name})
    text = card("mood")
    code = text.split("```python\n")[1].split("```")[0]
    code = code.replace("path/to/mood", str(tmp_path / "mood"))
    known = model.predict(["a text of yours"], task="mood")
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
