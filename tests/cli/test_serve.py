"""`polyhead serve`: what it refuses before anything slow, and how it takes its options."""

import json
import logging
import shutil
import socket

import pytest

from polyhead.cli.serving.plan import ServerPlan


@pytest.fixture(autouse=True)
def own_logs():
    """The logs of this process stay as they are."""
    loggers = [logging.getLogger(name) for name in ("polyhead", "polyhead.access", "uvicorn")]
    before = [(one, one.handlers, one.level, one.propagate) for one in loggers]
    yield
    logging.raiseExceptions = True
    for one, handlers, level, propagate in before:
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.fixture
def words(saved_tasks):
    return ["serve", "--tasks", saved_tasks, "--port", 0, "--access-log", "off"]


@pytest.fixture
def planned(run, words, monkeypatch):
    """What would be served with these further words, and where."""
    monkeypatch.delenv("POLYHEAD_API_KEYS", raising=False)
    monkeypatch.delenv("POLYHEAD_ADMIN_KEYS", raising=False)
    found = []
    monkeypatch.setattr(
        "polyhead.cli.serve.serve_plan",
        lambda plan, listener, started, **_: found.append((plan, listener.getsockname())),
    )

    def ask(*more) -> tuple[ServerPlan, tuple, str]:
        result = run(*words, *more)
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
        return *found.pop(), result.stderr

    return ask


def test_the_defaults_are_a_server_for_this_machine(planned, saved_tasks):
    plan, address, told = planned()
    assert address[0] == "127.0.0.1"
    assert told == ""
    assert plan.folder == saved_tasks
    assert (plan.preload, plan.private, plan.result_cache, plan.watch_s) == ((), (), None, None)
    assert plan.engine == {"target_s": 0.2, "max_wait_s": 2.0}
    assert plan.store == {"max_bytes": 1_000_000_000}
    assert plan.server == {
        "api_keys": [],
        "admin_keys": [],
        "max_body_bytes": 2_000_000,
        "max_rows": 1024,
        "default_timeout_s": 30,
        "access_log": False,
    }


def test_every_option_finds_its_place(planned, tmp_path):
    for name in ("api", "admin"):
        (tmp_path / name).write_text(f"{name}-key\n", "utf-8")
    plan, _, _ = planned(
        *("--api-key-file", tmp_path / "api", "--admin-key-file", tmp_path / "admin"),
        *("--watch", 2, "--max-resident", "500MB", "--preload", "mood", "--preload", "place"),
        *("--target-ms", 50, "--max-wait-ms", 500, "--max-body", "1MiB", "--max-rows", 10),
        *("--timeout-s", 5, "--precision", "int8", "--result-cache", "64MB", "--private", "mood"),
        *("--drain-s", 3, "--root-path", "/models/", "--backbone", "minilm", "--offline", "--ui"),
    )
    assert plan.server["api_keys"] == plan.api_keys == ["api-key"]
    assert plan.server["admin_keys"] == ["admin-key"]
    assert plan.server["max_body_bytes"] == 2**20
    assert (plan.server["max_rows"], plan.server["default_timeout_s"]) == (10, 5)
    assert plan.engine == {"target_s": 0.05, "max_wait_s": 0.5}
    assert plan.store == {"max_bytes": 500_000_000}
    assert (plan.watch_s, plan.preload, plan.private) == (2, ("mood", "place"), ("mood",))
    assert (plan.result_cache, plan.drain_s, plan.root_path) == (64_000_000, 3, "/models")
    assert (plan.backbone.name, plan.backbone.precision, plan.backbone.offline) == (
        "minilm",
        "int8",
        True,
    )
    assert plan.ui


def test_keys_may_be_in_the_environment(planned, monkeypatch):
    monkeypatch.setenv("POLYHEAD_API_KEYS", "a,b")
    monkeypatch.setenv("POLYHEAD_ADMIN_KEYS", "c")
    plan, _, _ = planned()
    assert (plan.server["api_keys"], plan.server["admin_keys"]) == (["a", "b"], ["c"])


