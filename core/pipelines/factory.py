"""`pipeline(...)`: texts in, answers out, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.distilbert.placing import device_of
from polyhead.encoder import HubOptions
from polyhead.errors import ConfigError
from polyhead.pipelines.device import read_device
from polyhead.pipelines.loading import Request
from polyhead.pipelines.tasks import pipeline_named

if TYPE_CHECKING:
    import torch

    from polyhead.distilbert import DistilBertPreTrainedModel
    from polyhead.distilbert.placing import DeviceMap
    from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer
    from polyhead.encoder import DistilBertConfig
    from polyhead.model import DistilBertModelWithHeads
    from polyhead.pipelines.base import Pipeline

__all__ = ["pipeline"]


def pipeline(
    task: str | None = None,
    model: str | Path | DistilBertPreTrainedModel | DistilBertModelWithHeads | None = None,
    config: str | Path | DistilBertConfig | None = None,
    tokenizer: str | Path | DistilBertTokenizer | None = None,
    *,
    device: int | str | torch.device | None = None,
    device_map: DeviceMap | None = None,
    dtype: str | torch.dtype | None = None,
    torch_dtype: str | torch.dtype | None = None,
    precision: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    batch_size: int | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    framework: str | None = None,
    use_fast: bool = True,
    trust_remote_code: bool | None = None,
    num_workers: int | None = None,
    **options: Any,
) -> Pipeline:
    """A pipeline, which answers texts as transformers' pipeline of that name does.

    Args:
        task: "text-classification" or "sentiment-analysis", "token-classification" or "ner",
            "question-answering", "fill-mask", "feature-extraction". When None, the one that the
            model is for.
        model: A checkpoint's folder, a hub id or a named backbone such as "minilm"; the folder of a
            task that was saved here, with its adapter; or a model object.
        config: Stands in place of a checkpoint's own configuration.
        tokenizer: A folder, a name or an object; the model's own when None.
        device: The number of a GPU, -1, "cpu", "cuda", "cuda:1" or a `torch.device`. When None, a
            model that is loaded goes to the first GPU if there is one, and an object stays.
        device_map: In place of `device`: "auto", or a device.
        dtype: Floating-point type of the weights; float32 when None, the checkpoint's when "auto".
        torch_dtype: Another name of `dtype`.
        precision: In place of `dtype`, what the encoder's products are computed in: "float32"; on a
            CPU also "int8", or "bfloat16" where it has that; on a GPU "bfloat16" or "float16".
        revision: Branch, tag or commit on the hub.
        token: For private repositories.
        cache_dir: Where the hub's files are kept.
        local_files_only: Whether to use the hub's cache alone.
        batch_size: How many rows are computed at once; as many as make good use of a processor when
            None.
        model_kwargs: More arguments of the model's `from_pretrained`, such as
            `attn_implementation`. For a task's folder also `backbone`, where the backbone is not
            found under the name that the task was trained with.
        framework: "pt"; transformers' other ones are none here.
        use_fast: Accepted, and of no effect: there is one tokenizer.
        trust_remote_code: Accepted, and of no effect: no code of a checkpoint is ever run.
        num_workers: Accepted, and of no effect.
        options: Of the pipeline, for all calls that do not say otherwise: `top_k`,
            `aggregation_strategy`, ...

    Returns:
        The pipeline: a function of one text, a list, or anything to iterate over.

    Raises:
        UnknownPipelineError: There is no pipeline of that name.
        UnknownBackboneError: There is no such folder or named backbone.
        CheckpointError: Files are missing or damaged, or the checkpoint has no head for the task.
        ConfigError: An argument is unknown, out of range, or does not fit the others.
    """
    del use_fast, trust_remote_code, num_workers
    found = None if task is None else pipeline_named(task)
    if model is None:
        raise ConfigError(
            "a pipeline needs a model: give model=..., a checkpoint's folder or hub id, or the "
            "folder of a task; there is no default one."
        )
    if framework not in {None, "pt"}:
        raise ConfigError(f"framework must be 'pt', not {framework!r}: models here are torch's.")
    request = Request(
        pipeline=found,
        model=model,
        config=config,
        tokenizer=tokenizer,
        hub=HubOptions(revision, cache_dir, local_files_only, token),
        device=_device(device, device_map),
        dtype=_one_of("dtype", dtype, "torch_dtype", torch_dtype),
        precision=precision,
        model_kwargs=dict(model_kwargs or {}),
    )
    cls, source = request.open()
    return cls(source, task=task, batch_size=batch_size, options=options)


def _device(device: Any, device_map: DeviceMap | None) -> Any:
    if device_map is None:
        return device
    placed = device_of(device_map)
    wanted = None if device is None else read_device(device)
    return _one_of("device", wanted, "device_map", placed)


def _one_of(first: str, value: Any, second: str, other: Any) -> Any:
    """The one of two arguments that was given.

    Raises:
        ConfigError: Both were, and they differ.
    """
    if value is not None and other is not None and value != other:
        raise ConfigError(f"{first} and {second} are both given; give one of them.")
    return other if value is None else value
