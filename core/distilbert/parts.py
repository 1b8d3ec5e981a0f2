"""What the classes of the DistilBERT documents are made of: an encoder and its adapters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from polyhead.contracts import Adapter, AdapterConfig
from polyhead.encoder import AttentionName, DistilBertConfig
from polyhead.encoder.resizing import resize_positions, resize_words
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.distilbert.model import DistilBertModel

__all__ = ["DistilBertParts"]


class DistilBertParts(nn.Module):
    """Access to the encoder of a class of the DistilBERT documents, and its adapters."""

    base_model_prefix = "distilbert"
    config_class = DistilBertConfig

    @property
    def base_model(self) -> DistilBertModel:
        """The model without its head."""
        raise NotImplementedError

    @property
    def config(self) -> DistilBertConfig:
        """The model's own configuration; the sizes in it are of what was built."""
        return self.base_model.encoder.config

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.base_model.encoder.word_embeddings.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' floating-point type."""
        return self.base_model.encoder.word_embeddings.weight.dtype

    @property
    def name_or_path(self) -> str:
        """What the model was loaded by."""
        return self.config.name_or_path

    @property
    def num_labels(self) -> int:
        """How many labels the configuration has."""
        return self.config.num_labels

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """How many numbers the model's weights are.

        Args:
            only_trainable: Whether to count those alone that training changes.
            exclude_embeddings: Whether to leave out the embeddings of words and positions.
        """
        embeddings = {
            self.base_model.encoder.word_embeddings.weight,
            self.base_model.encoder.position_embeddings.weight,
        }
        return sum(
            weight.numel()
            for weight in self.parameters()
            if (weight.requires_grad or not only_trainable)
            and not (exclude_embeddings and weight in embeddings)
        )

    def freeze_encoder(self) -> None:
        """Takes the encoder out of training, with its dropout; adapters and head stay in."""
        self.base_model.encoder.freeze()

    def unfreeze_encoder(self) -> None:
        """Puts the encoder into training, as it is at first."""
        self.base_model.encoder.unfreeze()
        self.base_model.encoder.train(self.training)

    def set_attn_implementation(self, attn_implementation: AttentionName) -> None:
        """Chooses how attention is computed: "sdpa", "eager" or "flash_attention_2".

        Raises:
            ConfigError: It is none of these, or cannot run here.
        """
        self.base_model.encoder.set_attn_implementation(attn_implementation)

    def get_input_embeddings(self) -> nn.Embedding:
        """The word embeddings. Weight: (V, D)."""
        return self.base_model.encoder.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Puts other word embeddings in place, of any number of token ids.

        Raises:
            ConfigError: They are of another width.
        """
        if value.embedding_dim != self.config.dim:
            raise ConfigError(
                f"the embeddings have the width {value.embedding_dim} and the encoder has "
                f"{self.config.dim}."
            )
        self.config.vocab_size = value.num_embeddings
        self.base_model.encoder.word_embeddings = value

    def get_output_embeddings(self) -> nn.Linear | None:
        """What turns hidden states into token ids; None, but for a masked language model."""
        return None

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> nn.Embedding:
        """Gives the model more or fewer token ids, and returns the word embeddings.

        The first ones stay, new ones are drawn with the config's `initializer_range`. None changes
        nothing.

        Raises:
            ConfigError: The number is less than 1, or leaves out the padding token.
        """
        if new_num_tokens is not None:
            resize_words(self.base_model.encoder, new_num_tokens)
        return self.base_model.encoder.word_embeddings

    def get_position_embeddings(self) -> nn.Embedding:
        """The position embeddings. Weight: (P, D)."""
        return self.base_model.encoder.position_embeddings

    def resize_position_embeddings(self, new_num_position_embeddings: int) -> None:
        """Gives the model more or fewer positions.

        The first ones stay. New ones are drawn with the config's `initializer_range`, or computed
        where they are sinusoidal.

        Raises:
            ConfigError: The number is less than 1.
        """
        resize_positions(self.base_model.encoder, new_num_position_embeddings)

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """The adapters by name; a live view."""
        return self.base_model.adapter_table.view

    def add_adapter(self, name: str, config: str | AdapterConfig = "seq_bn") -> None:
        """Adds an adapter with fresh weights, which calls choose with `adapter_names`.

        Args:
            name: For calls, and for the file it is saved to.
            config: A configuration or a config string such as "seq_bn[reduction_factor=8]".

        Raises:
            InvalidNameError: It cannot be a name.
            NameTakenError: There is an adapter of that name.
            UnknownKindError: No installed plugin provides that kind.
            ConfigError: The config is not understood or does not fit the encoder.
        """
        self.base_model.adapter_table.add(name, config, self.base_model.encoder)

    def delete_adapter(self, name: str) -> None:
        """Removes an adapter.

        Raises:
            UnknownAdapterError: There is none of that name.
        """
        self.base_model.adapter_table.table.remove(name)

    def load_adapter(self, path: str | Path, *, name: str | None = None) -> str:
        """Adds a saved adapter and returns its name here.

        Args:
            path: Its file, or the folder that holds it.
            name: What to call it; the name it was saved under when None.

        Raises:
            ArtifactError: It is damaged, of another backbone, or of a kind that is not installed;
                or this model is in half precision.
            NameTakenError: There is an adapter of that name.
        """
        return self.base_model.adapter_table.load(Path(path), name, self.base_model.encoder)

    def save_adapter(self, name: str, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Saves one adapter as `folder`/adapter.safetensors and returns that path.

        It belongs to the encoder as it is now, and is refused on any other: also on this one, if it
        is trained further.

        Args:
            name: The adapter.
            folder: Where to; made if it is missing.
            overwrite: Whether a file there may be replaced.

        Raises:
            UnknownAdapterError: There is none of that name.
            ArtifactError: This model is in half precision.
            OutputExistsError: The file exists.
            WriteError: It could not be written; nothing was changed.
        """
        table = self.base_model.adapter_table
        return table.save(name, Path(folder), self.base_model.encoder, overwrite=overwrite)
