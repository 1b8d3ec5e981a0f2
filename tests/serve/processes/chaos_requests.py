"""What a server is tormented with: each kind of request, and what may come back."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

CLOSENESS = 1e-4
MOODY = ("raise", "nan", "shape", "exit", "decode")
"""Heads that never answer."""


def same(one: object, other: object) -> bool:
    """Whether two answers are equal, but for the last digits of their numbers."""
    match one, other:
        case float() | int(), float() | int():
            return abs(one - other) <= CLOSENESS
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
    return one == other


@dataclass
class Chaos:
    """Sends requests of all kinds, and notes what was wrong with the answers.

    Attributes:
        url: Of the server.
        expected: For each good task, for each of its versions, its inputs and their answers.
        rng: Which request comes next.
        faults: What was not as it should be, in a few words each.
        counts: How many requests of each kind were sent.
    """

    url: httpx.URL
    expected: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
    rng: random.Random
    client: httpx.AsyncClient
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    async def one(self) -> None:
        """One request of a kind drawn at random."""
        kind = self.rng.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        try:
            await KINDS[kind][1](self)
        except Exception as error:  # noqa: BLE001 - a torn connection is a fault like others
            self.faults.append(f"{kind}: {type(error).__name__} {error}")

    async def post(self, path: str, body: object, **more: Any) -> httpx.Response:
        """A request with a JSON body."""
        return await self.client.post(path, json=body, **more)

    def check(self, kind: str, response: httpx.Response, status: set[int], code: str = "") -> None:
        """Notes a status, or a code, that should not be."""
        found = response.json().get("error", {}).get("code") if code else ""
        if response.status_code not in status or (code and found != code):
            self.faults.append(f"{kind}: {response.status_code} {response.text[:200]}")

    def is_right(self, task: str, place: int, answer: object) -> bool:
        """Whether an answer is the offline one, of any version of the task."""
        return any(same(version[place]["answer"], answer) for version in self.expected[task])


async def good(chaos: Chaos) -> None:
    """Several tasks on several inputs; every answer is the offline one."""
    names = ["sentiment", "topics", "score", "names", "vectors", "changing"]
    tasks = chaos.rng.sample(names, chaos.rng.randint(1, 3))
    if chaos.rng.random() < 0.2:
        tasks = ["answers"]
    inputs = chaos.expected[tasks[0]][0]
    places = chaos.rng.choices(range(len(inputs)), k=chaos.rng.randint(1, 4))
    body = {"tasks": tasks, "inputs": [inputs[place]["input"] for place in places]}
    response = await chaos.post("/v1/predict", body)
    chaos.check("good", response, {200})
    if response.status_code != httpx.codes.OK:
        return
    for place, row in zip(places, response.json()["results"], strict=True):
        for task in tasks:
            if not chaos.is_right(task, place, row["answers"].get(task)):
                chaos.faults.append(f"good: {task} {place}: {str(row)[:300]}")


async def victim(chaos: Chaos) -> None:
    """A task whose files are damaged: the right answer of a version, or an error of its own."""
    inputs = chaos.expected["victim"][0]
    place = chaos.rng.randrange(len(inputs))
    response = await chaos.post("/v1/tasks/victim/predict", {"inputs": [inputs[place]["input"]]})
    chaos.check("victim", response, {200, 404, 503})
    if response.status_code == httpx.codes.OK:
        answer = response.json()["results"][0]["answers"].get("victim")
        if not chaos.is_right("victim", place, answer):
            chaos.faults.append(f"victim: {place}: {response.text[:300]}")


async def moody(chaos: Chaos) -> None:
    """A head that fails, beside a good task that must not notice."""
    task = f"moody-{chaos.rng.choice(MOODY)}"
    inputs = chaos.expected["sentiment"][0]
    place = chaos.rng.randrange(len(inputs))
    body = {"tasks": [task, "sentiment"], "inputs": [inputs[place]["input"]]}
    response = await chaos.post("/v1/predict", body)
    chaos.check("moody", response, {200})
    row = response.json()["results"][0]
    code = row["errors"].get(task, {}).get("code")
    if code not in {"head_failed", "non_finite", "task_broken", "failed"}:
        chaos.faults.append(f"moody: {task}: {str(row)[:300]}")
    if not chaos.is_right("sentiment", place, row["answers"].get("sentiment")):
        chaos.faults.append(f"moody: sentiment beside {task}: {str(row)[:300]}")


async def picky(chaos: Chaos) -> None:
    """A head that fails for some inputs only: the others of the request are answered."""
    body = {"inputs": ["cat dog", "the red dog ran"]}
    response = await chaos.post("/v1/tasks/moody-raise-on-two-words/predict", body)
    chaos.check("picky", response, {200, 500, 503})
    first, second = response.json()["results"]
    is_broken = second["errors"].get("moody-raise-on-two-words", {}).get("code") == "task_broken"
    if first["answers"] or not (second["answers"] or is_broken):
        chaos.faults.append(f"picky: {response.text[:300]}")


async def sleepy(chaos: Chaos) -> None:
    """A head that takes its time."""
    response = await chaos.post("/v1/tasks/moody-sleep/predict", {"inputs": ["a day"]})
    chaos.check("sleepy", response, {200})


async def unknown_task(chaos: Chaos) -> None:
    """Names that no task has, some of which would be bad paths."""
    name = chaos.rng.choice(
        ["nosuch", "../sentiment", "hub:owner/name", "a" * 300, "/etc/passwd", "x\x00y", "%2e%2e"]
    )
    response = await chaos.post("/v1/predict", {"task": name, "inputs": ["a day"]})
    chaos.check("unknown_task", response, {404}, "unknown_task")


async def malformed(chaos: Chaos) -> None:
    """Bodies that are no JSON."""
    raw = chaos.rng.choice([b"{", b"", b"\xff\xfe", b'{"task": NaN}', b"[" * 5000, b"\x00"])
    response = await chaos.client.post(
        "/v1/predict", content=raw, headers={"content-type": "application/json"}
    )
    chaos.check("malformed", response, {400, 422})


async def wrong_types(chaos: Chaos) -> None:
    """JSON that asks nothing."""
    body: Any = chaos.rng.choice(
        [
            [],
            {},
            {"task": "sentiment"},
            {"task": 3, "inputs": ["a"]},
            {"task": "sentiment", "inputs": "a"},
            {"task": "sentiment", "inputs": []},
            {"task": "sentiment", "inputs": [1]},
            {"task": "sentiment", "inputs": ["a"], "nosuch": 1},
            {"task": "sentiment", "inputs": ["a"], "options": {"priority": "now"}},
            {"task": "sentiment", "inputs": ["a"], "options": {"timeout_s": -1}},
            {"task": "sentiment", "tasks": ["topics"], "inputs": ["a"]},
            {"task": "sentiment", "inputs": [{"nosuch": "a"}]},
            {"task": "sentiment", "inputs": [""]},
        ]
    )
    chaos.check("wrong_types", await chaos.post("/v1/predict", body), {422})


async def oversize(chaos: Chaos) -> None:
    """Too many bytes, too many rows, too long a text."""
    body = chaos.rng.choice(
        [
            {"task": "sentiment", "inputs": ["a" * 3_000_000]},
            {"task": "sentiment", "inputs": ["a day"] * 5000},
            {"task": "sentiment", "inputs": ["a" * 200_000]},
        ]
    )
    response = await chaos.post("/v1/predict", body)
    chaos.check("oversize", response, {413})


async def no_key(chaos: Chaos) -> None:
    """Changes to tasks without the key, or with a wrong one."""
    action = chaos.rng.choice(["load", "unload", "pin", "rollback"])
    headers = chaos.rng.choice([{}, {"authorization": "Bearer wrong"}, {"x-api-key": ""}])
    response = await chaos.client.post(f"/v1/admin/tasks/sentiment/{action}", headers=headers)
    chaos.check("no_key", response, {401, 403})


async def early_disconnect(chaos: Chaos) -> None:
    """A client that leaves in the middle of its request, or before its answer."""
    body = json.dumps({"task": "sentiment", "inputs": ["a day"] * 20}).encode()
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: {chaos.url.host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    raw = head + body
    cut = chaos.rng.choice([5, len(head), len(head) + 10, len(raw)])
    _, writer = await asyncio.open_connection(chaos.url.host, chaos.url.port)
    writer.write(raw[:cut])
    await writer.drain()
    if chaos.rng.random() < 0.5:
        writer.transport.abort()  # a reset, not a goodbye
    else:
        writer.close()


KINDS: dict[str, tuple[int, Callable[[Chaos], Any]]] = {
    "good": (55, good),
    "victim": (6, victim),
    "moody": (6, moody),
    "picky": (2, picky),
    "sleepy": (1, sleepy),
    "unknown_task": (5, unknown_task),
    "malformed": (6, malformed),
    "wrong_types": (7, wrong_types),
    "oversize": (1, oversize),
    "no_key": (4, no_key),
    "early_disconnect": (7, early_disconnect),
}
"""Each kind of request with its share in a hundred."""
