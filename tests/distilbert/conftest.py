"""Tiny models of transformers whose weights leave no term at zero, and ours of their files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import polyhead

SIZES = {
    "vocab_size": 40,
    "max_position_embeddings": 24,
    "dim": 32,
    "n_heads": 4,
    "hidden_dim": 48,
    "n_layers": 2,
}

MASKS = {
    "none": None,
    "right": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]],
    "holes": [[1, 0, 1, 1, 0, 1, 1], [1, 1, 0, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0, 1]],
}


@pytest.fixture(scope="session")
def transformers():
    module = pytest.importorskip("transformers")
    module.utils.logging.disable_progress_bar()
    return module


@pytest.fixture(scope="session")
def sizes() -> dict[str, int]:
    return dict(SIZES)


@pytest.fixture(scope="session")
def make_theirs(transformers) -> Callable[..., nn.Module]:
    """Makes transformers' model of a class."""

    def make(name: str, **fields: object) -> nn.Module:
        config = transformers.DistilBertConfig(**{**SIZES, **fields})
        model = getattr(transformers, name)(config).eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight_name, weight in model.named_parameters():
                is_norm = "norm" in weight_name.lower() and weight_name.endswith("weight")
                weight.normal_(1 if is_norm else 0, 0.2, generator=generator)
        return model

    return make


@pytest.fixture
def make_pair(make_theirs, tmp_path) -> Callable[..., tuple[nn.Module, nn.Module]]:
    """Makes transformers' model of a class, and ours from its checkpoint."""

    def make(name: str, **fields: object) -> tuple[nn.Module, nn.Module]:
        theirs = make_theirs(name, **fields)
        folder = tmp_path / name
        theirs.save_pretrained(folder)
        return theirs, getattr(polyhead, name).from_pretrained(folder)

    return make


@pytest.fixture(scope="session", params=MASKS.values(), ids=MASKS)
def batch(request) -> dict[str, Tensor]:
    """Three rows of seven places; ids, and where there is one the mask."""
    ids = torch.randint(1, 40, (3, 7), generator=torch.Generator().manual_seed(2))
    if request.param is None:
        return {"input_ids": ids}
    return {"input_ids": ids, "attention_mask": torch.tensor(request.param)}


@pytest.fixture(scope="session")
def kept() -> Callable[[dict[str, Tensor]], Tensor]:
    """The places of a batch that hold a token."""

    def kept_of(batch: dict[str, Tensor]) -> Tensor:
        mask = batch.get("attention_mask")
        return torch.ones(3, 7, dtype=torch.bool) if mask is None else mask.bool()

    return kept_of


@pytest.fixture(scope="session")
def assert_same_parts(kept) -> Callable[..., None]:
    """Compares hidden states and attentions, where both have them, at the places that are kept."""

    def check(ours: object, theirs: object, batch: dict[str, Tensor]) -> None:
        is_kept = kept(batch)
        for name in ("hidden_states", "attentions"):
            found, expected = getattr(ours, name), getattr(theirs, name)
            assert (found is None) == (expected is None), name
            assert len(found or ()) == len(expected or ())
            both = is_kept
            if name == "attentions":
                both = (is_kept[:, :, None] & is_kept[:, None, :])[:, None].expand(3, 4, 7, 7)
            for mine, other in zip(found or (), expected or (), strict=True):
                torch.testing.assert_close(mine[both], other[both], atol=1e-5, rtol=0)
                assert not mine[~both].any()

    return check


@pytest.fixture(scope="session")
def rewrite() -> Callable[[Path, Callable[[dict[str, Tensor]], object]], Path]:
    """Changes a checkpoint's weights in place."""

    def changed(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
        path = folder / "model.safetensors"
        weights = {name: weight.clone() for name, weight in load_file(path).items()}
        change(weights)
        save_file(weights, path, metadata={"format": "pt"})
        return folder

    return changed
