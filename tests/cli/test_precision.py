"""`--precision`: the answers of the library in it, and a sentence where it cannot be."""

import json

import pytest

import polyhead
from polyhead.encoder import precision
from polyhead.model import DistilBertModelWithHeads

TEXTS = ["the cat is good", "a bad day", "red"]


@pytest.fixture(autouse=True)
def processor(monkeypatch):
    """One that multiplies bfloat16, whichever this one is."""
    monkeypatch.setattr(precision, "has_bfloat16_products", lambda: True)


def document(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def json_lines(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", ["float32", "int8", "bfloat16"])
def test_predict_answers_as_the_library_does(run, saved_tasks, backbone, name):
    model = DistilBertModelWithHeads.from_pretrained(backbone, precision=name)
    model.load_task(saved_tasks / "mood")
    words = ("predict", "--task", saved_tasks / "mood", "--precision", name, "--json")
    found = [line["predictions"]["mood"] for line in json_lines(run(*words, *TEXTS))]
    assert found == [answer.model_dump() for answer in model.predict(TEXTS, task="mood")]


def test_precisions_do_not_answer_alike_to_the_last_place(run, saved_tasks):
    """Otherwise the comparison above compares nothing."""
    words = ("predict", "--task", saved_tasks / "mood", "--json", *TEXTS)
    answers = [run(*words, "--precision", name).stdout for name in ("float32", "int8", "bfloat16")]
    assert len(set(answers)) == 3
    assert answers[0] == run(*words).stdout


@pytest.mark.parametrize("name", ["int8", "bfloat16"])
def test_evaluate_measures_in_a_precision(run, saved_tasks, data, name):
    words = ("evaluate", "--task", saved_tasks / "mood", "--data", data / "dev.jsonl", "--json")
    exact, found = document(run(*words)), document(run(*words, "--precision", name))
    assert found["examples"] == exact["examples"]
    assert found["metrics"]["accuracy"] == pytest.approx(exact["metrics"]["accuracy"], abs=0.2)


@pytest.mark.parametrize("name", ["int8", "bfloat16"])
def test_train_learns_on_it_what_every_precision_answers(run, train_words, tmp_path, data, name):
    told = document(run(*train_words, "--epochs", 4, "--precision", name, "--json"))
    assert told["task"] == "mood"
    accuracy = []
    for used in ("float32", name):
        words = ("--task", tmp_path / "tasks" / "mood", "--data", data / "dev.jsonl", "--json")
        measured = document(run("evaluate", *words, "--precision", used))
        accuracy.append(measured["metrics"]["accuracy"])
    assert accuracy[0] > 0.7
    assert accuracy[1] == pytest.approx(accuracy[0], abs=0.2)


@pytest.mark.parametrize("name", ["float32", "int8", "bfloat16"])
def test_run_asks_a_task_in_a_precision(run, saved_tasks, name):
    folder = saved_tasks / "mood"
    words = ("run", "--model", folder, "--device", "cpu", "--precision", name, "--json")
    found = [line["result"] for line in json_lines(run(*words, stdin="\n".join(TEXTS)))]
    assert found == polyhead.pipeline(model=folder, device="cpu", precision=name)(TEXTS)


@pytest.mark.parametrize("name", ["float32", "int8", "bfloat16"])
def test_run_asks_a_checkpoint_in_a_precision(run, backbone, name):
    words = ("run", "--task", "feature-extraction", "--model", backbone, "--device", "cpu")
    found = json_lines(run(*words, "--precision", name, "--json", stdin="the cat\n"))
    asked = polyhead.pipeline("feature-extraction", backbone, device="cpu", precision=name)
    assert found[0]["result"] == asked("the cat")


@pytest.fixture(params=["train", "evaluate", "predict", "run"])
def words(request, saved_tasks, train_words, data):
    """A command that works."""
    task = ("--task", saved_tasks / "mood")
    return {
        "train": train_words,
        "evaluate": ["evaluate", *task, "--data", data / "dev.jsonl"],
        "predict": ["predict", *task, "the cat", "--json"],
        "run": ["run", "--model", saved_tasks / "mood", "--device", "cpu", "--json"],
    }[request.param]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("int3", "there is no precision 'int3'; choose one of float32, bfloat16, float16, int8."),
        ("", "there is no precision ''"),
        ("float16", "precision 'float16' is for GPUs"),
    ],
)
def test_what_cannot_be_is_refused(refused, words, tmp_path, name, sentence):
    assert sentence in refused(*words, "--precision", name, stdin="the cat\n")
    assert not (tmp_path / "tasks").exists()


def test_bfloat16_is_refused_on_a_processor_without_it(refused, words, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16_products", lambda: False)
    said = refused(*words, "--precision", "bfloat16", stdin="the cat\n")
    assert "this CPU does not multiply bfloat16" in said


def test_a_precision_is_refused_before_a_backbone_is_looked_for(refused, saved_tasks):
    words = ("predict", "--task", saved_tasks / "mood", "--backbone", "no/such/checkpoint", "cat")
    assert "there is no precision 'int3'" in refused(*words, "--precision", "int3")
