"""What several folders of tests share: a tiny tokenizer and tiny models with random weights."""

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn
from torch.nn import functional

from polyhead.encoder import DistilBertConfig, Encoder
from polyhead.encoder import encoder as encoder_module
from polyhead.encoder.step_graphs import StepGraphs
from polyhead.heads import ClassificationHeadConfig
from polyhead.host import host
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.tokenizer import Tokenizer

# tiny tensors: threads would only wait for one another
torch.set_num_threads(1)

# the first example of a test warms torch up: its time says nothing
settings.register_profile("polyhead", deadline=None, derandomize=True, database=None)
settings.load_profile("polyhead")

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "cat", "dog", "sat", "ran", "on", "mat", "good", "bad", "day", "red", "blue", "is")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'"


@pytest.fixture(scope="session")
def tiny_vocabulary() -> tuple[str, ...]:
    """Some words, and all letters, so that no Latin word is unknown."""
    return (*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS))


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_vocabulary, tmp_path_factory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("vocabulary")
    (folder / "vocab.txt").write_text("\n".join(tiny_vocabulary) + "\n", encoding="utf-8")
    return Tokenizer.from_folder(folder)


@pytest.fixture(scope="session")
def make_model(tiny_tokenizer) -> Callable[..., DistilBertModelWithHeads]:
    """Makes a model with a tiny encoder; the seed decides its weights, fields change its config."""

    def make(seed: int = 0, **fields: object) -> DistilBertModelWithHeads:
        sizes = {
            "vocab_size": tiny_tokenizer.vocab_size,
            "max_position_embeddings": 128,
            "n_layers": 3,
            "n_heads": 4,
            "dim": 32,
            "hidden_dim": 48,
            "initializer_range": 0.2,
        }
        torch.manual_seed(seed)
        config = DistilBertConfig.model_validate({**sizes, **fields})
        return DistilBertModelWithHeads.from_config(config, tiny_tokenizer)

    return make


@pytest.fixture
def tiny_model(make_model) -> DistilBertModelWithHeads:
    return make_model()


@pytest.fixture(scope="session")
def shake() -> Callable[..., nn.Module]:
    """Replaces every weight of a module: fresh adapters may change nothing, fresh biases are 0."""

    def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in module.parameters():
                weight.normal_(0, 0.2, generator=generator)
        return module

    return shaken


@pytest.fixture(scope="session")
def two_labels() -> ClassificationHeadConfig:
    return ClassificationHeadConfig(labels=("bad", "good"))


@pytest.fixture(scope="session")
def three_labels() -> ClassificationHeadConfig:
    return ClassificationHeadConfig(labels=("blue", "green", "red"), layers=1, pooling="mean")


class Recorder:
    """What a CUDA graph does, on the CPU: it writes to the same memory each time.

    Attributes:
        runs: How many functions were recorded.
        replays: How often any of them was started again.
    """

    def __init__(self) -> None:
        self.runs = self.replays = 0

    def __call__(
        self, compute: Callable[..., Any], inputs: tuple[Tensor, ...]
    ) -> Callable[[], Any]:
        self.runs += 1
        outputs = compute(*inputs)

        def replay() -> Any:
            self.replays += 1
            for own, made in zip(outputs, compute(*inputs), strict=True):
                own.copy_(made)
            return outputs

        return replay


def row_by_row(query: Tensor, key: Tensor, value: Tensor, starts: Tensor, *others: Any) -> Tensor:
    """What torch's varlen kernel computes; NaN for tokens of no row, where it computes nothing."""
    key_starts, longest, longest_key = others
    assert starts.dtype is torch.int32
    assert torch.equal(starts, key_starts)
    assert longest == longest_key >= int(starts.diff().max())
    found = torch.full_like(query, torch.nan)
    for start, stop in pairwise(starts.tolist()):
        row = [part[start:stop].transpose(0, 1) for part in (query, key, value)]
        found[start:stop] = functional.scaled_dot_product_attention(*row).transpose(0, 1)
    return found


@pytest.fixture
def replay_steps(monkeypatch) -> Callable[..., Recorder]:
    """Lets an encoder compute on the CPU as with CUDA graphs."""
    monkeypatch.setattr(encoder_module, "fitting_kernel", lambda *_: row_by_row)
    monkeypatch.setattr(encoder_module, "_can_replay", lambda _: not torch.is_grad_enabled())

    def start(encoder: Encoder, max_buckets: int = 8, max_tokens: int = 256) -> Recorder:
        recorder = Recorder()
        encoder._graphs = StepGraphs(max_buckets, max_tokens, lambda _: lambda: recorder)
        return recorder

    return start


@pytest.fixture
def install_plugin(tmp_path, monkeypatch) -> Iterator[Callable[..., Path]]:
    """Installs a distribution with one entry point, as pip would leave it on disk.

    The process's own host and registry start afresh before and after the test.
    """
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("POLYHEAD_DISABLE_PLUGINS", raising=False)
    modules = []

    def make(
        name: str,
        source: str,
        *,
        version: str = "1.0",
        target: str | None = None,
        entry_point: str = "main",
        requires: Sequence[str] = (),
    ) -> Path:
        module = name.replace("-", "_") + "_plugin"
        modules.append(module)
        (folder / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[polyhead]\n{entry_point} = {target or module}\n")
        importlib.invalidate_caches()
        return info

    for cached in (host, registry):
        cached.cache_clear()
    yield make
    for cached in (host, registry):
        cached.cache_clear()
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def fake_hub(monkeypatch, tmp_path) -> Iterator[Any]:
    """A hub on this machine, tests/hub/fake_hub.py, which the hub's client asks as its owner."""
    from huggingface_hub import constants  # noqa: PLC0415
    from huggingface_hub.utils import close_session  # noqa: PLC0415

    spec = spec_from_file_location("fake_hub", Path(__file__).parent / "hub" / "fake_hub.py")
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fake_hub", module)
    spec.loader.exec_module(module)
    with module.running() as hub:
        for name, value in {
            "ENDPOINT": hub.endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint
            + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
            "HF_TOKEN_PATH": str(tmp_path / "no-token"),
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": False,
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DISABLE_TELEMETRY": True,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", module.OWNER_TOKEN)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
        yield hub
    close_session()
