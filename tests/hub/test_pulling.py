"""Pulling: only known files, of bounded size, whole and undamaged, or nothing at all."""

import errno
import json
import os

import pytest
from huggingface_hub import constants

from polyhead import hub
from polyhead.hub import layout

# of the hub's client, to itself
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def on_hub(fake_hub, mood, files_of):
    """The task "mood" in the repository "me/mood"."""
    hub.push(mood, "me/mood")
    fake_hub.requests.clear()
    return fake_hub


@pytest.fixture
def untouched(tmp_path, files_of):
    """Asserts that nothing came to the folder where things are pulled to."""
    yield
    assert not (tmp_path / "in").exists()
    assert not list(tmp_path.glob(".in*"))


def test_only_known_files_are_fetched(on_hub, tmp_path, files_of):
    repo = on_hub.repos["models", "me/mood"]
    repo.add({**on_hub.files("me/mood"), "run.py": b"evil", "sub/task.json": b"{}", "x.bin": b"a"})
    hub.pull("me/mood", tmp_path / "in")
    own = {"task.json", "head.safetensors", "adapter.safetensors", "README.md"}
    assert set(files_of(tmp_path / "in")) == own
    assert not on_hub.asked("run.py|sub|x.bin|gitattributes")


def test_without_a_folder_it_lies_in_the_cache(on_hub, tmp_path):
    folder = hub.pull("me/mood", cache_dir=tmp_path / "cache")
    assert (tmp_path / "cache") in folder.parents
    assert (folder / "task.json").is_file()


def test_a_model_loads_it_by_its_address(on_hub, make_model):
    model = make_model()
    assert model.load_task("hub:me/mood", name="other") == "other"
    assert model.load_head("hub:me/mood", adapter=None) == "mood"
    assert model.load_adapter("hub:me/mood") == "mood"


@pytest.mark.parametrize("by", ["branch", "commit"])
def test_a_revision_is_pulled(on_hub, model, tmp_path, by):
    old = on_hub.files("me/mood")["task.json"]
    repo = on_hub.repos["models", "me/mood"]
    repo.branches["v1"] = [repo.branches["main"][-1]]
    model.push_task("mood", "me/mood", metrics={"accuracy": 0.1})
    revision = "v1" if by == "branch" else repo.branches["v1"][-1]
    hub.pull("me/mood", tmp_path / "old", revision=revision)
    hub.pull("me/mood", tmp_path / "new")
    assert (tmp_path / "old" / "task.json").read_bytes() == old
    assert (tmp_path / "new" / "task.json").read_bytes() != old


@pytest.mark.parametrize("flag", ["argument", "environment"])
def test_offline_takes_the_cache_and_asks_nobody(on_hub, tmp_path, monkeypatch, refusal, flag):
    if flag == "environment":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    offline = flag == "argument"
    told = refusal(hub.pull, "me/mood", tmp_path / "in", local_files_only=offline)
    assert "is not in the cache and the hub may not be asked (offline)" in told
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    first = hub.pull("me/mood", tmp_path / "first")
    on_hub.requests.clear()
    if flag == "environment":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    second = hub.pull("me/mood", tmp_path / "second", local_files_only=offline)
    assert on_hub.requests == []
    assert (first / "head.safetensors").read_bytes() == (second / "head.safetensors").read_bytes()


def test_a_hub_that_is_gone_leaves_the_cache(on_hub, tmp_path, monkeypatch, refusal):
    hub.pull("me/mood", tmp_path / "first")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert hub.pull("me/mood", tmp_path / "second").is_dir()
    told = refusal(hub.pull, "me/other", tmp_path / "in")
    assert "the hub (http://127.0.0.1:9) does not answer; check the connection" in told


