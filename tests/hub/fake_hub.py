"""A server on this machine that answers the hub's client as the hub does.

It knows users by their tokens, keeps repositories with branches and commits, stores what ends in
`.safetensors` or `.bin` as large files, and fails where it is told to.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

OWNER_TOKEN = "hf_of_me"  # noqa: S105 - of the fake
STRANGER_TOKEN = "hf_of_somebody"  # noqa: S105
Files = dict[str, bytes]


@dataclass
class Repo:
    """A repository: its commits by hash, and for each branch its commits, newest last."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, list[str]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def add(self, files: Files, branch: str = "main", message: str = "") -> str:
        seed = repr((len(self.commits), sorted(files.items()))).encode()
        commit = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        self.commits[commit] = files
        self.branches.setdefault(branch, []).append(commit)
        self.messages.append(message)
        return commit

    def resolve(self, revision: str) -> str | None:
        if revision in self.branches:
            return self.branches[revision][-1]
        return revision if revision in self.commits else None


@dataclass
class Fault:
    """What the server does in place of an answer.

    Attributes:
        where: A pattern of "METHOD path".
        what: A status, "drop" the connection, "truncate" the body, "corrupt" it, or lose "race"s.
        times: How often; always when None.
    """

    where: str
    what: int | str
    times: int | None = None


@dataclass
class FakeHub:
    """All that the server knows, and what it was asked.

    Attributes:
        repos: By kind and id: ("models", "me/task").
        users: The owner's name for each token.
        store: Contents of large files by their digest.
        requests: "METHOD path" of each.
        faults: What it does wrong.
    """

    endpoint: str = ""
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    users: dict[str, str] = field(
        default_factory=lambda: {OWNER_TOKEN: "me", STRANGER_TOKEN: "somebody"}
    )
    store: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add_repo(self, repo_id: str, files: Files, kind: str = "models", **fields: bool) -> Repo:
        repo = self.repos[kind, repo_id] = Repo(**fields)
        for content in files.values():
            self.store[hashlib.sha256(content).hexdigest()] = content
        repo.add(dict(files))
        return repo

    def files(self, repo_id: str, revision: str = "main") -> Files:
        repo = self.repos["models", repo_id]
        return repo.commits[repo.resolve(revision)]

    def fail(self, where: str, what: int | str, times: int | None = None) -> None:
        self.faults.append(Fault(where, what, times))

    def fault(self, request: str) -> int | str | None:
        for fault in self.faults:
            if re.search(fault.where, request) and fault.times != 0:
                fault.times = None if fault.times is None else fault.times - 1
                return fault.what
        return None

    def asked(self, where: str) -> list[str]:
        return [request for request in self.requests if re.search(where, request)]


def is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".bin"))


def git_digest(content: bytes) -> str:
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def digest_of(path: str, files: Files) -> str:
    content = files[path]
    return hashlib.sha256(content).hexdigest() if is_large(path) else git_digest(content)


def file_entry(path: str, content: bytes) -> dict[str, object]:
    """A file as the hub lists it."""
    entry: dict[str, object] = {
        "rfilename": path,
        "size": len(content),
        "blobId": git_digest(content),
    }
    if is_large(path):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 134}
    return entry


