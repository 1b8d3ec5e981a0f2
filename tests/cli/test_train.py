"""`polyhead train`: what it makes, what it says, what it refuses before it starts."""

import errno
import json
import os
import shlex
import sys

import pytest

from polyhead.artifact import read_task


def files_in(folder):
    """Every file and folder below, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_train_saves_a_task_and_says_what_to_type_next(run, train_words, tmp_path):
    result = run(*train_words)
    folder = tmp_path / "tasks" / "mood"
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.md", "adapter.safetensors", "head.safetensors", "task.json", "train.jsonl"),
    ]
    assert "best epoch" in result.stdout
    assert f"predict --task {folder}" in result.stdout
    assert "epoch 2/2" in result.stderr


def test_what_to_type_next_names_the_columns_again(run, train_words, tmp_path):
    table = tmp_path / "train.csv"
    table.write_text("question,hint,class\n" + "the cat,is good,1\nthe dog,is bad,0\n" * 8, "utf-8")
    columns = ["--text-column", "question", "--column", "text_pair=hint", "--label-column", "class"]
    told = run(*train_words, "--data", table, "--eval", table, *columns).stdout
    evaluate = next(line for line in told.splitlines() if " evaluate " in line)
    assert "--column text_pair=hint --column text=question --column label=class" in evaluate
    assert run(*shlex.split(evaluate.split(" polyhead ")[-1])).exit_code == 0


def test_json_is_alone_on_standard_output(run, train_words, tmp_path):
    result = run(*train_words, "--json")
    told = json.loads(result.stdout)
    assert told["task"] == "mood"
    assert told["output"] == str(tmp_path / "tasks" / "mood")
    assert told["interrupted"] is False
    assert told["best_epoch"] in {1, 2}
    assert 0 <= told["metrics"]["accuracy"] <= 1
    assert told["files"]["adapter.safetensors"] > 0


def test_settings_reach_the_manifest(run, train_words, tmp_path):
    run(
        *train_words,
        *("--seed", 5, "--warmup-ratio", 0.2, "--patience", 1, "--truncation", "only_first"),
        *("--head", "classification[layers=1]", "--adapter", "double_seq_bn[reduction_factor=8]"),
        *("--activation-cache", 0.25),
    )
    saved = read_task(tmp_path / "tasks" / "mood")
    settings = saved.manifest.training["settings"]
    assert (settings["seed"], settings["warmup_ratio"], settings["patience"]) == (5, 0.2, 1)
    assert settings["activation_cache"] == 0.25
    assert saved.manifest.text.truncation == "only_first"
    assert saved.manifest.text.max_length == 24
    assert saved.head.config["layers"] == 1
    assert saved.head.config["labels"] == ["bad", "good"]
    assert saved.adapter.config["mh_adapter"] is True
    assert saved.adapter.config["reduction_factor"] == 8


def test_given_labels_keep_their_order(run, train_words, tmp_path):
    run(*train_words, "--labels", "good, bad", "--class-weights", "balanced")
    config = read_task(tmp_path / "tasks" / "mood").head.config
    assert config["labels"] == ["good", "bad"]
    assert config["class_weights"] == [1.0, 1.0]


def test_no_adapter_trains_a_head_on_the_bare_encoder(run, train_words, tmp_path):
    result = run(*train_words, "--adapter", "none", "--json")
    assert "adapter.safetensors" not in json.loads(result.stdout)["files"]
    assert read_task(tmp_path / "tasks" / "mood").adapter is None


def test_without_evaluation_data_the_last_epoch_is_kept(run, train_words, data):
    place = train_words.index("--eval")
    result = run(*train_words[:place], *train_words[place + 2 :], "--json")
    told = json.loads(result.stdout)
    assert told["best_epoch"] == 2
    assert list(told["metrics"]) == ["train_loss"]


def test_same_seed_makes_the_same_files(run, train_words, tmp_path):
    for name in ("a", "b"):
        run(*train_words, "--output", tmp_path / name)
    for name in ("adapter.safetensors", "head.safetensors"):
        contents = [(tmp_path / folder / name).read_bytes() for folder in ("a", "b")]
        # the header holds the time of saving; the tensors lie behind it
        assert contents[0][-500:] == contents[1][-500:]


def test_tables_are_read_like_json_lines(run, train_words, tmp_path):
    table = tmp_path / "train.csv"
    table.write_text("question,hint,class\n" + "the cat,is good,1\nthe dog,is bad,0\n" * 8, "utf-8")
    result = run(
        *train_words,
        *("--data", table, "--eval", table, "--text-column", "question"),
        *("--text-pair-column", "hint", "--label-column", "class", "--json"),
    )
    assert result.exit_code == 0, result.output
    assert read_task(tmp_path / "tasks" / "mood").head.config["labels"] == ["0", "1"]


def test_overwrite_replaces_a_task(run, train_words, tmp_path):
    run(*train_words)
    result = run(*train_words, "--overwrite", "--epochs", 1, "--json")
    assert result.exit_code == 0, result.output
    manifest = read_task(tmp_path / "tasks" / "mood").manifest
    assert manifest.training["settings"]["epochs"] == 1


def test_overwrite_spares_a_folder_that_is_no_task(refused, train_words, tmp_path):
    folder = tmp_path / "tasks" / "mood"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work", "utf-8")
    assert "is not overwritten" in refused(*train_words, "--overwrite")
    assert files_in(tmp_path) == ["tasks", "tasks/mood", "tasks/mood/thesis.txt"]


def test_texts_that_are_too_long_are_cut_with_a_note(run, train_words, data, tmp_path):
    long = tmp_path / "long.jsonl"
    text = json.dumps({"text": "cat " * 100_000, "label": "good"})
    long.write_text((data / "train.jsonl").read_text("utf-8") + text + "\n", "utf-8")
    result = run(*train_words, "--data", long)
    assert result.exit_code == 0, result.output
    assert "mood: 1 of 49 training texts were cut to 24 tokens." in result.stderr


def test_control_characters_and_emoji_are_texts_like_others(run, train_words, tmp_path):
    odd = tmp_path / "odd.jsonl"
    texts = ["the cat \u0000 is good", "the dog is bad \U0001f600", "\u202e good", "bad\r\n\tbad"]
    records = [{"text": text, "label": "gb"[number % 2]} for number, text in enumerate(texts)]
    odd.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    assert run(*train_words, "--data", odd, "--eval", odd).exit_code == 0


GOOD = '{"text": "the cat is good", "label": "good"}\n'
BAD_FILES = {
    "empty": ("", "holds no example"),
    "blank": ("\n  \n", "holds no example"),
    "not_json": (GOOD + "{'text': 1}\n", "line 2: not JSON"),
    "not_an_object": (GOOD + GOOD + '["the cat"]\n', "line 3: holds a list"),
    "no_text": (GOOD + '{"label": "good"}\n', "line 2: no column 'text'; there are: 'label'"),
    "no_label": ('{"text": "the cat"}\n', "line 1: no column 'label'; there are: 'text'"),
    "empty_text": (GOOD + '{"text": " ", "label": "good"}\n', "line 2: column 'text' is empty"),
    "only_control": (GOOD * 2 + '{"text": "\\u0000", "label": "bad"}\n', "line 3: the text"),
    "null_label": (GOOD + '{"text": "cat", "label": null}\n', "line 2: column 'label' is null"),
    "one_label": (GOOD * 3, "all 3 training examples have the label 'good'"),
    "surrogate": (GOOD + '{"text": "\\ud800", "label": "bad"}\n', "line 2: column 'text'"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_training_data_is_refused_with_its_line(name, refused, train_words, tmp_path):
    content, reason = BAD_FILES[name]
    path = tmp_path / f"{name}.jsonl"
    path.write_text(content, "utf-8")
    message = refused(*train_words, "--data", path)
    assert str(path) in message
    assert reason in message
    assert files_in(tmp_path) == [path.name]


def test_nul_bytes_are_refused_with_their_line(refused, train_words, tmp_path):
    path = tmp_path / "nul.jsonl"
    path.write_bytes(GOOD.encode() + b'{"text": "a\0b", "label": "bad"}\n')
    assert "line 2: holds a NUL byte" in refused(*train_words, "--data", path)


def test_a_label_that_only_the_evaluation_data_has_is_refused(refused, train_words, tmp_path):
    path = tmp_path / "dev.jsonl"
    path.write_text(GOOD + '{"text": "so so", "label": "fair"}\n', "utf-8")
    message = refused(*train_words, "--eval", path)
    assert (
        f"{path}, line 2: the label 'fair' is unknown to this head; it has: 'bad', 'good'"
        in message
    )
    assert files_in(tmp_path) == ["dev.jsonl"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--data", "missing.jsonl"), "missing.jsonl: there is no such file"),
        (("--data", "data.xlsx"), "data files are .jsonl, .csv or .tsv"),
        (("--labels", "bad,fair"), "line 7: the label 'good' is not among the given"),
        (("--labels", "bad,bad"), "'bad' is there twice"),
        (("--head", "clasification"), "Did you mean 'classification'?"),
        (("--head", "classification[depth=2]"), "unknown field 'depth'"),
        (("--head", "classification[labels=2]", "--labels", "a,b"), "labels is given twice"),
        (("--adapter", "seq_bm"), "Did you mean 'seq_bn'?"),
        (("--adapter", "seq_bn[reduction=8]"), "unknown field 'reduction'"),
        (("--adapter", "seq_bn[reduction_factor=-1]"), "reduction_factor"),
        (("--backbone", "minilmm"), "Did you mean 'minilm'?"),
        (("--task", "mood/2"), "'mood/2' cannot name a task"),
        (("--epochs", 0), "epochs: Input should be greater than or equal to 1"),
        (("--lr", "nan"), "lr"),
        (("--max-length", 2), "max_length"),
        (("--max-length", 49), "positions"),
        (("--truncation", "middle"), "truncation"),
        (("--truncation", "refuse", "--max-length", 5), "line 1: the text"),
        (("--class-weights", "fair"), "class_weights"),
        (("--text-column", "body"), "no column 'body'; there are: 'text', 'label'"),
        (("--text-pair-column", "other"), "no column 'other'"),
    ],
)
def test_bad_options_are_refused_and_leave_nothing_behind(
    options, reason, refused, train_words, tmp_path
):
    assert reason in refused(*train_words, *options)
    assert files_in(tmp_path) == []


def test_an_output_that_exists_is_refused_first(refused, train_words, tmp_path):
    (tmp_path / "tasks" / "mood").mkdir(parents=True)
    (tmp_path / "tasks" / "mood" / "task.json").write_text("{}", "utf-8")
    # the data is missing too: nothing is read before the output is known to be free
    message = refused(*train_words, "--data", "missing.jsonl")
    assert "exists; choose another --output, or replace it with --overwrite" in message


def test_an_output_below_a_file_is_refused(refused, train_words, tmp_path):
    (tmp_path / "tasks").write_text("a file", "utf-8")
    assert "is a file" in refused(*train_words)


def test_a_read_only_output_is_refused(refused, train_words, monkeypatch):
    monkeypatch.setattr("os.access", lambda place, mode: not mode & os.W_OK)
    assert "is read-only" in refused(*train_words)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(refused, train_words, tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", fail)
    assert "No space left on device" in refused(*train_words)
    assert [path for path in files_in(tmp_path) if path != "tasks"] == []


def test_a_missing_metrics_package_is_found_before_the_first_epoch(
    run, train_words, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    result = run(*train_words)
    assert result.exit_code == 2
    assert "scikit-learn" in result.stderr
    assert "epoch 1" not in result.stderr
    assert files_in(tmp_path) == []


def interrupt_at(epoch):
    """A progress bar at which somebody presses Ctrl-C in that epoch."""

    class Interrupting:
        def __call__(self, event):
            if event.event == "step" and event.epoch == epoch:
                raise KeyboardInterrupt

    return Interrupting


def test_ctrl_c_keeps_the_best_so_far_and_says_so(run, train_words, tmp_path, monkeypatch):
    monkeypatch.setattr("polyhead.train.ProgressBar", interrupt_at(2))
    result = run(*train_words, "--json")
    assert result.exit_code == 130
    assert "stopped; the best so far, that of epoch 1, is kept" in result.stderr
    assert json.loads(result.stdout)["interrupted"] is True
    assert read_task(tmp_path / "tasks" / "mood").manifest.training["interrupted"] is True


def test_ctrl_c_in_the_first_epoch_leaves_nothing(run, train_words, tmp_path, monkeypatch):
    monkeypatch.setattr("polyhead.train.ProgressBar", interrupt_at(1))
    result = run(*train_words)
    assert result.exit_code == 130
    assert "there is nothing to keep" in result.stderr
    assert files_in(tmp_path) == []


def test_debug_shows_the_traceback(run, train_words, monkeypatch):
    monkeypatch.setenv("POLYHEAD_DEBUG", "1")
    with pytest.raises(ValueError, match="epochs"):
        run(*train_words, "--epochs", 0)


def test_a_head_that_configures_another_kind_is_refused(refused, train_words, install_plugin):
    install_plugin(
        "mine",
        """
        import polyhead as ph
        from polyhead.heads import ClassificationHead

        class Mine(ClassificationHead):
            kind = "mine"

            class Config(ClassificationHead.Config):
                pass

        @ph.hookimpl
        def polyhead_register_heads(register):
            register(Mine)
        """,
    )
    message = refused(*train_words, "--head", "mine")
    assert message.startswith("Mine.configure returned a ClassificationHeadConfig and must return")
