"""`polyhead train`: a task of one's own from a file of labelled texts."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyhead.cli.adapter_option import WantedAdapter
from polyhead.cli.asking import words_to_ask, words_to_name
from polyhead.cli.failures import INTERRUPTED
from polyhead.cli.loading import BackboneSource
from polyhead.cli.location import located
from polyhead.cli.options import (
    BackboneOption,
    CacheDirOption,
    ColumnOption,
    JsonOption,
    LabelColumnOption,
    OfflineOption,
    PrecisionOption,
    RevisionOption,
    TextColumnOption,
    TextPairColumnOption,
    columns_of,
)
from polyhead.cli.output import command_line, print_json, print_line, print_table, readable_size
from polyhead.cli.training import Finished, TrainingData, check_output, fit, new_task
from polyhead.errors import ConfigError, ContractError, DataError, InputError
from polyhead.names import check_name

if TYPE_CHECKING:
    from polyhead.contracts import Example, Head, HeadConfig

__all__ = ["train"]

_TRAINING = "Training"
_RECOMMENDED = "Without it, as the kind of head recommends."
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
        str | None,
        typer.Option(
            "--adapter",
            help="Adapter preset or kind, or a config string: seq_bn\\[reduction_factor=8]; "
            "'none' trains a head on the bare encoder. Of those that --with loads, a name, or "
            "several put together: \"Fuse('a', 'b')\", \"Stack('a', 'NAME')\" with the task's own "
            "NAME for a new one. Without it, as the kind of head recommends.",
        ),
    ] = None,
    with_: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            help="A saved task or adapter to have beside the new one, for --adapter; repeatable.",
        ),
    ] = None,
    hold: Annotated[
        list[str] | None,
        typer.Option("--hold", help="An adapter of --with that does not learn; repeatable."),
    ] = None,
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
    column: ColumnOption = None,
    text_column: TextColumnOption = None,
    text_pair_column: TextPairColumnOption = None,
    label_column: LabelColumnOption = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            help=f"Most tokens of a row. {_RECOMMENDED}",
            rich_help_panel=_TEXT,
        ),
    ] = None,
    truncation: Annotated[
        str | None,
        typer.Option(
            "--truncation",
            help="Which text loses what does not fit: longest_first, only_first, only_second; "
            "'refuse' makes a text that is too long an error.",
            rich_help_panel=_TEXT,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", help=f"Passes over the data. {_RECOMMENDED}", rich_help_panel=_TRAINING
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            "--lr", help=f"Highest learning rate. {_RECOMMENDED}", rich_help_panel=_TRAINING
        ),
    ] = None,
    head_lr: Annotated[
        float | None,
        typer.Option(
            "--head-lr",
            help="The head's own highest learning rate; with --lr alone, the same.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", help=f"Examples of a step. {_RECOMMENDED}", rich_help_panel=_TRAINING
        ),
    ] = None,
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
    activation_cache: Annotated[
        float,
        typer.Option(
            "--activation-cache",
            help="Most memory, in GB, to keep what the encoder computes of each text for the next "
            "epochs: for '--adapter none', adapters that only read and those that are held. 0 for "
            "none.",
            rich_help_panel=_TRAINING,
        ),
    ] = 2.0,
    revision: RevisionOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
    precision: PrecisionOption = "float32",
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

    columns = columns_of(column, text=text_column, text_pair=text_pair_column, label=label_column)
    head_class, options = registry().head_spec(head)
    recipe = head_class.recipe
    given_text = {"max_length": max_length, "truncation": truncation}
    text = validate_config(
        TextSettings, recipe.text.model_dump() | _given(given_text), "the text settings"
    )
    settings = TrainSettings.of(
        recipe if lr is None else recipe.model_copy(update={"head_lr": None}),
        epochs=epochs,
        lr=lr,
        head_lr=head_lr,
        batch_size=batch_size,
        warmup_ratio=warmup_ratio,
        patience=patience,
        seed=seed,
        activation_cache=activation_cache,
    )
    wanted = WantedAdapter.of(adapter, recipe.adapter, with_ or ())
    _add_option(options, "labels", None if labels is None else _listed(labels))
    _add_option(options, "class_weights", class_weights)
    read = partial(read_examples, head_class=head_class, columns=columns)
    examples = TrainingData(
        train=read(data),
        evaluation=[] if eval_data is None else read(eval_data),
        files={"train": data} if eval_data is None else {"train": data, "eval": eval_data},
    )
    head_config = _head_config(head_class, options, examples)
    model = BackboneSource(backbone, revision, cache_dir, offline, precision).load(backbone)
    if max_length is None:  # a recommendation gives way to an encoder that takes less
        fitting = min(text.max_length, model.shape.max_positions)
        text = text.model_copy(update={"max_length": fitting})
    config, setup = wanted.on(model, task)
    new_task(model, task, head_config, config, share_adapter=setup, text=text, seed=settings.seed)
    finished = fit(
        model, task, examples, settings, output, overwrite=overwrite, hold=tuple(hold or ())
    )
    if as_json:
        print_json(finished.as_json())
    elif finished.folder is not None:
        labelled = data if eval_data is None else eval_data
        _show(finished, finished.folder)
        _suggest(finished.folder, examples.train[0], labelled, columns)
    if finished.result.interrupted:
        raise typer.Exit(INTERRUPTED)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


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
    source = examples.files["train"]
    try:
        with located(source):
            config = head_class.configure(options, examples.train)
    except DataError:
        raise
    except InputError as error:  # the examples as a whole make no task
        raise DataError(source, str(error)) from None
    if type(config) is not head_class.Config:  # another kind would be trained in its place
        raise ContractError(
            f"{head_class.__qualname__}.configure returned a {type(config).__qualname__} and must "
            f"return its own Config, {head_class.Config.__qualname__}."
        )
    return config


def _listed(labels: str) -> tuple[str, ...]:
    return tuple(label.strip() for label in labels.split(","))


def _show(finished: Finished, folder: Path) -> None:
    result = finished.result
    rows = [["best epoch", str(result.best_epoch)]]
    rows += [[name, f"{value:.4f}"] for name, value in result.best_metrics.items()]
    rows += [[name, readable_size(size)] for name, size in finished.files.items()]
    rows.append(["seconds", f"{result.seconds:.1f}"])
    print_table([result.task, str(folder)], rows, right=[str(folder)])


def _suggest(folder: Path, seen: "Example", labelled: Path, columns: Mapping[str, str]) -> None:
    """Prints what may be typed next; `seen` is an example that the task has learnt from."""
    print_line("Next:")
    for words in (
        words_to_ask(folder, seen, labelled, columns),
        ["evaluate", "--task", folder, "--data", labelled, *words_to_name(columns)],
        ["inspect", folder],
    ):
        print_line(f"  {command_line(*words)}")