class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that is an error."""

    def __init__(self, status: int, code: str = "", message: str = "", commit: str = "") -> None:
        self.status, self.code, self.message, self.commit = status, code, message, commit


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: "Server"

    def do_HEAD(self) -> None:
        self.serve()

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    @property
    def hub(self) -> FakeHub:
        return self.server.hub

    def serve(self) -> None:
        parts = urlsplit(self.path)
        self.route, self.query = parts.path, parse_qs(parts.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.fault: int | str | None = None
        request = f"{self.command} {self.route}"
        self.hub.requests.append(request)
        self.fault = self.hub.fault(request)
        if self.fault == "drop":
            self.close_connection = True
            return
        try:
            if isinstance(self.fault, int):
                raise Refusal(self.fault, message="as it was told to")  # noqa: TRY301
            self.user = self.known_user()
            self.dispatch()
        except Refusal as refusal:
            self.refuse(refusal)

    def dispatch(self) -> None:
        for pattern, handle in ROUTES:
            match = pattern.fullmatch(f"{self.command} {self.route}")
            if match:
                handle(
                    self,
                    **{name: unquote(value or "") for name, value in match.groupdict().items()},
                )
                return
        raise AssertionError(f"the fake does not know {self.command} {self.route}")

    def known_user(self) -> str | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        if token not in self.hub.users:
            raise Refusal(401, message="Invalid credentials in Authorization header")
        return self.hub.users[token]

    def repo(self, kind: str, repo_id: str, *, write: bool = False) -> Repo:
        repo = self.hub.repos.get((kind, repo_id))
        is_owner = self.user is not None and repo_id.startswith(f"{self.user}/")
        if repo is None or (repo.private and not is_owner):
            raise Refusal(401 if self.user is None else 404, "RepoNotFound")
        if write and not is_owner and "create_pr" not in self.query:
            raise Refusal(403, message="you do not have the rights")
        return repo

    def commit_of(self, repo: Repo, revision: str) -> str:
        commit = repo.resolve(revision)
        if commit is None:
            raise Refusal(404, "RevisionNotFound")
        return commit

    # answers

    def say(self, value: object, status: int = 200) -> None:
        self.send(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    def send(self, content: bytes, status: int = 200, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "truncate":
            content = content[: len(content) // 2]
        if self.fault == "corrupt":
            content = bytes([content[0] ^ 1]) + content[1:]
        self.wfile.write(content)

    def refuse(self, refusal: Refusal) -> None:
        body = json.dumps({"error": refusal.message} if refusal.message else {}).encode()
        told = {
            "X-Error-Code": refusal.code,
            "X-Error-Message": refusal.message,
            "X-Repo-Commit": refusal.commit,
        }
        headers = {name: value for name, value in told.items() if value}
        self.fault = None
        self.send(body, refusal.status, headers)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""

    # what it can

    def create_repo(self) -> None:
        fields = json.loads(self.body)
        owner = fields.get("organization") or self.user
        if self.user is None:
            raise Refusal(401, message="no token")
        if owner != self.user:
            raise Refusal(403, message=f"you may not create in {owner}")
        repo_id = f"{owner}/{fields['name']}"
        if ("models", repo_id) in self.hub.repos:
            raise Refusal(409, message="You already created this model repo")
        private = fields.get("visibility") == "private" or bool(fields.get("private"))
        self.hub.add_repo(
            repo_id, {".gitattributes": b"*.safetensors filter=lfs\n"}, private=private
        )
        self.say({"url": f"{self.hub.endpoint}/{repo_id}", "name": repo_id})

    def info(self, kind: str, repo_id: str, revision: str) -> None:
        repo = self.repo(kind, repo_id)
        commit = self.commit_of(repo, revision or "main")
        siblings = [file_entry(*file) for file in sorted(repo.commits[commit].items())]
        self.say({"id": repo_id, "sha": commit, "private": repo.private, "siblings": siblings})

    def create_branch(self, repo_id: str, branch: str) -> None:
        repo = self.repo("models", repo_id, write=True)
        if branch in repo.branches:
            raise Refusal(409, message="the branch exists")
        repo.branches[branch] = [repo.branches["main"][-1]]
        self.say({})

    def preupload(self, repo_id: str, revision: str) -> None:
        repo = self.repo("models", repo_id, write=True)
        held = repo.commits[self.commit_of(repo, revision)]
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                "shouldIgnore": False,
                "oid": digest_of(file["path"], held) if file["path"] in held else None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self.say({"files": files})

    def lfs_batch(self, repo_id: str) -> None:
        self.repo("models", repo_id, write="ref" in json.loads(self.body))  # not for a pull request
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.store:
                entry["actions"] = {"upload": {"href": f"{self.hub.endpoint}/lfs/{wanted['oid']}"}}
            objects.append(entry)
        self.say({"transfer": "basic", "objects": objects})

    def lfs_upload(self, digest: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != digest:
            raise Refusal(400, message="the content has another digest")
        self.hub.store[digest] = self.body
        self.say({})

    def validate_yaml(self) -> None:
        content = json.loads(self.body)["content"]
        if not content.startswith("---\n"):
            self.say({"warnings": [], "errors": []})
            return
        try:
            metadata = yaml.safe_load(content.split("---\n")[1])
            assert isinstance(metadata, dict)
        except (yaml.YAMLError, AssertionError) as error:
            self.say({"errors": [{"message": f"it is not YAML: {error}"}], "warnings": []}, 400)
            return
        base = metadata.get("base_model", "a/b")
        results = [r for entry in metadata.get("model-index", []) for r in entry["results"]]
        complete = all(
            result["task"]["type"]
            and result["dataset"]["name"]
            and result["dataset"]["type"]
            and all(isinstance(metric["value"], int | float) for metric in result["metrics"])
            for result in results
        )
        if base.count("/") != 1 or not complete:
            self.say({"errors": [{"message": "a field is not right"}], "warnings": []}, 400)
            return
        self.say({"warnings": [], "errors": []})

    def commit(self, repo_id: str, revision: str) -> None:
        repo = self.repo("models", repo_id, write=True)
        parent = self.commit_of(repo, revision)
        files = dict(repo.commits[parent])
        [header, *operations] = [json.loads(line) for line in self.body.splitlines()]
        message = header["value"]["summary"]
        if self.fault == "race" or header["value"].get("parentCommit", parent) != parent:
            raise Refusal(412, message="A commit has happened since")
        for operation in operations:
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.store[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        is_pr = "create_pr" in self.query
        commit = repo.add(files, "refs/pr/1" if is_pr else revision, message)
        page = f"{self.hub.endpoint}/{repo_id}"
        self.say(
            {
                "commitUrl": f"{page}/commit/{commit}",
                "commitOid": commit,
                "pullRequestUrl": f"{page}/discussions/1" if is_pr else None,
            }
        )

    def resolve(self, repo_id: str, revision: str, path: str) -> None:
        repo = self.repo("models", repo_id)
        if repo.gated and self.user is None:
            raise Refusal(403, "GatedRepo", "Access to it is restricted")
        commit = self.commit_of(repo, revision)
        if path not in repo.commits[commit]:
            raise Refusal(404, "EntryNotFound", commit=commit)
        content = repo.commits[commit][path]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{git_digest(content)}"'}
        if is_large(path):  # the hub leads elsewhere for its content, with the same headers
            digest = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        self.send(content, 200, headers)


_ID = r"(?P<repo_id>[^/]+/[^/]+)"
ROUTES = [
    (re.compile(pattern), handle)
    for pattern, handle in (
        (r"POST /api/repos/create", Handler.create_repo),
        (
            rf"GET /api/(?P<kind>models|datasets|spaces)/{_ID}(/revision/(?P<revision>.+))?",
            Handler.info,
        ),
        (rf"POST /api/models/{_ID}/branch/(?P<branch>.+)", Handler.create_branch),
        (rf"POST /api/models/{_ID}/preupload/(?P<revision>.+)", Handler.preupload),
        (rf"POST /{_ID}\.git/info/lfs/objects/batch", Handler.lfs_batch),
        (r"PUT /lfs/(?P<digest>\w+)", Handler.lfs_upload),
        (r"POST /api/validate-yaml", Handler.validate_yaml),
        (rf"POST /api/models/{_ID}/commit/(?P<revision>.+)", Handler.commit),
        (rf"(HEAD|GET) /{_ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Handler.resolve),
    )
]


class Server(ThreadingHTTPServer):
    hub: FakeHub


@contextmanager
def running() -> Iterator[FakeHub]:
    """A hub that answers at its endpoint until the body is left."""
    server = Server(("127.0.0.1", 0), Handler)
    server.hub = FakeHub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
