"""`polyhead quickstart`: three tasks from bundled texts, then all of them in one call."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from polyhead.cli.failures import INTERRUPTED
from polyhead.cli.loading import BackboneSource
from polyhead.cli.options import JsonOption
from polyhead.cli.output import (
    command_line,
    note,
    print_json,
    print_line,
    print_table,
    readable_size,
)
from polyhead.cli.training import Finished, TrainingData, fit, new_task
from polyhead.errors import OutputExistsError

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["quickstart"]

MARKER: Final = "quickstart.json"
"""The file by which a folder is known as one that this command made."""
BACKBONE: Final = "minilm"
ADAPTER: Final = "seq_bn"
TEXT: Final = {"max_length": 128}
SETTINGS: Final = {"epochs": 6, "lr": 1e-3, "batch_size": 16}
TEXTS: Final = (
    "Water is dripping out of the heater you sold me and the floor is flooding. Call me right now!",
    "The replacement arrived a day early and works perfectly. Thank you so much, no reply needed.",
    "You charged my card twice this month. Please send one payment back by Friday.",
    "Can the desk lamp be dimmed, and which bulb does it take?",
    "My parcel has been stuck for two weeks and nobody answers. I am fed up with your courier.",
)


def quickstart(
    *,
    output: Annotated[Path, typer.Option("--output", help="Folder to save the tasks in.")] = Path(
        "polyhead-quickstart"
    ),
    as_json: JsonOption = False,
) -> None:
    """Train three small tasks on bundled texts, and answer some with all of them at once.

    A second run replaces the folder that the first one made.
    """
    _check_own(output)

    from polyhead.train import BUNDLED_LABELS

    note(f"Loading the frozen encoder {BACKBONE}.")
    model = BackboneSource(BACKBONE).load(BACKBONE)
    _put_texts(output)
    runs: list[Finished] = []
    for number, label in enumerate(BUNDLED_LABELS, start=1):
        note(f"Task {number} of {len(BUNDLED_LABELS)}: {label}")
        runs.append(_train(model, label, output / label))
        if runs[-1].result.interrupted:
            raise typer.Exit(INTERRUPTED)
    predictions = model.predict(list(TEXTS), task=list(BUNDLED_LABELS))
    if as_json:
        print_json(
            {
                "backbone": model.backbone.name,
                "tasks": [run.as_json() for run in runs],
                "answers": [
                    {
                        "text": text,
                        "predictions": {name: p.model_dump() for name, p in found.items()},
                    }
                    for text, found in zip(TEXTS, predictions, strict=True)
                ],
            }
        )
        return
    _show_runs(runs)
    print_line(f"Saved in {output}. Five new texts, all three tasks in one call:")
    print_table(
        ["text", *BUNDLED_LABELS],
        [
            [text, *(str(found[name]) for name in BUNDLED_LABELS)]
            for text, found in zip(TEXTS, predictions, strict=True)
        ],
    )
    _show_next(output)


def _check_own(folder: Path) -> None:
    """Refuses a folder that holds something else than an earlier quickstart.

    Raises:
        OutputExistsError: It does.
    """
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / MARKER).is_file()):
        return
    if folder.exists():
        raise OutputExistsError(
            f"{folder} exists and was not made by a quickstart; choose another --output."
        )


def _put_texts(folder: Path) -> None:
    """The marker, and the bundled texts as files to train and evaluate on."""
    from importlib.metadata import version
    from importlib.resources import files

    from polyhead.artifact import write_file

    about = {"made by": "polyhead quickstart", "polyhead": version("polyhead")}
    write_file(folder / MARKER, json.dumps(about, indent=2).encode() + b"\n")
    for part in ("train", "dev"):
        content = (files("polyhead.train") / "examples" / f"support_desk.{part}.jsonl").read_bytes()
        write_file(folder / "texts" / f"{part}.jsonl", content)


def _train(model: "DistilBertModelWithHeads", label: str, folder: Path) -> Finished:
    from polyhead.contracts import TextSettings
    from polyhead.registry import registry
    from polyhead.train import TrainSettings, bundled_examples

    train, dev = bundled_examples(label)
    settings = TrainSettings.model_validate(SETTINGS)
    head = registry().head("classification").configure({}, train)
    new_task(
        model, label, head, ADAPTER, text=TextSettings.model_validate(TEXT), seed=settings.seed
    )
    return fit(model, label, TrainingData(train, dev), settings, folder, overwrite=True)


def _show_runs(runs: list[Finished]) -> None:
    numbers = ["held-out accuracy", "adapter", "head", "seconds"]
    rows = [
        [
            run.result.task,
            f"{run.result.best_metrics['accuracy']:.3f}",
            readable_size(run.files["adapter.safetensors"]),
            readable_size(run.files["head.safetensors"]),
            f"{run.result.seconds:.1f}",
        ]
        for run in runs
    ]
    print_table(["task", *numbers], rows, right=numbers)


def _show_next(folder: Path) -> None:
    labels = ("urgency", "topic", "sentiment")
    tasks = [word for label in labels for word in ("--task", folder / label)]
    train, dev = (folder / "texts" / f"{part}.jsonl" for part in ("train", "dev"))
    topic = ("--label-column", "topic")
    print_line("What to type next:")
    for words in (
        ("predict", *tasks, "Where is my parcel? I need it by tomorrow morning!"),
        ("tasks", folder),
        ("evaluate", "--task", folder / "topic", "--data", dev, *topic),
        (
            "train",
            "--task",
            "topic",
            "--data",
            train,
            "--eval",
            dev,
            *topic,
            "--output",
            "tasks/topic",
        ),
    ):
        print_line(f"  {command_line(*words)}")
