"""`polyhead run`: lines through a pipeline."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import polyhead
from polyhead.cli.lines import items_of_lines
from polyhead.cli.run import _in_words
from polyhead.registry import registry

READER = Path(__file__).parents[1] / "fixtures" / "pipelines" / "question_answering"
QUESTION, CONTEXT = "who ran?", "The cat sat on the mat, and the dog ran."


@pytest.fixture(scope="module")
def classifier(backbone, tmp_path_factory) -> Path:
    """A checkpoint with a classifier, as transformers writes it."""
    folder = tmp_path_factory.mktemp("classifier")
    for path in backbone.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = {
        f"distilbert.{name}": weight
        for name, weight in load_file(folder / "model.safetensors").items()
    }
    generator = torch.Generator().manual_seed(0)
    for name, n_out in (("pre_classifier", 32), ("classifier", 2)):
        weights[f"{name}.weight"] = torch.randn(n_out, 32, generator=generator)
        weights[f"{name}.bias"] = torch.zeros(n_out)
    save_file(weights, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {
        "architectures": ["DistilBertForSequenceClassification"],
        "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def json_lines(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_documented_command_answers_a_line(run, classifier):
    words = ("run", "--task", "text-classification", "--model", classifier)
    result = run(*words, stdin="I love using Hugging Face Transformers!\n")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "I love using Hugging Face Transformers!" in result.stdout
    assert "POSITIVE" in result.stdout or "NEGATIVE" in result.stdout


def test_answers_are_those_of_the_library(run, classifier):
    texts = ["the cat is good", "a tab\tin it", "café 🙂"]
    found = json_lines(run("run", "--model", classifier, "--json", stdin="\n".join(texts)))
    expected = polyhead.pipeline("text-classification", model=classifier)(texts)
    assert found == [
        {"text": text, "result": answer} for text, answer in zip(texts, expected, strict=True)
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_batches_change_nothing(run, classifier, batch_size):
    lines = "".join(f"the cat {number}\n" for number in range(7))
    words = ("run", "--model", classifier, "--json")
    whole = json_lines(run(*words, stdin=lines))
    found = json_lines(run(*words, "--batch-size", batch_size, stdin=lines))
    assert [line["text"] for line in found] == [line["text"] for line in whole]
    scores = [line["result"]["score"] for line in found]
    assert scores == pytest.approx([line["result"]["score"] for line in whole], abs=1e-5)


def test_answers_are_written_as_lines_come(run, classifier, monkeypatch):
    """The third line is read only after the first two were answered."""
    order = []

    def noting(*arguments):
        for item in items_of_lines(*arguments):
            order.append(item.example)
            yield item

    dumps = json.dumps

    def writing(value, **options):
        order.append("written")
        return dumps(value, **options)

    monkeypatch.setattr("polyhead.cli.run.items_of_lines", noting)
    monkeypatch.setattr("polyhead.cli.run.json.dumps", writing)
    run("run", "--model", classifier, "--json", "--batch-size", 2, stdin="a\nb\nc\n")
    assert order == ["a", "b", "written", "written", "c", "written"]


def test_a_task_of_ours_is_run_by_its_folder(run, saved_tasks):
    task = saved_tasks / "mood"
    found = json_lines(run("run", "--model", task, "--json", stdin="the cat is good\n"))
    [expected] = polyhead.pipeline(model=task)(["the cat is good"])
    assert found == [{"text": "the cat is good", "result": expected}]


@pytest.mark.parametrize(
    "line",
    [
        f"{QUESTION}\t{CONTEXT}",
        json.dumps({"question": QUESTION, "context": CONTEXT}),
        json.dumps({"context": CONTEXT, "question": QUESTION, "id": 7, "answers": []}),
    ],
)
def test_questions_have_their_context_on_the_line(run, line):
    words = ("run", "--task", "question-answering", "--model", READER, "--json")
    [found] = json_lines(run(*words, stdin=line + "\n"))
    expected = polyhead.pipeline("question-answering", model=READER)(QUESTION, CONTEXT)
    assert found.pop("result") == expected
    assert {"question": QUESTION, "context": CONTEXT}.items() <= found.items()


def test_a_table_shows_questions_and_answers(run):
    result = run("run", "--model", READER, stdin=f"{QUESTION}\t{CONTEXT}\n")
    assert QUESTION in result.stdout
    assert polyhead.pipeline(model=READER)(QUESTION, CONTEXT)["answer"] in result.stdout
    assert CONTEXT not in result.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("texts.txt", "the cat is good\n\n  \na bad day\n"),
        ("texts", "\ufeffthe cat is good\r\na bad day"),
        (
            "texts.jsonl",
            '{"id": 1, "text": "the cat is good"}\n{"id": 2, "text": "a bad day"}\n',
        ),
        ("texts.csv", "id,text\n1,the cat is good\n2,a bad day\n"),
        ("texts.tsv", "id\ttext\n1\tthe cat is good\n2\ta bad day\n"),
    ],
)
def test_texts_can_be_in_a_file(run, classifier, tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    found = json_lines(run("run", "--model", classifier, "--input", path, "--json"))
    assert [line["text"] for line in found] == ["the cat is good", "a bad day"]
    expected = polyhead.pipeline(model=classifier)(["the cat is good", "a bad day"])
    assert [line["result"] for line in found] == expected


def test_records_can_hold_pairs(run, classifier, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"text": "the cat", "text_pair": "the dog"}\n{"text": "the cat"}\n', "utf-8")
    found = json_lines(run("run", "--model", classifier, "--input", path, "--json"))
    asked = polyhead.pipeline(model=classifier)
    expected = asked([{"text": "the cat", "text_pair": "the dog"}, "the cat"])
    assert [line["result"] for line in found] == expected


def test_features_are_shown_by_their_size_and_written_as_json(run, backbone):
    words = ("run", "--task", "feature-extraction", "--model", backbone)
    assert "4 x 32 numbers" in run(*words, stdin="the cat\n").stdout
    [found] = json_lines(run(*words, "--json", stdin="the cat\n"))
    assert [len(row) for row in found["result"][0]] == [32] * 4


@pytest.mark.parametrize(
    "case",
    [
        ("masked_lm", {}, "the [MASK] ran", " ("),
        ("masked_lm", {}, "the [MASK] ran [MASK]", " | "),
        ("tagging", {"labels": ["X", "Y"], "scheme": "plain"}, "the cat", "the (X), cat (X)"),
        ("tagging", {"labels": ["O", "B-X", "I-X"], "scheme": "bio"}, "the cat", "nothing"),
    ],
    ids=str,
)
def test_every_answer_is_shown_in_words(run, backbone, tmp_path, case):
    kind, fields, line, shown = case
    model = polyhead.DistilBertModelWithHeads.from_pretrained(backbone)
    config = registry().head(kind).Config(**fields)
    model.add_task("task", head=config, adapter=None)
    if kind == "tagging":
        with torch.no_grad():
            model.heads["task"].out.bias[0] = 100  # the first label, always
    model.save_task("task", tmp_path / "task")
    result = run("run", "--model", tmp_path / "task", stdin=line + "\n")
    assert result.exit_code == 0, result.output
    assert shown in result.stdout


def test_no_answer_is_shown_as_such():
    assert _in_words({"score": 0.5, "start": 0, "end": 0, "answer": ""}) == "no answer (0.50)"
    assert _in_words({"label": "good", "score": 0.126}) == "good (0.13)"


def test_a_device_is_a_name_or_a_number(run, classifier, monkeypatch, refused):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = ("run", "--model", classifier, "--json")
    expected = json_lines(run(*words, stdin="the cat\n"))
    for device in ("cpu", "-1", "0"):
        result = run(*words, "--device", device, stdin="the cat\n")
        assert json_lines(result) == expected
    assert "there is no GPU" in refused(*words, "--device", "cuda", stdin="the cat\n")


def test_the_tokenizer_can_come_from_elsewhere(run, classifier, backbone):
    words = ("run", "--model", classifier, "--json")
    found = run(*words, "--tokenizer", backbone, stdin="the cat\n")
    assert json_lines(found) == json_lines(run(*words, stdin="the cat\n"))


@pytest.mark.parametrize(
    ("words", "stdin", "sentence"),
    [
        (["--task", "text-clasification"], "a\n", "Did you mean 'text-classification'?"),
        (["--task", "ner"], "a\n", "has no head for 'token-classification'"),
        ([], "", "standard input: holds no text."),
        ([], "\n  \n", "standard input: holds no text."),
        ([], b"good\n\xff\n", "standard input, line 2: byte 0xff is not UTF-8"),
        ([], b"good\n\x00b\n", "standard input, line 2: holds a NUL byte"),
        ([], "good\n\n" + "the cat " * 40, "standard input, line 3: the text has 82 tokens"),
        (["--input", "nothing.txt"], "", "nothing.txt: no such file or directory."),
        (["--input", "nothing.jsonl"], "", "nothing.jsonl: there is no such file."),
        (["--tokenizer", "nowhere/at/all"], "a\n", "nowhere/at/all"),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_told_in_a_sentence(refused, classifier, words, stdin, sentence):
    assert sentence in refused("run", "--model", classifier, *words, "--json", stdin=stdin)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("who ran?", "standard input, line 1: is one text, and a question needs a context"),
        ("who ran?\t ", "standard input, line 1: the context has no words"),
        ('{"question": "who ran?"', "standard input, line 1: is not JSON"),
        ('{"question": "who ran?"}', "standard input, line 1: a question is asked as"),
        ('{"context": "who ran?"}', "standard input, line 1: has no 'question'"),
    ],
)
def test_questions_without_a_context_are_told(refused, line, sentence):
    assert sentence in refused("run", "--model", READER, "--json", stdin=line + "\n")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (("a.jsonl", '{"title": "a"}\n'), "line 1: has no 'text'."),
        (("a.jsonl", '{"text": "a"}\n{"text": 3}\n'), "line 2: a text must be a str, not int"),
        (("a.csv", "text\n"), "holds no text."),
    ],
)
def test_bad_records_have_their_line(refused, classifier, tmp_path, file, sentence):
    name, content = file
    path = tmp_path / name
    path.write_text(content, "utf-8")
    said = refused("run", "--model", classifier, "--input", path, "--json")
    assert said.startswith(str(path))
    assert sentence in said


def test_a_model_is_needed(run):
    result = run("run", "--task", "ner")
    assert result.exit_code == 2
    assert "--model" in result.stderr


def test_a_missing_extra_is_not_needed(run, classifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert run("run", "--model", classifier, "--json", stdin="the cat\n").exit_code == 0