def test_what_is_there_is_replaced_only_when_asked(on_hub, tmp_path, refusal):
    hub.pull("me/mood", tmp_path / "out")
    assert "exists" in refusal(hub.pull, "me/mood", tmp_path / "out")
    on_hub.requests.clear()
    hub.pull("me/mood", tmp_path / "out", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    told = refusal(hub.pull, "me/mood", tmp_path / "mine", overwrite=True)
    assert "holds no" in told
    assert (tmp_path / "mine" / "a.txt").read_text() == "mine"


def test_a_damaged_cache_is_told_and_fetched_anew(on_hub, tmp_path, refusal):
    cached = hub.pull("me/mood")
    path = (cached / "head.safetensors").resolve()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told = refusal(hub.pull, "me/mood", tmp_path / "in")
    assert "came with another digest than the hub names" in told
    assert "--fresh" in told
    assert not (tmp_path / "in").exists()
    hub.pull("me/mood", tmp_path / "in", fresh=True)
    assert (tmp_path / "in" / "head.safetensors").read_bytes() == content


@pytest.mark.parametrize("file", ["task.json", "head.safetensors", "README.md"])
@pytest.mark.parametrize("fault", ["drop", "truncate", "corrupt", 500, 404])
def test_a_download_that_fails_leaves_nothing_half(on_hub, tmp_path, refusal, fault, file):
    on_hub.fail(f"GET .*{file}", fault)
    refusal(hub.pull, "me/mood", tmp_path / "in")
    assert not (tmp_path / "in").exists()
    on_hub.faults.clear()
    hub.pull("me/mood", tmp_path / "in", fresh=fault == "corrupt")


def test_a_full_disk_is_reported_and_leaves_nothing(on_hub, tmp_path, monkeypatch, refusal):
    hub.pull("me/mood")

    def full(descriptor, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        assert "No space left on device" in refusal(hub.pull, "me/mood", tmp_path / "in")
    assert not (tmp_path / "in").exists()
    assert not list(tmp_path.glob(".in*"))


def test_a_disk_that_is_full_in_the_cache_is_reported(on_hub, tmp_path, monkeypatch, refusal):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "cache"))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    told = refusal(hub.pull, "me/mood", tmp_path / "in")
    assert "no space left on device" in told
    assert "nothing was changed" in told


def changed(fake_hub, **files):
    """Puts other contents into the repository "me/mood"."""
    held = fake_hub.files("me/mood")
    names = {name.replace("_", "."): content for name, content in files.items()}
    fake_hub.add_repo("me/mood", {**held, **names})


def with_task(fake_hub, **fields):
    task = json.loads(fake_hub.files("me/mood")["task.json"])
    changed(fake_hub, task_json=json.dumps({**task, **fields}).encode())


@pytest.mark.parametrize("name", ["../mood", "a.b", "", "x" * 65, "м\u043eod", "a/b", "mood\n"])
@pytest.mark.usefixtures("untouched")
def test_a_task_with_tricks_in_its_name_is_refused(on_hub, tmp_path, refusal, name):
    with_task(on_hub, name=name)
    assert "cannot name a task" in refusal(hub.pull, "me/mood", tmp_path / "in")
    assert not on_hub.asked("GET .*safetensors")


@pytest.mark.parametrize("name", ["../../x", "a/b", "/etc/x", "..", "x" * 65])
@pytest.mark.usefixtures("untouched")
def test_adapters_with_tricks_in_their_names_are_refused(on_hub, tmp_path, refusal, name):
    info = json.loads(on_hub.files("me/mood")["task.json"])["adapter"]
    with_task(on_hub, adapter=None, setup="Stack('a', 'b')", adapters={name: info})
    refusal(hub.pull, "me/mood", tmp_path / "in")
    assert not on_hub.asked("GET .*safetensors")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is not JSON"),
        (b"[]", "is not understood"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"format": 99, "polyhead": "9.0"}', "Upgrade polyhead"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_manifest_that_is_none_is_refused(on_hub, tmp_path, refusal, content, told):
    changed(on_hub, task_json=content)
    assert told in refusal(hub.pull, "me/mood", tmp_path / "in")


@pytest.mark.usefixtures("untouched")
def test_weights_of_another_size_are_not_even_fetched(on_hub, tmp_path, refusal):
    changed(on_hub, head_safetensors=b"x" * 1000)
    told = refusal(hub.pull, "me/mood", tmp_path / "in")
    assert "has 1000 bytes, and task.json says" in told
    assert not on_hub.asked("GET .*safetensors")


