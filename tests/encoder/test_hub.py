"""Checkpoints from the hub, by a server on this machine that answers as the hub does."""

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from safetensors.torch import load, save

from polyhead.encoder import HubOptions, download_checkpoint, load_encoder
from polyhead.errors import CheckpointError, DownloadError
from polyhead.model import DistilBertModelWithHeads

REPOSITORY = "someone/tiny"


@dataclass
class Hub:
    """Repositories, and how the server that offers them behaves.

    Attributes:
        commits: For each repository its commits: for each the files by name.
        refs: For each repository its branches and tags: for each the commit.
        requests: What it was asked for.
        fault: "" or what it does in place of answering: "drop", "empty", "500", "gated".
        faulty: The files in whose place it does so.
    """

    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    fault: str = ""
    faulty: str = ""

    def push(self, files: dict[str, bytes], branch: str = "main", repo: str = REPOSITORY) -> str:
        """Adds a commit to a branch, and returns its hash."""
        content = repr(sorted(files.items())).encode()
        commit = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self.commits.setdefault(repo, {})[commit] = files
        self.refs.setdefault(repo, {})[branch] = commit
        return commit


class Handler(BaseHTTPRequestHandler):
    """Answers /{owner}/{name}/resolve/{revision}/{file}."""

    server: "Server"

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        hub = self.server.hub
        owner, name, _, revision, file = self.path.removeprefix("/").split("/", 4)
        repo = f"{owner}/{name}"
        hub.requests.append(f"{self.command} {revision} {file}")
        if hub.fault and file == hub.faulty and self.misbehave(hub.fault):
            return None
        if repo not in hub.commits:
            return self.refuse(401, "RepoNotFound")
        commit = hub.refs[repo].get(revision, revision)
        if commit not in hub.commits[repo]:
            return self.refuse(404, "RevisionNotFound")
        if file not in hub.commits[repo][commit]:
            return self.refuse(404, "EntryNotFound", commit)
        content = hub.commits[repo][commit][file]
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body and not (hub.fault == "empty" and file == hub.faulty):
            self.wfile.write(content)
        return None

    def misbehave(self, fault: str) -> bool:
        """Whether that was all."""
        match fault:
            case "drop":
                self.close_connection = True
            case "500":
                self.refuse(500, "")
            case "gated":
                self.refuse(403, "GatedRepo")
        return fault != "empty"

    def refuse(self, status: int, code: str, commit: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    hub: Hub

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.hub = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.stop()
    thread.join()
    close_session()


@pytest.fixture
def hub(server) -> Hub:
    return server.hub


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses that the hub's client would have made between attempts."""
    pauses: list[float] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", pauses.append)
    return pauses


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def files(save_distilbert, tiny_vocabulary) -> dict[str, bytes]:
    """What a repository holds: config, weights, and no tokenizer but a vocabulary."""
    _, folder = save_distilbert(vocab_size=len(tiny_vocabulary))
    (folder / "vocab.txt").write_text("\n".join(tiny_vocabulary))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def load_model(cache: Path, **options: object) -> DistilBertModelWithHeads:
    return DistilBertModelWithHeads.from_pretrained(REPOSITORY, cache_dir=cache, **options)


def as_bin(files: dict[str, bytes]) -> dict[str, bytes]:
    buffer = io.BytesIO()
    torch.save(load(files.pop("model.safetensors")), buffer)
    return {**files, "pytorch_model.bin": buffer.getvalue()}


def as_shards(files: dict[str, bytes]) -> dict[str, bytes]:
    weights = load(files.pop("model.safetensors"))
    names = sorted(weights)
    shards = {"model-1.safetensors": names[:5], "model-2.safetensors": names[5:]}
    for shard, held in shards.items():
        files[shard] = save({name: weights[name] for name in held})
    index = {name: shard for shard, held in shards.items() for name in held}
    files["model.safetensors.index.json"] = json.dumps({"weight_map": index}).encode()
    return files


def refusal(cache: Path, **options: object) -> str:
    with pytest.raises(DownloadError) as caught:
        load_model(cache, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert REPOSITORY in message
    return message


def test_the_default_branch_is_downloaded(hub, cache, files):
    commit = hub.push(files)
    model = load_model(cache)
    assert model.backbone.name == REPOSITORY
    assert model.tokenizer is not None
    folder = download_checkpoint(REPOSITORY, HubOptions(cache_dir=cache))
    assert folder.name == commit
    assert (folder / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert load_encoder(folder).fingerprint() == model.backbone.fingerprint


@pytest.mark.parametrize("by", ["branch", "commit"])
def test_a_named_revision_is_downloaded(hub, cache, files, by):
    commit = hub.push(files, branch="v1")
    config = files["config.json"].replace(b'"gelu"', b'"relu"')
    hub.push({**files, "config.json": config})
    old = load_model(cache, revision="v1" if by == "branch" else commit)
    assert old.encoder.config.activation == "gelu"
    assert load_model(cache).encoder.config.activation == "relu"


def test_all_files_come_from_one_commit_though_the_branch_moves(hub, cache, files):
    commit = hub.push(files)
    load_model(cache)
    asked = [request.split() for request in hub.requests]
    assert {(revision, file) for _, revision, file in asked if revision == "main"} == {
        ("main", "config.json")
    }
    assert {revision for _, revision, file in asked if file != "config.json"} == {commit}


def test_only_what_is_needed_is_downloaded(hub, cache, files):
    hub.push({**files, "pytorch_model.bin": b"old", "tf_model.h5": b"other", "onnx.bin": b"other"})
    load_model(cache)
    fetched = {request.split()[2] for request in hub.requests if request.startswith("GET")}
    assert fetched == {"config.json", "model.safetensors", "vocab.txt"}


@pytest.mark.parametrize("form", [as_bin, as_shards])
def test_other_forms_of_weights_are_downloaded(hub, cache, files, form):
    hub.push(files)
    known = load_model(cache).backbone.fingerprint
    hub.push(form(dict(files)))
    assert load_model(cache).backbone.fingerprint == known
    gets = [request for request in hub.requests if request.startswith("GET")]
    assert len(gets) == len(set(gets))


@pytest.mark.parametrize("form", [None, as_bin, as_shards])
def test_the_cache_serves_when_the_hub_is_gone(server, cache, files, pauses, form):
    server.hub.push(files if form is None else form(dict(files)))
    known = load_model(cache).backbone.fingerprint
    server.stop()
    assert load_model(cache).backbone.fingerprint == known
    assert pauses == []  # nothing that the cache knows of is asked for again


def test_a_cached_checkpoint_is_loaded_with_one_request(hub, cache, files):
    hub.push(files)
    load_model(cache)
    hub.requests.clear()
    load_model(cache)
    assert hub.requests == ["HEAD main config.json"]


@pytest.mark.parametrize("form", [None, as_bin, as_shards])
@pytest.mark.parametrize("flag", ["argument", "environment"])
def test_offline_uses_the_cache_and_asks_nobody(hub, cache, files, monkeypatch, *, form, flag):
    hub.push(files if form is None else form(dict(files)))
    known = load_model(cache).backbone.fingerprint
    hub.requests.clear()
    if flag == "environment":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = load_model(cache, local_files_only=flag == "argument")
    assert model.backbone.fingerprint == known
    assert hub.requests == []


@pytest.mark.parametrize("flag", ["argument", "environment"])
def test_offline_without_cache_is_refused(hub, cache, files, monkeypatch, flag):
    hub.push(files)
    if flag == "environment":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = refusal(cache, local_files_only=flag == "argument")
    assert "is not in the cache and the hub may not be asked (offline)" in message
    assert hub.requests == []


@pytest.mark.parametrize("lost", ["model.safetensors", "model-2.safetensors"])
def test_offline_with_half_a_cache_says_so(hub, cache, files, lost):
    hub.push(files if lost == "model.safetensors" else as_shards(dict(files)))
    folder = download_checkpoint(REPOSITORY, HubOptions(cache_dir=cache))
    (folder / lost).unlink()
    message = refusal(cache, local_files_only=True)
    assert message.startswith("what the cache holds of")
    assert "offline" in message


def test_a_missing_repository_is_refused(hub, cache):
    assert "the hub has no repository" in refusal(cache)


def test_a_gated_repository_is_refused(hub, cache, files):
    hub.push(files)
    hub.fault, hub.faulty = "gated", "config.json"
    assert "needs a token" in refusal(cache)


def test_a_missing_revision_is_refused(hub, cache, files):
    hub.push(files)
    assert "has no revision 'v9'" in refusal(cache, revision="v9")


def test_a_repository_without_config_is_refused(hub, cache, files):
    del files["config.json"]
    hub.push(files)
    assert "has no config.json" in refusal(cache)


def test_a_repository_without_weights_is_refused(hub, cache, files):
    del files["model.safetensors"]
    hub.push(files)
    assert "neither model.safetensors nor pytorch_model.bin" in refusal(cache)


def test_a_missing_shard_is_refused(hub, cache, files):
    files = as_shards(files)
    del files["model-2.safetensors"]
    hub.push(files)
    assert "lists model-2.safetensors and lacks it" in refusal(cache)


def test_an_unreachable_hub_is_reported(server, cache, pauses):
    server.stop()
    assert "the hub cannot be reached and config.json" in refusal(cache)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt"])
@pytest.mark.parametrize("fault", ["drop", "empty", "500"])
def test_a_hub_that_fails_midway_is_reported(hub, cache, files, pauses, *, fault, file):
    hub.push(files)
    hub.fault, hub.faulty = fault, file
    refusal(cache)
    hub.fault = ""
    assert load_model(cache).tokenizer is not None


@pytest.mark.parametrize("name", ["a/b c", "-/x", "a/--b", "a/" + "b" * 100])
def test_an_impossible_repository_name_is_refused(server, cache, name):
    with pytest.raises(DownloadError) as caught:
        DistilBertModelWithHeads.from_pretrained(name, cache_dir=cache)
    assert "\n" not in str(caught.value)
    assert server.hub.requests == []


def test_a_checkpoint_of_another_architecture_is_refused_as_such(hub, cache, files):
    hub.push({**files, "config.json": b'{"model_type": "gpt2"}'})
    with pytest.raises(CheckpointError, match="'gpt2'"):
        load_model(cache)
