"""A head and an adapter from wheels: trained, saved, and loaded elsewhere with and without them."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from polyhead.distilbert import DistilBertModel
from polyhead.encoder import DistilBertConfig

TEXTS = ("the day is good", "the dog on the mat", "bad")
WORDS = ("the", "a", "cat", "dog", "on", "mat", "day", "is", "bad", "fair", "good")


class Saved(NamedTuple):
    """What was made where the plugins are installed."""

    folder: Path
    answers: list[dict[str, dict[str, object]]]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    vocabulary = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    sizes = {"n_layers": 2, "n_heads": 4, "dim": 32, "hidden_dim": 48, "initializer_range": 0.2}
    config = DistilBertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes)
    DistilBertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    records = [
        {"text": f"the {animal} is {word}", "rating": rating, "label": word}
        for animal in ("cat", "dog", "day", "mat")
        for rating, word in enumerate(("bad", "fair", "good"), start=1)
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plugins(wheels_of, new_plugin) -> list[Path]:
    return wheels_of(new_plugin("star-rating"), new_plugin("low-rank", "--kind", "adapter"))


COMPLETE = """
import json, sys
import torch
import polyhead as ph

backbone, folder, *texts = sys.argv[1:]
torch.manual_seed(0)
model = ph.DistilBertModelWithHeads.from_pretrained(backbone)
for name, adapter in (("plain", "seq_bn"), ("low", "low_rank_large")):
    model.add_task(name, head=ph.ClassificationHeadConfig(labels=("no", "yes")), adapter=adapter)
    model.save_task(name, f"{folder}/{name}")
model.load_task(f"{folder}/stars")
answers = model.predict(texts, task=["stars", "plain", "low"])
print(json.dumps([{task: one.model_dump() for task, one in row.items()} for row in answers]))
"""
ASK = """
import json, sys
import polyhead as ph

backbone, folder, *texts = sys.argv[1:]
model = ph.DistilBertModelWithHeads.from_pretrained(backbone)
refused = {}
for task in ("stars", "plain", "low"):
    try:
        model.load_task(f"{folder}/{task}")
    except ph.PolyheadError as error:
        refused[task] = str(error)
answers = model.predict(texts, task=list(model.tasks))
answers = [{task: one.model_dump() for task, one in row.items()} for row in answers]
print(json.dumps([refused, answers]))
"""


@pytest.fixture(scope="module")
def saved(make_environment, plugins, backbone, data, tmp_path_factory) -> Saved:
    """Three tasks: of the plugins' head and adapter, of neither, of the adapter alone."""
    environment = make_environment(*plugins)
    folder = tmp_path_factory.mktemp("tasks")
    done = environment.polyhead(
        *("train", "--task", "stars", "--head", "star_rating", "--adapter", "low_rank[size=4]"),
        *("--data", data, "--eval", data, "--backbone", backbone, "--output", folder / "stars"),
        *("--epochs", 3, "--lr", 0.02, "--batch-size", 4, "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["mae"] < 1
    return Saved(folder, environment.python(COMPLETE, backbone, folder, *TEXTS))


def test_answers_are_identical_in_another_environment(saved, make_environment, plugins):
    assert [set(answer) for answer in saved.answers] == [{"stars", "plain", "low"}] * len(TEXTS)
    assert all(1 <= answer["stars"]["rating"] <= 3 for answer in saved.answers)
    tasks = [word for task in saved.answers[0] for word in ("--task", saved.folder / task)]
    done = make_environment(*plugins).polyhead("predict", "--json", *tasks, *TEXTS)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line)["predictions"] for line in done.stdout.splitlines()]
    assert lines == saved.answers


def test_without_the_plugin_others_work_and_the_error_says_what_to_install(
    saved, make_environment, plugins, backbone
):
    environment = make_environment(*plugins)
    environment.pip("uninstall", "--yes", "star-rating")
    refused, answers = environment.python(ASK, backbone, saved.folder, *TEXTS)
    assert set(refused) == {"stars"}
    assert "head kind 'star_rating'" in refused["stars"]
    assert "star-rating 0.1.0" in refused["stars"]
    assert "pip install 'star-rating==0.1.0'" in refused["stars"]
    kept = [{task: answer[task] for task in ("plain", "low")} for answer in saved.answers]
    assert answers == kept
