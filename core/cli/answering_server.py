"""Who answers a command's texts: a server, asked over HTTP. Nothing here needs torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from polyhead.cli.answer_words import ServerAnswer
from polyhead.cli.answering import Answer, check_columns
from polyhead.cli.bulk import Item
from polyhead.cli.location import located
from polyhead.cli.server_fields import fields_of
from polyhead.errors import InputError, ServerError
from polyhead.names import check_name
from polyhead.records import Record, RecordFields

if TYPE_CHECKING:
    from polyhead.client import Client

__all__ = ["ServerAnswerer"]

_PATIENCE_S: Final = 300.0
"""For texts of a file, which let others go first."""
_OF_AN_INPUT: Final = frozenset({"invalid_input", "text_too_long", "body_too_large"})


class ServerAnswerer:
    """Asks tasks of a server.

    Attributes:
        tasks: Those that are asked.
    """

    def __init__(
        self,
        client: "Client",
        tasks: Sequence[str],
        columns: Mapping[str, str],
        source: str | None,
    ) -> None:
        """Asks the server what the tasks read, where examples come from a file.

        Args:
            client: It knows the server.
            tasks: Their names.
            columns: For fields whose column has another name, that name.
            source: The file that the examples come from; None for the command line.

        Raises:
            ServerError: There is no such task, or the server cannot be asked.
            InputError: A column is named for a field that none of the tasks has.
        """
        self.tasks = list(dict.fromkeys(check_name(task, "task") for task in tasks))
        self._client = client
        self._source = source
        self._options: dict[str, Any] = {"on_error": "return"}
        self._fields: dict[str, RecordFields] = {}
        if source is not None:
            self._options |= {"priority": "bulk", "timeout_s": _PATIENCE_S}
            self._fields = _fields(client, self.tasks, columns)

    def answers(self, items: Sequence[Item]) -> list[Mapping[str, Answer]]:
        """For each item each task's answer.

        Tasks that read the same of a record are asked together.

        Raises:
            InputError: An item cannot be used; a DataError with its line for one of a file.
            ServerError: The server refused, or could not answer.
        """
        found: list[dict[str, Answer]] = [{} for _ in items]
        with located(self._source, [item.line for item in items]):
            for tasks in self._groups():
                inputs = [self._input(tasks[0], item) for item in items]
                for row, outcomes in zip(
                    found, self._client.predict(inputs, tasks, **self._options), strict=True
                ):
                    row.update({task: _answer(outcomes[task]) for task in tasks})
        return [{task: row[task] for task in self.tasks} for row in found]

    def tell(self) -> None:
        """Nothing: what a server cut it does not say."""

    def _groups(self) -> list[list[str]]:
        """The tasks, those together that read the same fields from the same columns."""
        groups: list[list[str]] = []
        for task in self.tasks:
            fields = self._fields.get(task)
            same = next((one for one in groups if self._fields.get(one[0]) == fields), None)
            if same is None:
                groups.append([task])
            else:
                same.append(task)
        return groups

    def _input(self, task: str, item: Item) -> object:
        if self._source is None or not isinstance(item.example, Record):
            return item.example
        return self._fields[task].of(self._source, item.example)


def _fields(
    client: "Client", tasks: Sequence[str], columns: Mapping[str, str]
) -> dict[str, RecordFields]:
    found = {task: fields_of(client.task(task), columns) for task in tasks}
    check_columns(columns, {field for fields in found.values() for field in fields.column_of})
    return found


def _answer(outcome: dict[str, Any] | ServerError) -> ServerAnswer:
    if not isinstance(outcome, ServerError):
        return ServerAnswer(outcome)
    if outcome.code in _OF_AN_INPUT:
        raise InputError(outcome.reason, index=outcome.index)
    raise outcome
