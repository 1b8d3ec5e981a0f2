"""The configuration of a DistilBERT-shaped encoder and of the classes built on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from polyhead.artifact import write_file
from polyhead.encoder.config_base import EPS, ConfigFields
from polyhead.encoder.config_file import own_fields, read_fields
from polyhead.encoder.finding import find_config
from polyhead.encoder.hub import HubOptions
from polyhead.errors import CheckpointError, ConfigError, shown

__all__ = ["DistilBertConfig", "read_config"]

_LABELS: Final = {"num_labels", "id2label", "label2id"}
_NEVER_SAVED: Final = {"attn_implementation", "layer_norm_eps", "name_or_path"}
_SAVED_WHERE_SET: Final = {
    "architectures",
    "dtype",
    "id2label",
    "label2id",
    "output_attentions",
    "output_hidden_states",
    "problem_type",
    "return_dict",
    "transformers_version",
}
"""Fields that every model of transformers has; files hold them where they are not default."""


ConfigT = TypeVar("ConfigT", bound="DistilBertConfig")


class DistilBertConfig(ConfigFields):
    """Sizes and constants under the names of transformers' `DistilBertConfig`, with its defaults.

    `hidden_size`, `num_attention_heads`, `num_hidden_layers` and `torch_dtype` are other names of
    `dim`, `n_heads`, `n_layers` and `dtype`. `num_labels` stands for that many labels, LABEL_0,
    LABEL_1, and so on.

    A field that is set later is checked as in the constructor. Models copy their configuration when
    they are built, so a change of sizes reaches none that is there.
    """

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **changes: Any) -> Self:
        """The configuration that transformers' config.json of a DistilBERT or BERT holds.

        Args:
            config_dict: What the file holds; unknown keys are passed over.
            changes: Fields that shall differ.

        Raises:
            ConfigError: It describes another architecture, or a field is out of range.
        """
        fields = own_fields(config_dict, cls.model_fields, cls.other_names)
        return cls(**fields).changed(**changes)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | None = None,
        **changes: Any,
    ) -> Self:
        """The configuration of a checkpoint.

        Args:
            name: A checkpoint folder or its config.json, a named backbone such as "minilm", or a
                hub id such as "distilbert/distilbert-base-uncased".
            revision: Branch, tag or commit on the hub.
            cache_dir: Where the hub's files are kept.
            local_files_only: Whether to use the hub's cache alone.
            token: For private repositories.
            changes: Fields that shall differ.

        Raises:
            UnknownBackboneError: There is no such folder or named backbone.
            CheckpointError: The file is missing, damaged or of another architecture.
            ConfigError: A field that shall differ is unknown or out of range.
        """
        path = find_config(name, HubOptions(revision, cache_dir, local_files_only, token))
        return _read(cls, path).changed(**{"name_or_path": str(name), **changes})

    def changed(self, **fields: Any) -> Self:
        """A copy in which `fields` differ. Another number of labels takes their names away.

        Raises:
            ConfigError: A field is unknown or out of range.
        """
        held = {name: getattr(self, name) for name in type(self).model_fields}
        if fields.keys() & _LABELS == {"num_labels"} and fields["num_labels"] == self.num_labels:
            del fields["num_labels"]
        if fields.keys() & _LABELS:
            held = {name: value for name, value in held.items() if name not in _LABELS}
        own = {self.other_names.get(name, name) for name in fields}
        held = {name: value for name, value in held.items() if name not in own}
        return type(self)(**held, **fields)

    def to_dict(self) -> dict[str, Any]:
        """All fields as transformers names them, for `from_dict`."""
        fields = self.model_dump(exclude=_NEVER_SAVED)
        return {**fields, "_name_or_path": self.name_or_path, "model_type": self.model_type}

    def to_diff_dict(self) -> dict[str, Any]:
        """The fields that a file needs: sizes and constants, and what else is not default."""
        default = type(self)().to_dict()
        return {
            name: value
            for name, value in self.to_dict().items()
            if name != "_name_or_path" and (name not in _SAVED_WHERE_SET or value != default[name])
        }

    def to_json_string(self, use_diff: bool = True) -> str:
        """The text of a config.json that transformers reads.

        Args:
            use_diff: Whether to write what `to_diff_dict` gives, and not all fields.

        Raises:
            ConfigError: The activation is a function, or transformers' DistilBERT has no such
                constant.
        """
        if not isinstance(self.activation, str):
            raise ConfigError(
                f"the activation is a function, {shown(self.activation)}, which no file can hold; "
                "set config.activation to a name such as 'gelu' to save it."
            )
        if self.layer_norm_eps != EPS:
            raise ConfigError(
                f"layer_norm_eps is {self.layer_norm_eps}, from a BERT; transformers' DistilBERT "
                f"has {EPS} in its code, so the file would describe another model."
            )
        fields = self.to_diff_dict() if use_diff else self.to_dict()
        return json.dumps(fields, indent=2, sort_keys=True) + "\n"

    def save_pretrained(self, folder: str | Path) -> Path:
        """Writes `folder`/config.json, which transformers reads, and returns its path.

        Raises:
            ConfigError: It cannot be written as one; see `to_json_string`.
            WriteError: The disk refused; nothing was changed.
        """
        path = Path(folder) / "config.json"
        write_file(path, self.to_json_string().encode())
        return path

    @property
    def num_labels(self) -> int:
        """How many labels there are; another number names them anew: LABEL_0, LABEL_1, ..."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, number: int) -> None:
        if number != self.num_labels:
            fresh = self.changed(num_labels=number)
            self.id2label, self.label2id = fresh.id2label, fresh.label2id


def read_config(path: Path) -> DistilBertConfig:
    """The configuration in a transformers `config.json` of DistilBERT or BERT.

    Raises:
        CheckpointError: The file is missing, is not JSON, or describes another architecture.
    """
    return _read(DistilBertConfig, path)


def _read(cls: type[ConfigT], path: Path) -> ConfigT:
    fields = read_fields(path)
    try:
        return cls.from_dict(fields)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from None
