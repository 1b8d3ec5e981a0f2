"""`polyhead train`: a task of one's own from a file of labelled texts."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyhead.cli.failures import INTERRUPTED
from polyhead.cli.loading import BackboneSource
from polyhead.cli.options import (
    BackboneOption,
    CacheDirOption,
    JsonOption,
    LabelColumnOption,
    OfflineOption,
    RevisionOption,
    TextColumnOption,
    TextPairColumnOption,
)
from polyhead.cli.output import command_line, print_json, print_line, print_table, readable_size
from polyhead.cli.training import Finished, TrainingData, check_output, fit, new_task
from polyhead.errors import ConfigError, DataError, InputError
from polyhead.names import check_name

if TYPE_CHECKING:
    from polyhead.contracts import AdapterConfig, Head, HeadConfig

__all__ = ["train"]

_TRAINING = "Training"
_TEXT = "Texts"


def train(
    *,
    task: Annotated[str, typer.Option("--task", help="Name of the new task.")],
    data: Annotated[Path, typer.Option("--data", help="Labelled texts: JSONL, CSV or TSV.")],
    output: Annotated[Path, typer.Option("--output", help="Folder to save the task in.")],
    eval_data: Annotated[
        Path | None,
        typer.Option(
            "--eval",
            help="Labelled texts to choose the best epoch by; without them it is the last.",
        ),
    ] = None,
    head: Annotated[
        str,
        typer.Option(
            "--head", help="Kind of head, or a config string: classification\\[layers=1]."
        ),
    ] = "classification",
    adapter: Annotated[
        str,
        typer.Option(
            "--adapter",
            help="Adapter preset or kind, or a config string: seq_bn\\[reduction_factor=8]; "
            "'none' trains a head on the bare encoder.",
        ),
    ] = "seq_bn",
    backbone: BackboneOption = "minilm",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a task that is in the output folder.")
    ] = False,
    as_json: JsonOption = False,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            help="Labels in their order, as in no,yes; without it those of the data, sorted.",
            rich_help_panel=_TEXT,
        ),
    ] = None,
    text_column: TextColumnOption = "text",
    text_pair_column: TextPairColumnOption = None,
    label_column: LabelColumnOption = "label",
    max_length: Annotated[
        int,
        typer.Option("--max-length", help="Most tokens of a row.", rich_help_panel=_TEXT),
    ] = 128,
    truncation: Annotated[
        str,
        typer.Option(
            "--truncation",
            help="Which text loses what does not fit: longest_first, only_first, only_second; "
            "'refuse' makes a text that is too long an error.",
            rich_help_panel=_TEXT,
        ),
    ] = "longest_first",
    epochs: Annotated[
        int, typer.Option("--epochs", help="Passes over the data.", rich_help_panel=_TRAINING)
    ] = 3,
    lr: Annotated[
        float, typer.Option("--lr", help="Highest learning rate.", rich_help_panel=_TRAINING)
    ] = 1e-3,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="Texts of a step.", rich_help_panel=_TRAINING)
    ] = 32,
    warmup_ratio: Annotated[
        float,
        typer.Option(
            "--warmup-ratio",
            help="Share of the steps in which the learning rate rises.",
            rich_help_panel=_TRAINING,
        ),
    ] = 0.1,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            help="Stop after so many epochs without a better one.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(
            "--class-weights",
            help="'balanced' weighs each label by how rare it is.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of weights and order.", rich_help_panel=_TRAINING)
    ] = 0,
    revision: RevisionOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
) -> None:
    """Train a task from a file of labelled texts.

    Everything that can be checked is checked before the training starts.
    Ctrl-C keeps the best epoch so far.
    """
    check_name(task, "task")
    check_output(output, overwrite=overwrite)

    from polyhead.contracts import TextSettings, validate_config
    from polyhead.registry import registry
    from polyhead.train import TrainSettings, read_examples

    text = validate_config(
        TextSettings, {"max_length": max_length, "truncation": truncation}, "the text settings"
    )
    settings = validate_config(
        TrainSettings,
        {
            "epochs": epochs,
            "lr": lr,
            "batch_size": batch_size,
            "warmup_ratio": warmup_ratio,
            "patience": patience,
            "seed": seed,
        },
        "the training settings",
    )
    adapter_config = _adapter_config(adapter)
    head_class, options = registry().head_spec(head)
    _add_option(options, "labels", None if labels is None else _listed(labels))
    _add_option(options, "class_weights", class_weights)
    read = partial(
        read_examples,
        head_class=head_class,
        text_column=text_column,
        text_pair_column=text_pair_column,
        label_column=label_column,
    )
    examples = TrainingData(
        train=read(data),
        evaluation=[] if eval_data is None else read(eval_data),
        files={"train": data} if eval_data is None else {"train": data, "eval": eval_data},
    )
    head_config = _head_config(head_class, options, examples)
    model = BackboneSource(backbone, revision, cache_dir, offline).load(backbone)
    new_task(model, task, head_config, adapter_config, text=text, seed=settings.seed)
    finished = fit(model, task, examples, settings, output, overwrite=overwrite)
    if as_json:
        print_json(finished.as_json())
    elif finished.folder is not None:
        _show(finished, finished.folder, data if eval_data is None else eval_data)
    if finished.result.interrupted:
        raise typer.Exit(INTERRUPTED)


def _adapter_config(adapter: str) -> "AdapterConfig | None":
    from polyhead.registry import registry

    return None if adapter.lower() == "none" else registry().adapter_config(adapter)


def _add_option(options: dict[str, Any], name: str, value: object) -> None:
    """Puts what an option of the command says into the fields of the head's config string."""
    if value is None:
        return
    if name in options:
        raise ConfigError(f"{name} is given twice, in --head and as an option; give it once.")
    options[name] = value


def _head_config(
    head_class: "type[Head]", options: dict[str, Any], examples: TrainingData
) -> "HeadConfig":
    try:
        return head_class.configure(options, examples.train)
    except InputError as error:  # the examples as a whole make no task
        raise DataError(examples.files["train"], str(error)) from None


def _listed(labels: str) -> tuple[str, ...]:
    return tuple(label.strip() for label in labels.split(","))


def _show(finished: Finished, folder: Path, labelled: Path) -> None:
    result = finished.result
    rows = [["best epoch", str(result.best_epoch)]]
    rows += [[name, f"{value:.4f}"] for name, value in result.best_metrics.items()]
    rows += [[name, readable_size(size)] for name, size in finished.files.items()]
    rows.append(["seconds", f"{result.seconds:.1f}"])
    print_table([result.task, str(folder)], rows, right=[str(folder)])
    print_line("Next:")
    for words in (
        ("predict", "--task", folder, "a text of yours"),
        ("evaluate", "--task", folder, "--data", labelled),
        ("inspect", folder),
    ):
        print_line(f"  {command_line(*words)}")
