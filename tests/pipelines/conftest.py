"""Tiny checkpoints of random weights, as transformers saves them, and both sides' pipelines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import polyhead

POSITIONS = 40
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


@pytest.fixture(scope="session")
def transformers():
    module = pytest.importorskip("transformers")
    module.utils.logging.disable_progress_bar()
    return module


@pytest.fixture(scope="session")
def make_checkpoint(transformers, tiny_vocabulary, tmp_path_factory) -> Callable[..., Path]:
    """Writes a checkpoint of a class of transformers, with its tokenizer, once for each request."""
    made: dict[str, Path] = {}

    def make(name: str, **fields: object) -> Path:
        key = json.dumps([name, fields], sort_keys=True)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(name)
            _write(transformers, made[key], name, tiny_vocabulary, fields)
        return made[key]

    return make


def _write(transformers, folder: Path, name: str, vocabulary: tuple[str, ...], fields) -> None:
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    max_length = fields.pop("model_max_length", POSITIONS)
    tokenizer = transformers.DistilBertTokenizer(str(vocab), model_max_length=max_length)
    config = transformers.DistilBertConfig(
        **{
            "vocab_size": len(vocabulary),
            "max_position_embeddings": POSITIONS,
            "dim": 32,
            "n_heads": 4,
            "hidden_dim": 48,
            "n_layers": 2,
            **fields,
        }
    )
    model = getattr(transformers, name)(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            is_norm = "norm" in weight_name.lower() and weight_name.endswith("weight")
            weight.normal_(1 if is_norm else 0, 0.2, generator=generator)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def tags() -> dict[str, object]:
    """Fields of a configuration that name the labels of tokens."""
    return {
        "id2label": dict(enumerate(TAGS)),
        "label2id": {tag: number for number, tag in enumerate(TAGS)},
    }


@pytest.fixture(scope="session")
def classifier(make_checkpoint) -> Path:
    """A checkpoint of three labels."""
    return make_checkpoint("DistilBertForSequenceClassification", num_labels=3)


@pytest.fixture(scope="session")
def tagger(make_checkpoint, tags) -> Path:
    """A checkpoint of five tags."""
    return make_checkpoint("DistilBertForTokenClassification", **tags)


@pytest.fixture(scope="session")
def masked_lm(make_checkpoint) -> Path:
    """A masked language model's checkpoint."""
    return make_checkpoint("DistilBertForMaskedLM")


@pytest.fixture(scope="session")
def encoder(make_checkpoint) -> Path:
    """A checkpoint without head."""
    return make_checkpoint("DistilBertModel")


@pytest.fixture(scope="session")
def reader() -> Path:
    """A question answering checkpoint, for which transformers' own answers are recorded."""
    return Path(__file__).parents[1] / "fixtures" / "pipelines" / "question_answering"


@pytest.fixture(scope="session")
def make_pair(transformers) -> Callable[..., tuple[object, object]]:
    """The pipelines of transformers and ours, on one checkpoint."""

    def make(task: str, folder: Path, **options: object) -> tuple[object, object]:
        theirs = transformers.pipeline(task, model=str(folder), device="cpu", **options)
        return theirs, polyhead.pipeline(task, model=folder, device="cpu", **options)

    return make


@pytest.fixture(scope="session")
def assert_same() -> Callable[[object, object], None]:
    """Compares results in shape and value; scores to 1e-5."""

    def check(ours: object, theirs: object) -> None:
        if isinstance(theirs, torch.Tensor):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
        elif isinstance(theirs, dict):
            assert isinstance(ours, dict)
            assert list(ours) == list(theirs)
            for key, value in theirs.items():
                check(ours[key], value)
        elif isinstance(theirs, list):
            assert isinstance(ours, list)
            assert len(ours) == len(theirs)
            for mine, other in zip(ours, theirs, strict=True):
                check(mine, other)
        elif hasattr(theirs, "dtype") or isinstance(theirs, float):  # also numpy's numbers
            assert isinstance(ours, float)
            assert ours == pytest.approx(float(theirs), abs=1e-5)
        else:
            assert type(ours) is type(theirs)
            assert ours == theirs

    return check
