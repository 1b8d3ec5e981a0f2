"""The pipeline examples of the DistilBERT documents, with only the import changed.

Hub ids are replaced by folders, and in transformers' own run the task is added, which it asks the
hub for. The answers must come out the same.
"""

import doctest
import re
import textwrap
from pathlib import Path

import pytest
import torch

PAGE = """
import torch
from transformers import pipeline


classifier = pipeline(
    task="text-classification",
    model="distilbert-base-uncased-finetuned-sst-2-english",
    device=0
)

result = classifier("I love using Hugging Face Transformers!")
print(result)
"""
HALF = PAGE.replace("device=0", "dtype=torch.float16,\n    device=0")
ORACLE = """
from transformers import pipeline

oracle = pipeline(model="deepset/roberta-base-squad2")
answer = oracle(question="Where do I live?", context="My name is Wolfgang and I live in Berlin")
"""
"""As the documentation of the question answering pipeline shows it."""

MODEL = re.compile(r'model="[^"]*"')


@pytest.fixture(scope="module")
def sentiment(make_checkpoint) -> Path:
    return make_checkpoint(
        "DistilBertForSequenceClassification",
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
        max_position_embeddings=64,
    )


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def run(program: str, package: str, folder: Path, task: str | None = None) -> dict[str, object]:
    """The variables of a program that was run on a checkpoint with the classes of a package."""
    program = MODEL.sub(f"model={str(folder)!r}", program)
    program = program.replace("from transformers import", f"from {package} import")
    if package == "transformers" and task is not None:
        program = program.replace("pipeline(model=", f"pipeline(task={task!r}, model=")
    names: dict[str, object] = {}
    exec(compile(program, package, "exec"), names)  # noqa: S102 - the documents' own lines
    return names


def program_of(text: str) -> str:
    """The examples in a class's documentation as one program, which keeps what is shown."""
    examples = doctest.DocTestParser().get_examples(textwrap.dedent(text))
    lines = [
        f"shown = {example.source}" if example.source.startswith("syntaxer(") else example.source
        for example in examples
    ]
    return "".join(lines)


def test_the_page_s_pipeline_answers_as_in_transformers(no_gpu, sentiment, assert_same, capsys):
    ours = run(PAGE, "polyhead", sentiment)["result"]
    assert_same(ours, run(PAGE, "transformers", sentiment)["result"])
    [answer] = ours
    assert answer["label"] in {"NEGATIVE", "POSITIVE"}
    assert capsys.readouterr().out.splitlines()[0] == str(ours)


def test_the_page_s_pipeline_runs_in_half_precision(no_gpu, sentiment):
    found = run(HALF, "polyhead", sentiment)
    assert found["classifier"].dtype == torch.float16
    [half], [whole] = found["result"], run(PAGE, "polyhead", sentiment)["result"]
    assert half["label"] == whole["label"]
    assert half["score"] == pytest.approx(whole["score"], abs=0.01)


def test_the_example_of_text_classification_gives_the_same(transformers, sentiment, assert_same):
    program = program_of(transformers.TextClassificationPipeline.__doc__)
    program = program.replace("\nclassifier(", "\nanswers = classifier(")
    ours = run(program, "polyhead", sentiment)
    theirs = run(program, "transformers", sentiment, "text-classification")
    assert_same(ours["answers"], theirs["answers"])


def test_the_example_of_token_classification_gives_the_same(transformers, tagger, assert_same):
    program = program_of(transformers.TokenClassificationPipeline.__doc__)
    ours = run(program, "polyhead", tagger)
    theirs = run(program, "transformers", tagger, "token-classification")
    for name in ("tokens", "token", "shown"):
        assert_same(ours[name], theirs[name])


def test_the_example_of_feature_extraction_gives_the_same(transformers, encoder, assert_same):
    program = program_of(transformers.FeatureExtractionPipeline.__doc__)
    ours, theirs = (run(program, package, encoder) for package in ("polyhead", "transformers"))
    assert_same(ours["result"], theirs["result"])


def test_the_example_of_fill_mask_gives_the_same(masked_lm, assert_same):
    program = (
        "from transformers import pipeline\n"
        'fill_masker = pipeline(model="google-bert/bert-base-uncased")\n'
        'answers = fill_masker("This is a simple [MASK].")\n'
    )
    ours = run(program, "polyhead", masked_lm)
    theirs = run(program, "transformers", masked_lm, "fill-mask")
    assert_same(ours["answers"], theirs["answers"])


def test_the_example_of_question_answering_answers_with_a_part_of_the_context(reader):
    answer = run(ORACLE, "polyhead", reader)["answer"]
    context = "My name is Wolfgang and I live in Berlin"
    assert set(answer) == {"score", "start", "end", "answer"}
    assert answer["answer"] == context[answer["start"] : answer["end"]]
