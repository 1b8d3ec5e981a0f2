"""Train one task, save it, and tell what came out: what `train` and `quickstart` share."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.cli.location import labelled_question
from polyhead.cli.output import file_sizes, note
from polyhead.cli.truncation import count_cut, note_cut
from polyhead.errors import ConfigError, InputError, OutputExistsError, WriteError

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup
    from polyhead.contracts import AdapterConfig, Example, HeadConfig, TextSettings
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.train import TrainResult, TrainSettings

__all__ = ["Finished", "TrainingData", "check_output", "fit", "new_task"]


@dataclass(frozen=True)
class TrainingData:
    """Labelled examples and where they come from.

    Attributes:
        train: For training.
        evaluation: For choosing the best epoch; may be empty.
        files: Their data files by what they are for, "train" and "eval"; empty for bundled texts.
    """

    train: "Sequence[Example]"
    evaluation: "Sequence[Example]"
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """A run that came to its end, or was stopped and kept its best.

    Attributes:
        folder: Where it was saved; None where it was stopped before there was anything to keep.
        result: What the trainer tells.
        files: Bytes of each file in the folder.
    """

    folder: Path | None
    result: "TrainResult"
    files: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "task": self.result.task,
            "output": None if self.folder is None else str(self.folder),
            "interrupted": self.result.interrupted,
            "reason": self.result.reason,
            "best_epoch": self.result.best_epoch,
            "metrics": dict(self.result.best_metrics),
            "seconds": round(self.result.seconds, 2),
            "files": dict(self.files),
        }


def check_output(folder: Path, *, overwrite: bool) -> None:
    """Refuses a folder that a finished run could not be saved in.

    Raises:
        OutputExistsError: It is taken.
        WriteError: It cannot be made there.
    """
    from polyhead.artifact import TASK_FILE, check_free

    if os.path.lexists(folder) and not overwrite and not _is_empty_folder(folder):
        raise OutputExistsError(
            f"{folder} exists; choose another --output, or replace it with --overwrite."
        )
    check_free(folder, overwrite=overwrite, marker=TASK_FILE)
    parent = next(place for place in folder.absolute().parents if place.exists())
    if not parent.is_dir():
        raise WriteError(f"{folder} cannot be made: {parent} is a file; choose another --output.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise WriteError(
            f"{folder} cannot be made: {parent} is read-only; choose another --output."
        )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def new_task(
    model: "DistilBertModelWithHeads",
    name: str,
    head: "HeadConfig",
    adapter: "AdapterConfig | str | None",
    *,
    share_adapter: "AdapterSetup" = None,
    text: "TextSettings",
    seed: int,
) -> None:
    """Adds a task whose first weights follow from the seed alone.

    Arguments are those of `add_task`. Of what `share_adapter` puts together, an adapter that the
    model lacks and that has the task's name is made by `adapter`; and where it fuses adapters that
    have no fusion yet, one is made, with the task's name too.
    """
    from polyhead.train import seeded

    with seeded(seed):
        if share_adapter is None:
            model.add_task(name, head=head, adapter=adapter, text=text)
            return
        made = _made(model, name, share_adapter, adapter)
        try:
            model.add_task(name, head=head, share_adapter=share_adapter, text=text)
        except BaseException:
            if made is not None:
                model.delete_adapter(made)
            raise


def _made(
    model: "DistilBertModelWithHeads",
    name: str,
    setup: "AdapterSetup",
    adapter: "AdapterConfig | str | None",
) -> str | None:
    """Adds what a setup lacks, and returns its name; None where it lacks nothing."""
    from polyhead.composition import fuses_in, names_of

    fusions = model.adapter_table.fusions
    for block in fuses_in(setup):
        known = fusions.values() if block.name is None else [fusions.get(block.name)]
        if block.fused in known:
            continue
        if name in block.fused and name not in model.adapters:
            raise ConfigError(
                f"{block!r} fuses the new adapter {name!r}, which has learned nothing; fuse those "
                "that --with loads."
            )
        return model.add_adapter_fusion(block.fused, name=block.name or name)
    if name in names_of(setup) and name not in model.adapters:
        model.add_adapter(name, "seq_bn" if adapter is None else adapter)
        return name
    return None


def fit(
    model: "DistilBertModelWithHeads",
    task: str,
    data: TrainingData,
    settings: "TrainSettings",
    folder: Path,
    *,
    overwrite: bool,
    hold: Sequence[str] = (),
) -> Finished:
    """Trains a task that is in the model and saves the best of it.

    Args:
        model: It holds the task, with fresh weights.
        task: The task's name.
        data: What it learns from.
        settings: Of the run.
        folder: Where the task goes.
        overwrite: Whether it may take the place of another.
        hold: Names of its adapters that shall not learn.
    """
    from polyhead.train import (
        TRAIN_LOG_FILE,
        ProgressBar,
        Trainer,
        evaluate,
        events_as_jsonl,
        training_record,
    )

    for use, examples in (("train", data.train), ("eval", data.evaluation)):
        # what a head refuses, or an evaluation lacks, shows now, and not when an epoch is over
        question = labelled_question(model, task, examples, data.files.get(use))
        what = "training texts" if use == "train" else "evaluation texts"
        note_cut(question.task, count_cut(question.encoded), len(examples), what)
    if data.evaluation:
        with suppress(InputError):  # one alone may lack what all of them have
            evaluate(model, task, data.evaluation[:1])
    result = Trainer(model, settings, observers=[ProgressBar()]).fit(
        task, data.train, data.evaluation, hold=hold
    )
    if result.best_epoch == 0:
        note(f"{task}: stopped before the first epoch was over; there is nothing to keep.")
        return Finished(None, result, {})
    if result.interrupted:
        note(f"{task}: stopped; the best so far, that of epoch {result.best_epoch}, is kept.")
    model.save_task(
        task,
        folder,
        overwrite=overwrite,
        metrics=result.best_metrics,
        training=training_record(result, data.files),
        files={TRAIN_LOG_FILE: events_as_jsonl(result.events)},
    )
    return Finished(folder, result, file_sizes(folder))
