"""What can be asked of a server, as conversations that any client holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from polyhead.client.address import checked_key, checked_retries, checked_timeout
from polyhead.client.portions import Portion, as_inputs, portions
from polyhead.client.replies import Rows, rows_of, too_large, value_of
from polyhead.client.retrying import Retrying
from polyhead.client.steps import Call, Talk
from polyhead.errors import ConfigError, InputError, ServerError, shown
from polyhead.names import check_name

__all__ = ["OnError", "Priority", "Talks", "options_of"]

Priority = Literal["interactive", "bulk"]
OnError = Literal["raise", "return"]

_READY: Final = 200
_TOO_LARGE: Final = 413
_LONGEST_S: Final = 3600.0
"""The longest time that a server is told; more makes no difference to it."""


class Talks:
    """Conversations with one server, under the same keys and patience."""

    def __init__(
        self, api_key: str | None, admin_key: str | None, timeout_s: float, retries: int
    ) -> None:
        self._api_key = checked_key(api_key, "API key")
        self._admin_key = checked_key(admin_key, "admin key")
        self._timeout_s = checked_timeout(timeout_s)
        self._retrying = Retrying(checked_retries(retries))

    def predict(
        self,
        inputs: object,
        task: str | Sequence[str],
        options: Mapping[str, object],
        on_error: OnError,
    ) -> Talk[list[Any]]:
        """The answers, as `model.predict` has them."""
        if on_error not in {"raise", "return"}:
            raise ConfigError(f"on_error={shown(on_error)} is neither 'raise' nor 'return'.")
        rows = yield from self._rows(as_inputs(inputs), _task_names(task), options, on_error)
        return [row[task] for row in rows] if isinstance(task, str) else rows

    def embed(self, inputs: object, task: str) -> Talk[list[list[float]]]:
        """The vectors of an embedding task."""
        answers = yield from self.predict(inputs, task, {}, "raise")
        if not all("embedding" in answer for answer in answers):
            raise InputError(f"the task {task!r} answers with no vector; it embeds nothing.")
        return [answer["embedding"] for answer in answers]

    def tasks(self) -> Talk[list[dict[str, Any]]]:
        """What the server says of all its tasks."""
        found = yield from self._get("/v1/tasks")
        listed: list[dict[str, Any]] = found["tasks"]
        return listed

    def task(self, name: str) -> Talk[dict[str, Any]]:
        """What the server says of a task."""
        found: dict[str, Any] = yield from self._get(f"/v1/tasks/{check_name(name, 'task')}")
        return found

    def is_ready(self) -> Talk[bool]:
        """Whether the server answers predictions now."""
        asking = Retrying(0).reply_to(Call("GET", "/readyz"), self._timeout_s)
        try:
            reply = yield from asking
        except ServerError:
            return False
        return reply.status == _READY

    def admin(
        self, action: str, name: str | None = None, version: str | None = None
    ) -> Talk[dict[str, Any]]:
        """What the server says after it did `action` with a task, or with all."""
        if self._admin_key is None:
            raise ConfigError(f"{action} needs the server's admin key; give it with admin_key=.")
        whose = "" if name is None else f"/tasks/{check_name(name, 'task')}"
        call = Call(
            "POST",
            f"/v1/admin{whose}/{action}",
            None if version is None else json.dumps({"version": version}).encode(),
            self._admin_key,
            is_repeatable=action != "rollback",  # twice goes back by two
        )
        reply = yield from self._retrying.reply_to(call, self._timeout_s)
        done: dict[str, Any] = value_of(reply)
        return done

    def _get(self, path: str) -> Talk[Any]:
        call = Call("GET", path, key=self._api_key)
        reply = yield from self._retrying.reply_to(call, self._timeout_s)
        return value_of(reply)

    def _rows(
        self,
        inputs: Iterable[object],
        tasks: Sequence[str],
        options: Mapping[str, object],
        on_error: OnError,
    ) -> Talk[Rows]:
        options = {"timeout_s": self._timeout_s, **options}
        timeout_s = checked_timeout(options["timeout_s"])
        sent = {**options, "timeout_s": min(timeout_s, _LONGEST_S)}
        rows: Rows = []
        for portion in portions(inputs, tasks, sent):
            found = yield from self._portion(portion, tasks, timeout_s)
            if on_error == "raise":
                _raise_first(found)
            rows += found
        return rows

    def _portion(self, portion: Portion, tasks: Sequence[str], timeout_s: float) -> Talk[Rows]:
        """The rows of a request; of two or more where the server takes no such large ones."""
        call = Call("POST", "/v1/predict", portion.body, self._api_key)
        reply = yield from self._retrying.reply_to(call, timeout_s)
        n_inputs = len(portion.parts)
        if reply.status != _TOO_LARGE:
            return rows_of(reply, tasks, n_inputs, portion.start)
        if n_inputs == 1:
            return [{task: too_large(reply, portion.start, task) for task in tasks}]
        rows: Rows = []
        for half in portion.halves:
            rows += yield from self._portion(half, tasks, timeout_s)
        return rows


def options_of(priority: object, timeout_s: object, *, private: object) -> dict[str, object]:
    """The options of a request for predictions.

    Raises:
        ConfigError: One is nothing that a server takes.
    """
    if priority not in {"interactive", "bulk"}:
        raise ConfigError(f"priority={shown(priority)} is neither 'interactive' nor 'bulk'.")
    options: dict[str, object] = {"priority": priority, "private": bool(private)}
    return options if timeout_s is None else {**options, "timeout_s": checked_timeout(timeout_s)}


def _task_names(task: object) -> list[str]:
    names = [task] if isinstance(task, str) else task
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InputError(f"task={shown(task)} is neither the name of a task nor several.")
    if not names:
        raise InputError("no task is named; name one or several.")
    return list(dict.fromkeys(names))


def _raise_first(rows: Rows) -> None:
    for row in rows:
        for outcome in row.values():
            if isinstance(outcome, ServerError):
                raise outcome
