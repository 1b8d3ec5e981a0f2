"""Models of the DistilBERT documents from checkpoints, and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from polyhead.distilbert.outputs import CallOutput
from polyhead.distilbert.parts import DistilBertParts
from polyhead.distilbert.placing import DeviceMap, device_of, dtype_of
from polyhead.distilbert.saving import bytes_of, write_checkpoint
from polyhead.encoder import (
    AttentionName,
    Checkpoint,
    DistilBertConfig,
    Encoder,
    HubOptions,
    checkpoint_weights,
    find_checkpoint,
    load_checkpoint,
    read_config,
)
from polyhead.errors import ConfigError

__all__ = ["DistilBertPreTrainedModel", "Wanted"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What a call returns besides the answer, and how.

    Attributes:
        attentions: Whether the attention weights.
        hidden_states: Whether every layer's hidden states.
        is_named: Whether as named values, and not as a tuple.
    """

    attentions: bool
    hidden_states: bool
    is_named: bool

    def returned(self, output: CallOutput) -> Any:
        """`output`, or its values as a tuple."""
        return output if self.is_named else output.to_tuple()


class DistilBertPreTrainedModel(DistilBertParts):
    """Base of the classes of the DistilBERT documents."""

    weight_prefix: ClassVar[str] = "distilbert."
    """In front of the encoder's weights in checkpoints of this class."""

    def __init__(self, config: DistilBertConfig, *, encoder: Encoder | None = None) -> None:
        """Makes a model with fresh weights.

        Args:
            config: Its sizes and constants; it is copied.
            encoder: Used in place of a fresh one, with the configuration that it has.

        Raises:
            ConfigError: The configuration does not make such a model.
        """
        super().__init__()
        if not isinstance(config, DistilBertConfig):
            raise ConfigError(
                f"{type(self).__name__} is made of a DistilBertConfig, not of "
                f"{type(config).__name__}; use from_pretrained for checkpoints."
            )
        self._build(config, Encoder(config, is_frozen=False) if encoder is None else encoder)

    def _build(self, config: DistilBertConfig, encoder: Encoder) -> None:
        """Makes the parts."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        config: DistilBertConfig | str | Path | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | None = None,
        dtype: str | torch.dtype | None = None,
        torch_dtype: str | torch.dtype | None = None,
        device_map: DeviceMap | None = None,
        attn_implementation: AttentionName | None = None,
        ignore_mismatched_sizes: bool = False,
        **changes: Any,
    ) -> Self:
        """A model with a checkpoint's weights, in evaluation mode.

        Its encoder takes gradients. A head whose weights the checkpoint does not have starts fresh,
        and a warning is logged.

        Args:
            pretrained_model_name_or_path: A checkpoint folder, a named backbone such as "minilm",
                or a hub id such as "distilbert/distilbert-base-uncased".
            config: Stands in place of the checkpoint's own: a configuration, or where one is.
            revision: Branch, tag or commit on the hub.
            cache_dir: Where the hub's files are kept.
            local_files_only: Whether to use the hub's cache alone.
            token: For private repositories.
            dtype: Floating-point type of the weights; float32 when None, the checkpoint's own when
                "auto".
            torch_dtype: Another name of `dtype`.
            device_map: Where the model goes: "auto" for a GPU if there is one, or a device.
            attn_implementation: "sdpa", "eager" or "flash_attention_2".
            ignore_mismatched_sizes: Whether a head of other sizes is passed over, and not refused.
            changes: Fields of the configuration that shall differ, such as `num_labels`,
                `id2label`, `problem_type`, `attention_dropout` or `output_attentions`.

        Raises:
            UnknownBackboneError: There is no such folder or named backbone.
            CheckpointError: Its files are missing, damaged or of another architecture.
            ConfigError: An argument is unknown or out of range.
        """
        device, dtype = device_of(device_map), torch_dtype if dtype is None else dtype
        options = HubOptions(revision, cache_dir, local_files_only, token)
        _check_names(cls, changes)
        folder = find_checkpoint(pretrained_model_name_or_path, options)
        named = {"name_or_path": str(pretrained_model_name_or_path), **changes}
        config = _config_for(config, folder).changed(**named)
        dtype = dtype_of(dtype, config.dtype)
        if attn_implementation is not None:
            config = config.changed(attn_implementation=attn_implementation)
        checkpoint = load_checkpoint(folder, config)
        checkpoint.encoder.unfreeze()
        model = cls(config, encoder=checkpoint.encoder)
        fresh = model.fill_head(checkpoint, folder, may_differ=ignore_mismatched_sizes)
        if fresh:
            _log.warning(
                "%s: the checkpoint %s lacks the weights %s, which start fresh; train the model "
                "on a task before you use its answers.",
                cls.__name__,
                folder,
                ", ".join(fresh),
            )
        model.config.dtype = dtype
        return model.to(device, dtype).eval()

    def fill_head(
        self, checkpoint: Checkpoint, folder: Path, *, may_differ: bool = False
    ) -> list[str]:
        """Puts a checkpoint's weights into the head, if the model has one.

        Args:
            checkpoint: What the folder holds.
            folder: For messages.
            may_differ: Whether weights of another shape are passed over, and not refused.

        Returns:
            The checkpoint's names of weights that it lacks, and that stayed fresh.

        Raises:
            CheckpointError: A weight is of another shape or not finite.
        """
        del checkpoint, folder, may_differ
        return []

    def head_weights(self) -> dict[str, Tensor]:
        """The head's weights under the names of transformers."""
        return {}

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        safe_serialization: bool = True,
        max_shard_size: str | int = "5GB",
    ) -> None:
        """Writes a checkpoint that transformers loads: config.json and the weights.

        What is there of an older checkpoint is replaced. Adapters are not part of it; see
        `save_adapter`.

        Args:
            save_directory: Where to; made if it is missing.
            safe_serialization: Whether as safetensors, and not as pickled tensors.
            max_shard_size: Most bytes of one file; above it, there are several and an index.

        Raises:
            ConfigError: The configuration cannot be written: its activation is a function, or it
                came from a BERT with constants of its own.
            WriteError: A file could not be written.
        """
        folder, most_bytes = Path(save_directory), bytes_of(max_shard_size)
        config = self.config.changed(architectures=[type(self).__name__], dtype=self.dtype)
        config.to_json_string()  # refuses what cannot be written before anything is
        encoder = {
            self.weight_prefix + name: weight
            for name, weight in checkpoint_weights(self.base_model.encoder).items()
        }
        weights = {**encoder, **self.head_weights()}
        write_checkpoint(folder, weights, is_safe=safe_serialization, most_bytes=most_bytes)
        config.save_pretrained(folder)

    def _wanted(
        self,
        output_attentions: bool | None,
        output_hidden_states: bool | None,
        return_dict: bool | None,
    ) -> Wanted:
        """What a call asks for, completed from the configuration."""
        config = self.config
        return Wanted(
            config.output_attentions if output_attentions is None else output_attentions,
            config.output_hidden_states if output_hidden_states is None else output_hidden_states,
            config.return_dict if return_dict is None else return_dict,
        )


def _check_names(cls: type[DistilBertPreTrainedModel], changes: Mapping[str, Any]) -> None:
    """Refuses arguments that are neither of `from_pretrained` nor fields of a configuration."""
    fields = [*DistilBertConfig.model_fields, "num_labels", *DistilBertConfig.other_names]
    unknown = next((name for name in changes if name not in fields), None)
    if unknown is None:
        return
    parameters = signature(cls.from_pretrained).parameters.values()
    own = [each.name for each in parameters if each.kind is Parameter.KEYWORD_ONLY]
    close = get_close_matches(unknown, [*own, *fields], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigError(
        f"{cls.__name__}.from_pretrained has no argument {unknown!r}; besides its own, "
        f"{', '.join(own)}, it takes the fields of a DistilBertConfig.{hint}"
    )


def _config_for(config: DistilBertConfig | str | Path | None, folder: Path) -> DistilBertConfig:
    if config is None:
        return read_config(folder / "config.json")
    if isinstance(config, DistilBertConfig):
        return config
    return DistilBertConfig.from_pretrained(config)
