"""A model with tasks, saved ones to push, and the files of a folder to compare."""

from collections.abc import Callable
from pathlib import Path

import pytest

from polyhead.errors import PolyheadError
from polyhead.model import DistilBertModelWithHeads


@pytest.fixture
def model(make_model, two_labels, three_labels, shake) -> DistilBertModelWithHeads:
    """With the tasks "mood", and "topic" without an adapter, and an adapter and a head alone."""
    model = make_model()
    model.backbone = model.backbone.model_copy(update={"name": "someone/tiny"})
    model.add_task("mood", head=two_labels, adapter="seq_bn[reduction_factor=4]")
    model.add_task("topic", head=three_labels, adapter=None)
    model.add_adapter("legal", "double_seq_bn[reduction_factor=4]")
    model.add_head("tone", two_labels, adapter=None)
    for part in (*model.adapters.values(), *model.heads.values()):
        shake(part)
    model.eval()
    return model


@pytest.fixture
def mood(model, tmp_path) -> Path:
    """The folder of the saved task "mood"."""
    training = {"data": {"eval": {"file": "dev.jsonl", "sha256": "ab" * 32}}, "best_epoch": 2}
    model.save_task("mood", tmp_path / "mood", metrics={"accuracy": 0.875}, training=training)
    return tmp_path / "mood"


@pytest.fixture
def both(model, tmp_path) -> Path:
    """A folder with both saved tasks."""
    for name in ("mood", "topic"):
        model.save_task(name, tmp_path / "tasks" / name)
    return tmp_path / "tasks"


@pytest.fixture
def files_of() -> Callable[[Path], dict[str, bytes]]:
    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Calls what must be refused, and returns the one sentence that says why."""

    def call(function: Callable[..., object], *args: object, **options: object) -> str:
        with pytest.raises(PolyheadError) as caught:
            function(*args, **options)
        message = str(caught.value)
        assert "\n" not in message
        assert "hf_of" not in message  # no token
        return message

    return call
