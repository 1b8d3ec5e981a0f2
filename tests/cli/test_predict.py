"""`polyhead predict`: texts, files and pipes, by one task or several."""

import csv
import errno
import json
import os

import pytest

from polyhead.model import DistilBertModelWithHeads


@pytest.fixture
def words(saved_tasks):
    return ["predict", "--task", saved_tasks / "mood", "--task", saved_tasks / "place"]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    records = [
        {"id": number, "text": f"the cat is {'good' * (number % 3)} {number}"}
        for number in range(20)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def test_texts_get_a_table_with_a_column_for_each_task(run, words):
    result = run(*words, "the cat is good", "[red] the dog is bad")
    assert result.exit_code == 0, result.output
    assert "mood" in result.stdout
    assert "place" in result.stdout
    assert "[red] the dog is bad" in result.stdout
    assert result.stderr == ""


def test_answers_are_those_of_the_library(run, words, saved_tasks, backbone, texts):
    result = run(*words, "--input", texts)
    model = DistilBertModelWithHeads.from_pretrained(backbone)
    names = [model.load_task(saved_tasks / name) for name in ("mood", "place")]
    records = [json.loads(line) for line in texts.read_text("utf-8").splitlines()]
    answers = model.predict([record["text"] for record in records], task=names)
    expected = [
        {**record, "predictions": {name: found[name].model_dump() for name in names}}
        for record, found in zip(records, answers, strict=True)
    ]
    assert [json.loads(line) for line in result.stdout.splitlines()] == expected


def test_chunks_change_nothing(run, words, texts, monkeypatch):
    def scores():
        lines = run(*words, "--input", texts).stdout.splitlines()
        found = [json.loads(line)["predictions"] for line in lines]
        return [answer["score"] for answers in found for answer in answers.values()]

    whole = scores()
    monkeypatch.setattr("polyhead.cli.bulk.CHUNK", 3)
    assert scores() == pytest.approx(whole, abs=1e-5)
    assert len(whole) == 40


def test_json_gives_a_line_for_each_text(run, words):
    result = run(*words, "good", "bad", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["text"] for line in lines] == ["good", "bad"]
    assert set(lines[0]["predictions"]) == {"mood", "place"}


def test_output_file_holds_the_lines(run, words, texts, tmp_path):
    target = tmp_path / "answers.jsonl"
    result = run(*words, "--input", texts, "--output", target)
    assert result.stdout == ""
    assert "20 texts in" in result.stderr
    assert target.read_text("utf-8") == run(*words, "--input", texts).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "texts.jsonl"]


def test_standard_input_is_read_as_json_lines(run, words, texts):
    piped = run(*words, "--input", "-", "--output", "-", stdin=texts.read_bytes())
    assert piped.stdout == run(*words, "--input", texts).stdout


def test_a_very_long_text_is_cut_in_the_table_alone(run, words):
    text = "good " * 1000
    assert len(run(*words, text).stdout) < 4000
    assert json.loads(run(*words, text, "--json").stdout)["text"] == text


def test_tables_and_other_columns_are_read(run, words, tmp_path):
    table = tmp_path / "pairs.tsv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("first", "second"), ("good", "bad")])
    result = run(*words, "--input", table, "--text-column", "first", "--text-pair-column", "second")
    pair = run(*words, "good", "--text-pair", "bad", "--json")
    told = [json.loads(found.stdout)["predictions"] for found in (result, pair)]
    assert told[0] == told[1]
    assert told[0] != json.loads(run(*words, "good", "--json").stdout)["predictions"]


def test_a_column_called_text_pair_is_read_as_in_training(run, words):
    line = b'{"text": "good", "text_pair": "bad"}\n'
    told = json.loads(run(*words, "--input", "-", stdin=line).stdout)
    pair = json.loads(run(*words, "good", "--text-pair", "bad", "--json").stdout)
    assert told["predictions"] == pair["predictions"]


def test_texts_that_are_cut_are_counted_on_standard_error(run, words, tmp_path):
    path = tmp_path / "long.jsonl"
    long = json.dumps({"text": "cat " * 100_000}) + "\n"
    path.write_text('{"text": "cat"}\n' + long, "utf-8")
    result = run(*words, "--input", path)
    assert "mood: 1 of 2 texts were cut to 24 tokens." in result.stderr
    assert len(result.stdout.splitlines()) == 2


def test_every_record_comes_back_as_it_was(run, words):
    record = '{"text": "caf\\u00e9 \\ud83d\\ude00 \\u0000", "odd": "\\ud800", "n": [1, null]}\n'
    result = run(*words, "--input", "-", "--output", "-", stdin=record)
    told = json.loads(result.stdout)
    del told["predictions"]
    assert told == json.loads(record)


