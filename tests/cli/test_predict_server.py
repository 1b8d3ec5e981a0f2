"""`polyhead predict --server`: the lines that it has without, from a server of a few lines."""

import csv
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from polyhead.errors import InputError
from polyhead.heads import MultipleChoiceHeadConfig
from polyhead.model import DistilBertModelWithHeads


class Served(BaseHTTPRequestHandler):
    """Answers as `polyhead serve` does, from the model of its server."""

    def do_GET(self):
        name = self.path.removeprefix("/v1/tasks/")
        if name not in self.server.model.tasks:
            return self.reply(404, error("unknown_task", f"no task {name!r}."))
        head = self.server.model.heads[self.server.model.tasks[name].head]
        return self.reply(
            200,
            {
                "name": name,
                "schemas": {"example": head.Example.model_json_schema()},
                "target_fields": list(head.Example.target_fields),
            },
        )

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((dict(self.headers), body))
        tasks = body["tasks"]
        unknown = next((name for name in tasks if name not in self.server.model.tasks), None)
        if unknown is not None:
            return self.reply(404, error("unknown_task", f"no task {unknown!r}."))
        rows = [{"answers": {}, "errors": {}} for _ in body["inputs"]]
        for row, value in zip(rows, body["inputs"], strict=True):
            example = tuple(value) if isinstance(value, list) else value
            for task in tasks:
                try:
                    [answer] = self.server.model.predict(example, task=task)
                    row["answers"][task] = answer.model_dump(mode="json")
                except InputError as refusal:
                    row["errors"][task] = error("invalid_input", refusal.reason)["error"]
        return self.reply(200, {"results": rows})

    def reply(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def error(code, message):
    return {"error": {"code": code, "message": message}}


@pytest.fixture(scope="module")
def server(saved_tasks, backbone):
    with ThreadingHTTPServer(("127.0.0.1", 0), Served) as running:
        running.model = DistilBertModelWithHeads.from_pretrained(backbone)
        for name in ("mood", "place"):
            running.model.load_task(saved_tasks / name)
        running.model.add_task("pick", head=MultipleChoiceHeadConfig())
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def url(server, monkeypatch):
    monkeypatch.delenv("POLYHEAD_API_KEY", raising=False)
    server.asked.clear()
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def far(url):
    return ["predict", "--server", url, "--task", "mood", "--task", "place"]


@pytest.fixture
def near(saved_tasks):
    return ["predict", "--task", saved_tasks / "mood", "--task", saved_tasks / "place"]


def alike(far_lines, near_lines):
    """The same lines, to rounding: batches are others."""
    found, expected = (
        [json.loads(line) for line in lines.splitlines()] for lines in (far_lines, near_lines)
    )
    assert [list(line) for line in found] == [list(line) for line in expected]
    assert len(found) == len(expected) > 0
    for line, other in zip(found, expected, strict=True):
        for task, answer in line.pop("predictions").items():
            same = other["predictions"].pop(task)
            assert list(answer) == list(same)
            assert answer["label"] == same["label"]
            assert answer["probabilities"] == pytest.approx(same["probabilities"], abs=1e-5)
        assert other.pop("predictions") == {}
        assert line == other


@pytest.mark.parametrize(
    "texts", [("the cat is good", "the dog"), ("the cat", "--text-pair", "a dog"), ("\u00e9 [x]",)]
)
def test_texts_give_the_table_and_the_lines_of_a_model(texts, run, far, near):
    assert run(*far, *texts).stdout == run(*near, *texts).stdout
    alike(run(*far, *texts, "--json").stdout, run(*near, *texts, "--json").stdout)


def test_files_and_pipes_give_the_lines_of_a_model(run, far, near, tmp_path, server):
    path, target = tmp_path / "texts.jsonl", tmp_path / "out.jsonl"
    records = [
        {"id": number, "text": f"the cat is {'good' * (number % 3)} {number}", "label": 7}
        for number in range(300)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    expected = run(*near, "--input", path).stdout
    result = run(*far, "--input", path, "--output", target)
    assert "300 texts in" in result.stderr
    assert result.stdout == ""
    alike(target.read_text("utf-8"), expected)
    alike(run(*far, "--input", "-", stdin=path.read_bytes()).stdout, expected)
    assert [len(body["inputs"]) for _, body in server.asked] == [256, 44] * 2
    assert {body["options"]["priority"] for _, body in server.asked} == {"bulk"}
    assert server.asked[0][1]["inputs"][0] == {"text": "the cat is  0"}


def test_tables_and_other_columns_are_read(run, far, near, tmp_path):
    table = tmp_path / "pairs.tsv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("first", "second"), ("good", "bad")])
    options = ("--input", table, "--text-column", "first", "--column", "text_pair=second")
    alike(run(*far, *options).stdout, run(*near, *options).stdout)


def test_tasks_that_read_other_fields_are_asked_on_their_own(run, url, server, tmp_path):
    path = tmp_path / "both.jsonl"
    path.write_text('{"text": "the", "choices": ["cat", "dog"]}\n', "utf-8")
    names = ["--task", "mood", "--task", "pick", "--task", "place"]
    result = run("predict", "--server", url, *names, "--input", path)
    assert list(json.loads(result.stdout)["predictions"]) == ["mood", "pick", "place"]
    assert [body["tasks"] for _, body in server.asked] == [["mood", "place"], ["pick"]]
    assert server.asked[1][1]["inputs"] == [{"text": "the", "choices": ["cat", "dog"]}]


BAD_LINES = {
    "not_json": ("cat\n", "line 2: not JSON"),
    "no_column": ('{"body": "cat"}\n', "line 2: no column 'text'; there are: 'body'"),
    "empty": ('{"text": "  "}\n', "line 2: column 'text' is empty"),
    "no_words": ('{"text": "\\u0000"}\n', "line 2: the text has no words"),
    "half": ('{"text": "\\ud800"}\n', "line 2: column 'text' holds half of a surrogate pair"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_lines_are_refused_with_their_number(name, refused, far, tmp_path):
    content, reason = BAD_LINES[name]
    path, target = tmp_path / "texts.jsonl", tmp_path / "out.jsonl"
    path.write_text('{"text": "cat"}\n' + content, "utf-8")
    message = refused(*far, "--input", path, "--output", target)
    assert message.startswith(f"{path}, {reason}")
    assert [found.name for found in tmp_path.iterdir()] == ["texts.jsonl"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "there is no text"),
        (("good", " "), "example 2: the text has no words"),
        (("good", "--task", "missing"), "no task 'missing'"),
        (("good", "--task", "../mood"), "cannot name a task"),
        (("good", "--backbone", "minilm"), "--backbone was decided when the server was started"),
        (("good", "--precision", "int8"), "--precision was decided"),
        (("good", "--offline"), "--offline was decided"),
        (("good", "--api-key-file", "none"), "none cannot be read"),
        (("good", "--server", "localhost"), "does not start with http"),
    ],
)
def test_bad_requests_are_refused(options, reason, refused, far):
    assert reason in refused(*far, *options)


def test_columns_that_no_task_reads_are_refused(refused, far, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "cat"}\n', "utf-8")
    message = refused(*far, "--input", path, "--column", "answer=text")
    assert "'answer', a field that none of the tasks reads; they read: text, text_pair" in message


def test_an_api_key_without_a_server_is_refused(refused, near):
    assert "name one with --server" in refused(*near, "good", "--api-key-file", "none")


def test_keys_are_sent_from_the_file_or_the_environment(run, far, server, tmp_path, monkeypatch):
    key = tmp_path / "key"
    key.write_text("from-the-file\n", "utf-8")
    run(*far, "good")
    run(*far, "good", "--api-key-file", key)
    monkeypatch.setenv("POLYHEAD_API_KEY", "from-outside")
    run(*far, "good")
    sent = [headers.get("authorization") for headers, _ in server.asked]
    assert sent == [None, "Bearer from-the-file", "Bearer from-outside"]


def test_nothing_of_torch_is_loaded(url, tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("text\nthe cat\n", "utf-8")
    tell = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    words = ["predict", "--server", url, "--task", "mood", "--input", str(path)]
    code = f"{tell}from polyhead.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["predictions"]["mood"]["label"] in {"good", "bad"}
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "polyhead.client.wire" in loaded
    assert not {"torch", "numpy", "tokenizers", "polyhead.train", "polyhead.host"} & loaded
