"""The page about the hub: what it shows works, in its order, against a hub on this machine."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from polyhead.cli.app import app
from polyhead.hub import layout
from polyhead.model import DistilBertModelWithHeads

# of the hub's client, to itself
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

PAGE = (Path(__file__).parents[2] / "docs" / "hub.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def lora_of_peft() -> dict[str, bytes]:
    key = "base_model.model.distilbert.transformer.layer.0.attention.q_lin"
    tensors = {
        f"{key}.lora_A.weight": torch.ones(2, 32),
        f"{key}.lora_B.weight": torch.ones(32, 2),
    }
    config = {
        "peft_type": "LORA",
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["q_lin"],
        "layers_to_transform": [0],
    }
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": save(tensors),
    }


@pytest.fixture
def place(fake_hub, make_model, two_labels, tmp_path, monkeypatch):
    """A folder with a task, a tiny encoder in place of every other, and a repository of PEFT."""

    def tiny(cls: type, name: str, **options: object) -> DistilBertModelWithHeads:
        return make_model().eval()

    monkeypatch.setattr(DistilBertModelWithHeads, "from_pretrained", classmethod(tiny))
    model = make_model()
    model.add_task("sentiment", head=two_labels)
    model.save_task("sentiment", tmp_path / "tasks" / "sentiment", metrics={"accuracy": 0.5})
    fake_hub.add_repo("someone/lora-of-peft", lora_of_peft())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_the_page_shows_works(place, fake_hub):
    for language, text in FENCE.findall(PAGE):
        if language == "python":
            exec(compile(text, "hub.md", "exec"), {})  # noqa: S102 - our own document
        for line in text.splitlines() if language == "sh" else ():
            result = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
            assert result.exit_code == 0, f"{line}\n{result.output}"
    assert fake_hub.repos["models", "me/polyhead-secret"].private
    assert (place / "pulled" / "tasks" / "newer" / "task.json").is_file()
    assert 'license: "mit"' in fake_hub.files("me/polyhead-copy")["README.md"].decode()


def test_the_commands_of_a_card_work(place, fake_hub):
    for folder, repo in (("tasks/sentiment", "me/one"), ("tasks", "me/all")):
        assert CliRunner().invoke(app, ["push", folder, repo]).exit_code == 0
    for repo in ("me/one", "me/all"):
        card = fake_hub.files(repo)["README.md"].decode()
        workplace = place / repo
        workplace.mkdir(parents=True)
        [text] = [text for language, text in FENCE.findall(card) if language == "sh"]
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(workplace)
            for line in text.splitlines():
                result = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
                assert result.exit_code == 0, f"{line}\n{result.output}"


def test_the_page_names_the_bounds_that_hold():
    limits = layout.TASK_LIMITS
    assert limits["task.json"] == 1024**2
    assert limits["head.safetensors"] == limits["adapter.safetensors"] == 1024**3
    assert "at most 1 MiB; a file of weights has at most 1 GiB" in PAGE
