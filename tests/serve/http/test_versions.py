"""Tasks that are replaced and rolled back while they are served."""

import shutil

import pytest
import torch

from polyhead.heads import ClassificationHeadConfig
from polyhead.serve.store import TaskStore
from polyhead.testing import tiny_model

HEAD = ClassificationHeadConfig(labels=("bad", "good"))
KEY = {"X-API-Key": "boss"}
ASK = {"task": "mood", "inputs": ["a text"]}


@pytest.fixture
def folder(saved, tmp_path):
    shutil.copytree(saved / "mood", tmp_path / "tasks" / "mood")
    return tmp_path / "tasks"


@pytest.fixture
def store(model, folder):
    with TaskStore(model, folder) as made:
        made.calls, made.slow = [], {}
        yield made


def publish(folder, seed):
    """Another version of the task, put in the place of the first."""
    other = tiny_model()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        other.add_task("mood", head=HEAD)
    shutil.rmtree(folder / "mood")
    other.save_task("mood", folder / "mood")


def answered(server):
    reply = server.post("/v1/predict", ASK)
    assert reply.status_code == 200, reply.text
    [row] = reply.json()["results"]
    return reply.json()["tasks"]["mood"]["version"], row["answers"]["mood"]["score"]


def test_a_new_version_answers_and_the_old_one_can_be_gone_back_to(make_server, folder):
    server = make_server(admin_keys=["boss"])
    first = answered(server)
    publish(folder, seed=7)
    assert server.post("/v1/admin/refresh", headers=KEY).json() == {"tasks": ["mood"]}
    assert server.post("/v1/admin/tasks/mood/load", headers=KEY).status_code == 200
    second = answered(server)
    assert second[0] != first[0]
    assert second[1] != pytest.approx(first[1], abs=1e-6)

    about = server.post("/v1/admin/tasks/mood/rollback", headers=KEY).json()
    assert about["version"] == first[0]
    assert answered(server) == (first[0], pytest.approx(first[1], abs=1e-6))
    assert server.get("/v2/models/mood").json()["versions"] == [second[0], first[0]]

    server.post("/v1/admin/tasks/mood/rollback", {"version": second[0]}, headers=KEY)
    assert answered(server) == (second[0], pytest.approx(second[1], abs=1e-6))
