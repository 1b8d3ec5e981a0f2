"""From what a pipeline is asked to be made of to a model that answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from polyhead import distilbert
from polyhead.artifact import TASK_FILE, read_task
from polyhead.distilbert import DistilBertPreTrainedModel
from polyhead.distilbert.placing import dtype_of
from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer
from polyhead.encoder import HubOptions, Precision, check_precision, find_checkpoint
from polyhead.encoder.config import DistilBertConfig
from polyhead.encoder.finding import find_config
from polyhead.encoder.weights import read_weights
from polyhead.errors import CheckpointError, ConfigError, listing
from polyhead.model import DistilBertModelWithHeads
from polyhead.pipelines.base import Pipeline
from polyhead.pipelines.checkpoint_source import CheckpointSource
from polyhead.pipelines.device import default_device, read_device
from polyhead.pipelines.source import Source
from polyhead.pipelines.task_source import TaskSource
from polyhead.pipelines.tasks import pipeline_for_head, pipeline_for_model

if TYPE_CHECKING:
    from polyhead.distilbert.with_head import DistilBertWithHead

__all__ = ["Request"]

Opened = tuple[type[Pipeline], Source]


@dataclass(frozen=True)
class Request:
    """What a pipeline shall be made of.

    Attributes:
        pipeline: The pipeline that was asked for; None for the one that fits the model.
        model: A name, a folder or an object.
        config: Stands in place of a checkpoint's own.
        tokenizer: A name, a folder or an object; the model's own when None.
        hub: How to ask the hub.
        device: Where to compute; None for where a model is, or the first GPU for one that is
            loaded.
        dtype: Of the weights of a model that is loaded.
        precision: In place of `dtype`, what the encoder's products are computed in.
        model_kwargs: More arguments of the model's `from_pretrained`.
    """

    pipeline: type[Pipeline] | None
    model: Any
    config: Any = None
    tokenizer: Any = None
    hub: HubOptions = field(default_factory=HubOptions)
    device: Any = None
    dtype: Any = None
    precision: str | None = None
    model_kwargs: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> Opened:
        """The pipeline's class and the model that answers.

        Raises:
            PolyheadError: They do not go together, or something is not to be had.
        """
        if isinstance(self.model, str | Path):
            # os.path, not Path: that raises for names that are too long
            is_task = os.path.isfile(os.path.join(self.model, TASK_FILE))  # noqa: PTH113, PTH118
            return self._task_folder(Path(self.model)) if is_task else self._checkpoint()
        if isinstance(self.model, DistilBertPreTrainedModel | DistilBertModelWithHeads):
            self._check_loaded()
            if self.device is not None:
                self.model.to(read_device(self.device))
        if isinstance(self.model, DistilBertPreTrainedModel):
            cls = _fitting(self.pipeline, self.model)
            return cls, CheckpointSource(self.model, self._tokenizer(self.model.name_or_path))
        if isinstance(self.model, DistilBertModelWithHeads):
            return self._with_heads(self.model)
        raise ConfigError(
            "model must be a checkpoint's folder or name, a task's folder, or a model of polyhead, "
            f"not {type(self.model).__module__}.{type(self.model).__qualname__}."
        )

    def _checkpoint(self) -> Opened:
        cls = self._class_of_checkpoint() if self.pipeline is None else self.pipeline
        model_class = getattr(distilbert, cls.model_class)
        device = self._device()
        dtype, precision = self._types(device)
        if cls.needs_head:
            self._check_head(cls, model_class)
        model = model_class.from_pretrained(
            self.model,
            config=self.config,
            revision=self.hub.revision,
            cache_dir=self.hub.cache_dir,
            local_files_only=self.hub.local_files_only,
            token=self.hub.token,
            dtype=dtype,
            **{"device_map": device, **self.model_kwargs},
        )
        if precision != "float32":
            model.freeze_encoder()  # a pipeline does not train it
            model.base_model.encoder.reduce(precision)
        return cls, CheckpointSource(model, self._tokenizer(str(self.model)))

    def _class_of_checkpoint(self) -> type[Pipeline]:
        """The pipeline for the class that a checkpoint was written by."""
        written = self._written_by()
        found = next(filter(None, map(pipeline_for_model, written)), None)
        if found is None:
            by = listing(written) if written else "an unknown class"
            raise ConfigError(
                f"{self.model} was written by {by}, which does not tell what it is for; name the "
                "task."
            )
        return found

    def _check_head(self, cls: type[Pipeline], model_class: type[DistilBertWithHead]) -> None:
        """Refuses a checkpoint without the head that answers: a fresh one would answer at random.

        Raises:
            CheckpointError: It lacks weights of the head, or was written by a class of another.
        """
        folder = find_checkpoint(self.model, self.hub)
        written = self._written_by()
        # two heads may have weights of one name
        others = [name for name in written if _as_distilbert(name) in distilbert.__all__]
        if others and cls.model_class not in map(_as_distilbert, others):
            raise CheckpointError(
                f"{folder} has no head for {cls.kind!r}: it was written by {listing(others)}. Give "
                "a checkpoint that was trained for it, or the folder of a task."
            )
        there = read_weights(folder).keys()
        wanted = [list(model_class.head_names.values()), list(model_class.bert_names.values())]
        if any(names and there >= set(names) for names in wanted):
            return
        lacking = next(name for name in wanted[0] if name not in there)
        raise CheckpointError(
            f"{folder} has no head for {cls.kind!r}: it lacks {lacking}. Give a checkpoint that "
            "was trained for it, or the folder of a task."
        )

    def _written_by(self) -> list[str]:
        """The classes that a checkpoint names as its own."""
        path = find_config(self.model, self.hub)
        return DistilBertConfig.from_pretrained(path).architectures or []

    def _task_folder(self, folder: Path) -> Opened:
        self._check_no_tokenizer()
        options = dict(self.model_kwargs)
        saved = read_task(folder)
        cls = self._class_for_head(saved.head.kind, f"the task {saved.manifest.name!r}")
        device = self._device()
        dtype, precision = self._types(device)
        model = DistilBertModelWithHeads.from_pretrained(
            options.pop("backbone", saved.manifest.backbone.name),
            revision=self.hub.revision,
            cache_dir=self.hub.cache_dir,
            local_files_only=self.hub.local_files_only,
            token=self.hub.token,
            precision=precision,
        )
        attention = options.pop("attn_implementation", None)
        if options:
            raise ConfigError(
                f"model_kwargs of a task may hold 'backbone' and 'attn_implementation', not "
                f"{next(iter(options))!r}."
            )
        name = model.load_task(folder)
        model.to(device, dtype_of(dtype, None)).eval()
        if attention is not None:
            model.encoder.set_attn_implementation(attention)
        return cls, TaskSource(model, model.tasks[name])

    def _with_heads(self, model: DistilBertModelWithHeads) -> Opened:
        self._check_no_tokenizer()
        wanted = self.pipeline
        fitting = [
            task
            for task in model.tasks.values()
            if wanted is None
            or not wanted.needs_head
            or model.heads[task.head].kind in wanted.head_kinds
        ]
        if wanted is not None and not wanted.needs_head and not model.tasks:
            return wanted, TaskSource(model, None)
        if len(fitting) != 1:
            names = listing([task.name for task in fitting])
            raise ConfigError(
                f"the model has {len(fitting)} tasks that fit, {names}, and a pipeline asks one; "
                "ask them by name with model.predict(texts, task=...)."
                if fitting
                else "the model has no task that fits; add one with model.load_task(folder)."
            )
        [task] = fitting
        cls = self._class_for_head(model.heads[task.head].kind, f"the task {task.name!r}")
        return cls, TaskSource(model, task)

    def _class_for_head(self, kind: str, what: str) -> type[Pipeline]:
        """The pipeline that was asked for, or the one for that kind of head.

        Raises:
            ConfigError: They do not go together.
        """
        own = pipeline_for_head(kind)
        if self.pipeline is None and own is None:
            raise ConfigError(
                f"{what} has a head of kind {kind!r}, which no pipeline asks; answer texts with "
                "DistilBertModelWithHeads.predict."
            )
        if self.pipeline is None:
            return cast("type[Pipeline]", own)
        if self.pipeline.needs_head and kind not in self.pipeline.head_kinds:
            instead = "no pipeline" if own is None else f"the pipeline {own.kind!r}"
            raise ConfigError(
                f"{what} has a head of kind {kind!r}, which {instead} asks, not "
                f"{self.pipeline.kind!r}."
            )
        return self.pipeline

    def _tokenizer(self, name: str) -> DistilBertTokenizer:
        given = self.tokenizer
        if isinstance(given, DistilBertTokenizer):
            return given
        if given is not None and not isinstance(given, str | Path):
            raise ConfigError(
                "tokenizer must be a folder, a name or a DistilBertTokenizer of polyhead, not "
                f"{type(given).__module__}.{type(given).__qualname__}."
            )
        if given is None and not name:
            raise ConfigError(
                "the model was not loaded from a checkpoint, so nothing says which tokenizer it "
                "goes with; give one with tokenizer=..."
            )
        return DistilBertTokenizer.from_pretrained(
            name if given is None else given,
            # the revision is that of the model's repository
            revision=self.hub.revision if given is None else None,
            cache_dir=self.hub.cache_dir,
            local_files_only=self.hub.local_files_only,
            token=self.hub.token,
        )

    def _device(self) -> torch.device:
        return default_device() if self.device is None else read_device(self.device)

    def _types(self, device: torch.device) -> tuple[Any, Precision]:
        """The type of the weights, and what the encoder's are then reduced to.

        Raises:
            ConfigError: There is no such precision, or not on that device; or both are given.
        """
        if self.precision is None:
            return self.dtype, "float32"
        if self.dtype is not None:
            raise ConfigError("dtype and precision are both given; give one of them.")
        precision = check_precision(self.precision, device)
        return (None, precision) if device.type == "cpu" else (precision, "float32")

    def _check_no_tokenizer(self) -> None:
        if self.tokenizer is not None or self.config is not None:
            name = "config" if self.tokenizer is None else "tokenizer"
            raise ConfigError(
                f"a task has the {name} of the backbone that it was trained on; leave out {name}."
            )

    def _check_loaded(self) -> None:
        """Refuses what is for loading a model where there is one already."""
        given = {
            "config": self.config,
            "dtype": self.dtype,
            "precision": self.precision,
            **{f"model_kwargs[{name!r}]": value for name, value in self.model_kwargs.items()},
        }
        odd = next((name for name, value in given.items() if value is not None), None)
        if odd is not None:
            raise ConfigError(
                f"{odd} is for a model that is loaded here, and this one is there already; leave "
                "it out."
            )


def _fitting(wanted: type[Pipeline] | None, model: DistilBertPreTrainedModel) -> type[Pipeline]:
    """The pipeline for a model.

    Raises:
        ConfigError: There is none, or another one was asked for.
    """
    name = type(model).__name__
    own = next((cls for cls in map(pipeline_for_model, _class_names(model)) if cls), None)
    if wanted is None and own is None:
        raise ConfigError(f"no pipeline asks a {name}; call it with tensors.")
    if wanted is None or wanted is own:
        return cast("type[Pipeline]", own)
    instead = "" if own is None else f"; it is for {own.kind!r}"
    hint = " The encoder of it alone is model.base_model." if not wanted.needs_head else ""
    raise ConfigError(
        f"a {wanted.kind!r} pipeline asks a {wanted.model_class}, not a {name}{instead}.{hint}"
    )


def _as_distilbert(name: str) -> str:
    """The class of ours that reads what the class of that name wrote, a BERT's too."""
    return name.replace("DistilBert", "Bert").replace("Bert", "DistilBert")


def _class_names(model: DistilBertPreTrainedModel) -> list[str]:
    return [cls.__name__ for cls in type(model).__mro__]
