"""Who answers a command's texts: a model in this process."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from polyhead.cli.bulk import Item
from polyhead.cli.location import located
from polyhead.cli.serve_events import ServeEvents
from polyhead.cli.truncation import count_cut, note_cut
from polyhead.errors import InputError
from polyhead.records import Record

if TYPE_CHECKING:
    from polyhead.contracts import Head
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.train import ExampleReader

__all__ = ["Answer", "Answerer", "LocalAnswerer", "check_columns", "head_classes"]


class Answer(Protocol):
    """An answer to one text; `str` of it is what a table shows."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Its fields; as JSON has them where the mode is "json"."""


class Answerer(Protocol):
    """Whoever answers."""

    @property
    def tasks(self) -> Sequence[str]:
        """The tasks that are asked."""

    def answers(self, items: Sequence[Item]) -> list[Mapping[str, Answer]]:
        """For each item each task's answer."""

    def tell(self) -> None:
        """Remarks at the end."""


class LocalAnswerer:
    """Asks tasks of a model, and counts what there is to say about their texts.

    Attributes:
        tasks: Those that are asked.
    """

    def __init__(
        self,
        model: "DistilBertModelWithHeads",
        tasks: Sequence[str],
        columns: Mapping[str, str],
        source: str | None,
    ) -> None:
        """Finds out how the examples are read.

        Args:
            model: It has the tasks.
            tasks: Their names.
            columns: For fields whose column has another name, that name.
            source: The file that the examples come from; None for the command line.

        Raises:
            InputError: A column is named for a field that none of the tasks has.
        """
        self.tasks = tasks
        self._model = model
        self._source = source
        self._readers = {} if source is None else _readers(head_classes(model, tasks), columns)
        self._events = ServeEvents(model, tasks, "predict")
        self._n_texts = 0
        self._n_cut: dict[str, int] = dict.fromkeys(tasks, 0)

    def answers(self, items: Sequence[Item]) -> list[Mapping[str, Answer]]:
        """For each item each task's answer.

        Raises:
            InputError: An item cannot be used; a DataError with its line for one of a file.
        """
        lines = [item.line for item in items]
        with located(self._source, lines), self._events.batch(len(items)) as questions:
            questions.extend(
                self._model.questions(
                    {name: [self._example(name, one) for one in items] for name in self.tasks}
                )
            )
            # here too: some heads find only in answering that an example asks nothing
            found = self._model.answer(questions)
        for question in questions:
            self._n_cut[question.task.name] += count_cut(question.encoded)
        self._n_texts += len(items)
        return [{name: found[name][place] for name in self.tasks} for place in range(len(items))]

    def tell(self) -> None:
        """Says how many texts were cut."""
        for name, n_cut in self._n_cut.items():
            note_cut(self._model.tasks[name], n_cut, self._n_texts)

    def _example(self, task: str, item: Item) -> object:
        if self._source is None or not isinstance(item.example, Record):
            return item.example
        return self._readers[task].example(self._source, item.example)


def head_classes(
    model: "DistilBertModelWithHeads", tasks: Sequence[str]
) -> "dict[str, type[Head]]":
    """The kind of head of each task."""
    return {name: type(model.heads[model.tasks[name].head]) for name in tasks}


def check_columns(columns: Mapping[str, str], known: set[str]) -> None:
    """Refuses a column that nobody reads.

    Args:
        columns: The column named for each field.
        known: The fields that any of the tasks reads.

    Raises:
        InputError: There is one.
    """
    odd = next((field for field in columns if field not in known), None)
    if odd is not None:
        raise InputError(
            f"a column is named for {odd!r}, a field that none of the tasks reads; they read: "
            f"{', '.join(sorted(known))}."
        )


def _readers(
    classes: "Mapping[str, type[Head]]", columns: Mapping[str, str]
) -> "dict[str, ExampleReader]":
    """How each task's examples are read; a column counts for the tasks that have its field."""
    from polyhead.train import ExampleReader

    check_columns(
        columns, {field for head in classes.values() for field in head.Example.model_fields}
    )
    return {
        name: ExampleReader.of(
            head,
            {
                field: column
                for field, column in columns.items()
                if field in head.Example.model_fields
            },
            labelled=False,
        )
        for name, head in classes.items()
    }