@pytest.mark.usefixtures("untouched")
def test_weights_of_another_digest_are_refused(on_hub, tmp_path, refusal):
    content = on_hub.files("me/mood")["head.safetensors"]
    changed(on_hub, head_safetensors=content[:-1] + bytes([content[-1] ^ 1]))
    told = refusal(hub.pull, "me/mood", tmp_path / "in")
    assert "is not the file this task was saved with" in told


@pytest.mark.usefixtures("untouched")
def test_a_task_without_its_weights_is_refused(on_hub, tmp_path, refusal):
    held = on_hub.files("me/mood")
    del held["adapter.safetensors"]
    on_hub.add_repo("me/mood", held)
    told = refusal(hub.pull, "me/mood", tmp_path / "in")
    assert told == "me/mood/adapter.safetensors is missing, and task.json names it."


@pytest.mark.usefixtures("untouched")
def test_a_file_beyond_its_bound_is_not_fetched(on_hub, tmp_path, refusal, monkeypatch):
    monkeypatch.setitem(layout.TASK_LIMITS, "README.md", 10)
    told = refusal(hub.pull, "me/mood", tmp_path / "in")
    assert "such a file has at most 10; it is not fetched" in told
    assert not on_hub.asked("GET .*README")


@pytest.mark.usefixtures("untouched")
def test_a_lone_file_that_is_no_part_is_refused(fake_hub, model, tmp_path, refusal):
    adapter = model.save_adapter("legal", tmp_path / "a").read_bytes()
    fake_hub.add_repo("me/a", {"head.safetensors": adapter})
    assert "was saved as 'adapter', not as 'head'" in refusal(hub.pull, "me/a", tmp_path / "in")
    fake_hub.add_repo("me/b", {"head.safetensors": b"junk"})
    assert "is damaged or is not a" in refusal(hub.pull, "me/b", tmp_path / "in")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["config.json", "pytorch_model.bin"], "is a whole model, not a task, adapter or head"),
        (["notes.txt"], "holds no task, adapter or head of polyhead."),
        (["a/notes.txt"], "its folders are: 'a'"),
        (["adapter_config.json", "pytorch_adapter.bin"], "was saved by the library 'adapters'"),
        (["head_config.json"], "was saved by the library 'adapters'"),
        (["adapter_config.json", "adapter_model.bin"], "was saved by the library 'peft'"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_repository_of_something_else_is_told_apart(fake_hub, tmp_path, refusal, files, told):
    fake_hub.add_repo("me/x", dict.fromkeys(files, b"{}"))
    assert told in refusal(hub.pull, "me/x", tmp_path / "in")
    assert not fake_hub.asked("resolve")


def test_files_of_another_library_come_as_they_are_when_asked(fake_hub, tmp_path, files_of):
    files = {"adapter_config.json": b"{}", "adapter.safetensors": b"a", "head_config.json": b"[]"}
    fake_hub.add_repo("me/x", {**files, "pytorch_adapter.bin": b"pickle", "evil.py": b"x"})
    folder = hub.pull("me/x", tmp_path / "in", foreign=True)
    assert files_of(folder) == files  # of the two flavours the one that runs no code


@pytest.mark.parametrize("kind", ["datasets", "spaces"])
def test_a_dataset_or_a_space_is_told_as_such(fake_hub, tmp_path, refusal, kind):
    fake_hub.add_repo("me/x", {"a.txt": b"a"}, kind=kind)
    told = refusal(hub.pull, "me/x", tmp_path / "in")
    assert told.startswith(f"'me/x' is a {kind[:-1]} of the hub")


@pytest.mark.usefixtures("untouched")
def test_a_folder_that_is_not_there_is_told_with_those_that_are(fake_hub, both, tmp_path, refusal):
    hub.push(both, "me/all")
    told = refusal(hub.pull, "me/all/moood", tmp_path / "in")
    assert "'me/all/moood' holds no task" in told