def test_lone_surrogates_survive_in_files(run, words, tmp_path):
    target = tmp_path / "out.jsonl"
    run(*words, "--input", "-", "--output", target, stdin=b'{"text": "cat", "odd": "\\ud800"}\n')
    assert json.loads(target.read_text("utf-8"))["odd"] == "\ud800"


BAD_LINES = {
    "not_json": ("cat\n", "line 2: not JSON"),
    "no_column": ('{"body": "cat"}\n', "line 2: no column 'text'; there are: 'body'"),
    "not_a_text": (
        '{"text": 7}\n',
        "line 2: not an example of 'classification': text: Input should be a valid string",
    ),
    "empty": ('{"text": "  "}\n', "line 2: column 'text' is empty"),
    "no_words": ('{"text": "\\u0000"}\n', "line 2: the text has no words"),
    "half": ('{"text": "\\ud800"}\n', "line 2: column 'text' holds half of a surrogate pair"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_lines_are_refused_with_their_number(name, refused, words, tmp_path):
    content, reason = BAD_LINES[name]
    path, target = tmp_path / "texts.jsonl", tmp_path / "out.jsonl"
    path.write_text('{"text": "cat"}\n' + content, "utf-8")
    message = refused(*words, "--input", path, "--output", target)
    assert message.startswith(f"{path}, {reason}")
    assert [found.name for found in tmp_path.iterdir()] == ["texts.jsonl"]


def test_a_bad_line_of_a_pipe_is_refused_by_number(refused, words, tmp_path):
    message = refused(*words, "--input", "-", "--output", tmp_path / "out.jsonl", stdin=b"cat\n")
    assert message.startswith("standard input, line 1: not JSON")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "there is no text"),
        (("",), "example 1: the text has no words"),
        (("good", " "), "example 2: the text has no words"),
        (("good", "--input", "texts.jsonl"), "give one of them"),
        (("a", "b", "--text-pair", "c"), "--text-pair goes with one text"),
        (("--input", "missing.jsonl"), "missing.jsonl: there is no such file"),
        (("good", "--task", "missing"), "missing is no folder"),
        (("good", "--task", "."), "is not a task's folder"),
        (("good", "--backbone", "minilmm"), "Did you mean 'minilm'?"),
    ],
)
def test_bad_requests_are_refused(options, reason, refused, words):
    assert reason in refused(*words, *options)


def test_an_empty_input_is_refused(refused, words, tmp_path):
    path = tmp_path / "none.jsonl"
    path.touch()
    assert refused(*words, "--input", path) == f"{path}: holds no text."
    assert refused(*words, "--input", "-", stdin=b"") == "standard input: holds no text."


def test_an_output_that_exists_is_spared(refused, run, words, texts, tmp_path):
    target = tmp_path / "out.jsonl"
    target.write_text("kept", "utf-8")
    message = refused(*words, "--input", texts, "--output", target)
    assert message == f"{target} exists; choose another --output, or replace it with --overwrite."
    assert target.read_text("utf-8") == "kept"
    assert run(*words, "--input", texts, "--output", target, "--overwrite").exit_code == 0
    assert len(target.read_text("utf-8").splitlines()) == 20


def test_an_output_in_no_folder_is_refused(refused, words, texts, tmp_path):
    assert "there is no folder" in refused(
        *words, "--input", texts, "--output", tmp_path / "a/b.jsonl"
    )
    assert "is a folder" in refused(*words, "--input", texts, "--output", tmp_path)


def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(
    refused, words, texts, tmp_path, monkeypatch
):
    target = tmp_path / "out.jsonl"
    target.write_text("kept", "utf-8")

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", fail)
    message = refused(*words, "--input", texts, "--output", target, "--overwrite")
    assert message == f"{target} could not be written: No space left on device."
    assert target.read_text("utf-8") == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "texts.jsonl"]


def test_two_tasks_of_one_name_are_refused(refused, saved_tasks, task):
    message = refused("predict", "--task", saved_tasks / "mood", "--task", task, "good")
    assert "are both called 'mood'" in message


def test_one_task_given_twice_is_answered_once(run, saved_tasks):
    twice = run("predict", *["--task", saved_tasks / "mood"] * 2, "good", "--json")
    assert list(json.loads(twice.stdout)["predictions"]) == ["mood"]


def test_tasks_of_two_backbones_are_refused(run, refused, saved_tasks, other_backbone, train_words):
    far = train_words[train_words.index("--output") + 1]
    run(*train_words, "--backbone", other_backbone, "--task", "far")
    message = refused("predict", "--task", saved_tasks / "mood", "--task", far, "good")
    assert "the tasks name different backbones" in message
    assert str(other_backbone) in message


def test_another_backbone_is_refused(refused, words, other_backbone, deep_backbone):
    message = refused(*words, "good", "--backbone", other_backbone)
    assert "of the same shape and with other weights" in message
    assert "with 2 layers of width 32" in refused(*words, "good", "--backbone", deep_backbone)
