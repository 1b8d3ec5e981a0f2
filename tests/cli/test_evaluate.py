"""`polyhead evaluate`."""

import json

from polyhead.artifact import read_task


def test_metrics_are_those_of_the_best_epoch(run, saved_tasks, data):
    result = run("evaluate", "--task", saved_tasks / "mood", "--data", data / "dev.jsonl", "--json")
    told = json.loads(result.stdout)
    assert told["metrics"] == read_task(saved_tasks / "mood").manifest.metrics
    assert (told["task"], told["examples"]) == ("mood", 12)


def test_a_table_names_each_metric(run, saved_tasks, data):
    result = run("evaluate", "--task", saved_tasks / "mood", "--data", data / "dev.jsonl")
    assert result.exit_code == 0
    assert "accuracy" in result.stdout


def test_other_columns_are_read(run, saved_tasks, tmp_path):
    table = tmp_path / "dev.csv"
    table.write_text("body,class\nthe cat is good,good\nthe dog is bad,bad\n", "utf-8")
    columns = ("--text-column", "body", "--label-column", "class")
    result = run("evaluate", "--task", saved_tasks / "mood", "--data", table, *columns, "--json")
    assert json.loads(result.stdout)["examples"] == 2


def test_a_label_unknown_to_the_task_is_refused_with_its_line(refused, saved_tasks, tmp_path):
    path = tmp_path / "dev.jsonl"
    path.write_text('{"text": "a", "label": "good"}\n\n{"text": "b", "label": "fair"}\n', "utf-8")
    message = refused("evaluate", "--task", saved_tasks / "mood", "--data", path)
    assert message.startswith(f"{path}, line 3: the label 'fair' is unknown to this head")
    assert "'bad', 'good'" in message


def test_missing_labels_and_files_are_refused(refused, saved_tasks, tmp_path):
    words = ("evaluate", "--task", saved_tasks / "mood", "--data")
    assert "there is no such file" in refused(*words, tmp_path / "dev.jsonl")
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a"}\n', "utf-8")
    assert "no column 'label'" in refused(*words, path)


def test_every_kind_is_measured(run, kinds, fresh_tasks, tmp_path):
    for kind, record in kinds.items():
        answers = {"answers": [{"text": "dog", "answer_start": 4}]} if "answers" in record else {}
        path = tmp_path / f"{kind}.jsonl"
        path.write_text(json.dumps(record | answers) + "\n", "utf-8")
        result = run("evaluate", "--task", fresh_tasks / kind, "--data", path, "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["metrics"]


def test_an_example_without_anything_to_compare_is_refused_with_its_line(
    refused, fresh_tasks, tmp_path
):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"text": "a", "text_pair": "b"}\n\n{"text": "c"}\n', "utf-8")
    message = refused("evaluate", "--task", fresh_tasks / "embedding", "--data", path)
    assert message.startswith(f"{path}, line 3: the example has text alone, and nothing to compare")


def test_a_first_text_of_unknown_words_alone_does_no_harm(run, fresh_tasks, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "\U0001f600"}\n{"text": "the cat sat"}\n', "utf-8")
    result = run("evaluate", "--task", fresh_tasks / "masked_lm", "--data", path, "--json")
    assert json.loads(result.stdout)["examples"] == 2