def test_a_server_open_to_all_is_remarked(planned, tmp_path):
    _, _, told = planned("--host", "0.0.0.0")  # noqa: S104 - what is remarked
    assert told.startswith("Everybody who reaches http://0.0.0.0:")
    (tmp_path / "key").write_text("key", "utf-8")
    assert planned("--host", "0.0.0.0", "--api-key-file", tmp_path / "key")[2] == ""  # noqa: S104


@pytest.mark.parametrize(
    ("given", "preload"),
    [((), ()), (("none",), ()), (("all",), None), (("a", "b", "a"), ("a", "b"))],
)
def test_tasks_to_preload_are_named_or_all(given, preload, planned):
    plan, _, _ = planned(*(word for name in given for word in ("--preload", name)))
    assert plan.preload == preload


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--tasks", "missing"), "missing is no folder; make it, or name another"),
        (("--max-resident", "much"), "--max-resident 'much' is no size"),
        (("--max-body", "0"), "--max-body '0' is no size"),
        (("--result-cache", "-1"), "--result-cache '-1' is no size"),
        (("--api-key-file", "missing"), "missing cannot be read: No such file"),
        (("--admin-key-file", "missing"), "missing cannot be read"),
        (("--access-log", "no/such/folder/log"), "cannot be written: No such file"),
        (("--root-path", "models"), "is no prefix; it is like /models"),
        (("--host", "no.such.host.invalid"), "is no address"),
        (("--preload", "all", "--preload", "mood"), "--preload all goes alone"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_loaded(
    options, reason, refused, words, monkeypatch
):
    monkeypatch.setattr("polyhead.cli.serve.serve_plan", lambda *_, **__: pytest.fail("too late"))
    assert reason in refused(*words, *options)


def test_an_empty_key_file_is_refused(refused, words, tmp_path):
    (tmp_path / "keys").touch()
    assert "holds no key" in refused(*words, "--api-key-file", tmp_path / "keys")


def test_a_port_that_is_taken_is_refused_before_anything_is_loaded(refused, words, monkeypatch):
    monkeypatch.setattr("polyhead.cli.serve.serve_plan", lambda *_, **__: pytest.fail("too late"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is taken" in refused(*words, "--port", port)


@pytest.mark.parametrize(
    "options",
    [
        ("--port", 70000),
        ("--timeout-s", 0),
        ("--max-rows", 0),
        ("--drain-s", -1),
        ("--watch", 0),
        ("--log-level", "loud"),
        ("--target-ms", 0),
    ],
)
def test_numbers_out_of_range_are_usage_errors(options, run, words):
    result = run(*words, *options)
    assert result.exit_code == 2
    assert options[0] in result.stderr


@pytest.mark.parametrize(
    ("module", "extra"),
    [("fastapi", "serve"), ("uvicorn", "serve"), ("prometheus_client", "serve"), ("gradio", "ui")],
)
def test_without_its_packages_the_extra_is_named(module, extra, refused, words, monkeypatch):
    monkeypatch.setattr(
        "polyhead.cli.serving.plan.find_spec", lambda name: None if name == module else object()
    )
    assert f"'polyhead[{extra}]'" in refused(*words, "--ui")


def test_a_task_to_load_that_there_is_not_is_refused_before_the_backbone(refused, words):
    message = refused(*words, "--backbone", "missing", "--preload", "moood")
    assert message.startswith("no task 'moood'; there are: 'mood', 'place'. Did you mean 'mood'?")


def test_a_folder_without_tasks_needs_a_backbone(refused, words, tmp_path):
    message = refused(*words, "--tasks", tmp_path)
    assert message == f"no task in {tmp_path} names a backbone; give one with --backbone."


def test_tasks_of_two_backbones_need_one_named(refused, saved_tasks, words, tmp_path):
    for name in ("mood", "place"):
        shutil.copytree(saved_tasks / name, tmp_path / name)
    manifest = tmp_path / "mood" / "task.json"
    told = json.loads(manifest.read_text("utf-8"))
    told["backbone"]["name"] = "another"
    manifest.write_text(json.dumps(told), "utf-8")
    message = refused(*words, "--tasks", tmp_path)
    assert message.startswith("the tasks name different backbones ('mood' on 'another', 'place' on")
