"""What can be asked on the command line, for every kind of head."""

import json
import shlex

import pytest

from polyhead.cli.asking import check_askable, words_to_ask, words_to_name
from polyhead.errors import InputError
from polyhead.registry import registry

KINDS = registry().head_kinds()


@pytest.fixture
def write(kinds, tmp_path):
    """Writes one record of a kind, with other values where they are given."""

    def writing(kind, **fields):
        path = tmp_path / f"{kind}.jsonl"
        path.write_text(json.dumps(kinds[kind] | fields) + "\n", "utf-8")
        return path

    return writing


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_suggested_can_be_typed(kind, kinds, fresh_tasks, write, run):
    seen = registry().head(kind).parse(kinds[kind])
    words = words_to_ask(fresh_tasks / kind, seen, write(kind), {})
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert ("--text-pair" in words) is (kind in {"embedding", "multilabel", "question_answering"})
    assert ("--input" in words) is (kind == "multiple_choice")


def test_a_file_is_suggested_with_the_columns_that_prediction_reads(kinds, tmp_path):
    seen = registry().head("multiple_choice").parse(kinds["multiple_choice"])
    columns = {"choices": "endings", "label": "gold"}
    words = words_to_ask(tmp_path / "next", seen, tmp_path / "a.jsonl", columns)
    assert words[-2:] == ["--column", "choices=endings"]
    assert words_to_name(columns) == ["--column", "choices=endings", "--column", "label=gold"]


def test_a_training_run_suggests_what_its_kind_reads(run, train_words, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "the cat sat"}\n' * 4, "utf-8")
    told = run(*train_words, "--head", "masked_lm", "--data", path, "--eval", path).stdout
    line = next(line for line in told.splitlines() if " predict " in line)
    assert shlex.split(line)[-1] == "a text with a [MASK]"


@pytest.mark.parametrize(
    ("kind", "words", "reason"),
    [
        ("question_answering", ("who?",), "needs a context beside the question; give it with --te"),
        ("question_answering", ("who?", "where?"), "needs a context beside the question"),
        ("multiple_choice", ("the",), 'such as {"text": "a text of yours", "choices": ["one choi'),
        ("multiple_choice", ("the", "--text-pair", "cat"), "needs more than a text; put examples"),
        ("tagging", ("the", "--text-pair", "cat"), "reads single texts; leave out --text-pair."),
        ("masked_lm", ("the [MASK]", "--text-pair", "cat"), "reads single texts"),
        ("masked_lm", ("the cat",), "the text 'the cat' has no [MASK]; write it wherever"),
        ("regression", ("the cat", "--text-pair", " "), "the second text has no words"),
    ],
)
def test_texts_that_a_kind_cannot_read_are_refused(kind, words, reason, fresh_tasks, refused):
    assert reason in refused("predict", "--task", fresh_tasks / kind, *words)


def test_every_task_of_a_call_must_be_askable(fresh_tasks, refused):
    tasks = ("--task", fresh_tasks / "tagging", "--task", fresh_tasks / "multiple_choice")
    message = refused("predict", *tasks, "the cat")
    assert message.startswith("the task 'multiple_choice' (multiple_choice) needs more than a text")


def test_the_number_of_texts_is_what_counts():
    check_askable("qa", registry().head("question_answering"), 2)
    check_askable("pair", registry().head("classification"), 1)
    with pytest.raises(InputError, match="reads single texts"):
        check_askable("ner", registry().head("tagging"), 2)


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_pipes_are_answered_by_every_kind(kind, fresh_tasks, write, run):
    path = write(kind, id=7, **({"text": "the [MASK]"} if kind == "masked_lm" else {}))
    words = ("predict", "--task", fresh_tasks / kind, "--input")
    from_file = run(*words, path)
    piped = run(*words, "-", stdin=path.read_bytes())
    assert from_file.exit_code == 0, from_file.output
    assert from_file.stdout == piped.stdout
    told = json.loads(piped.stdout)
    assert told.pop("predictions").keys() == {kind}
    assert told == json.loads(path.read_text("utf-8"))


def test_a_text_of_a_file_that_asks_nothing_is_named_by_its_line(fresh_tasks, refused, tmp_path):
    path = tmp_path / "masks.jsonl"
    path.write_text('{"text": "the [MASK]"}\n\n{"text": "the cat"}\n', "utf-8")
    words = ("predict", "--task", fresh_tasks / "masked_lm", "--input")
    assert refused(*words, path).startswith(f"{path}, line 3: the text 'the cat' has no [MASK]")
    message = refused(*words, "-", stdin=path.read_bytes())
    assert message.startswith("standard input, line 3: the text 'the cat' has no [MASK]")
