"""The words behind masks, as the DistilBERT documents show it.

Dimensions: B rows, T tokens of a padded row, N tokens of all rows, D width of the encoder, V token
ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from polyhead.contracts import Head
from polyhead.distilbert.head_loading import fill, new_head
from polyhead.distilbert.outputs import MaskedLMOutput
from polyhead.distilbert.with_head import DistilBertWithHead
from polyhead.encoder import Checkpoint, DistilBertConfig, Encoder
from polyhead.encoder.resizing import resized_rows
from polyhead.errors import ConfigError
from polyhead.model.padded import PaddedBatch, tensor_of
from polyhead.model.per_row import SetupPerRow

__all__ = ["DistilBertForMaskedLM"]


class DistilBertForMaskedLM(DistilBertWithHead):
    """The encoder with a layer that tells token ids from hidden states.

    Its output matrix is that of the word embeddings, unless `config.tie_word_embeddings` is false.

    Masked places (of `attention_mask`) are not computed: they are 0 in logits, hidden states and
    attentions, and labels there are passed over.

    Attributes:
        vocab_projector: From the head's layer to token ids; its bias is the head's. Weight: (V, D).
    """

    head_names: ClassVar[Mapping[str, str]] = {
        "dense.weight": "vocab_transform.weight",
        "dense.bias": "vocab_transform.bias",
        "norm.weight": "vocab_layer_norm.weight",
        "norm.bias": "vocab_layer_norm.bias",
        "bias": "vocab_projector.bias",
    }
    bert_names: ClassVar[Mapping[str, str]] = {
        "dense.weight": "cls.predictions.transform.dense.weight",
        "dense.bias": "cls.predictions.transform.dense.bias",
        "norm.weight": "cls.predictions.transform.LayerNorm.weight",
        "norm.bias": "cls.predictions.transform.LayerNorm.bias",
        "bias": "cls.predictions.bias",
    }

    def _build(self, config: DistilBertConfig, encoder: Encoder) -> None:
        super()._build(config, encoder)
        with torch.device("meta"):  # both weights are put in place
            self.vocab_projector = nn.Linear(encoder.config.dim, encoder.config.vocab_size)
        self.vocab_projector.bias = self._head_bias
        if encoder.config.tie_word_embeddings:
            self.tie_weights()
        else:
            fresh = torch.empty_like(encoder.word_embeddings.weight, requires_grad=False)
            fresh.normal_(std=encoder.config.initializer_range)
            self.vocab_projector.weight = nn.Parameter(fresh)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        position_ids: Tensor | None = None,
        adapter_names: SetupPerRow = None,
    ) -> Any:
        """Runs a padded batch.

        Args:
            input_ids: As in `DistilBertModel.forward`; so are the arguments not named here.
            attention_mask: See there.
            head_mask: See there.
            inputs_embeds: See there.
            labels: For the loss: the id of each token to be found, -100 for the others. Shape:
                (B, T).
            output_attentions: See there.
            output_hidden_states: See there.
            return_dict: Whether to return a `MaskedLMOutput`, and not a tuple.
            position_ids: See there.
            adapter_names: See there.

        Returns:
            A `MaskedLMOutput`, or its values as a tuple.

        Raises:
            InputError: The tensors or labels are not of that form.
            UnknownAdapterError: A named adapter is not there.
        """
        batch = PaddedBatch.of(input_ids, attention_mask, inputs_embeds, position_ids)
        wanted = self._wanted(output_attentions, output_hidden_states, return_dict)
        encoded = self.distilbert.encode(batch, wanted, head_mask, adapter_names)
        output = self.head(replace(encoded.hidden, word_embeddings=self.vocab_projector.weight))
        loss = None
        if labels is not None:
            targets = self.head.targets(tensor_of(labels, "labels").to(self.device), encoded.mask)
            loss = self.head.loss(output, targets)
        return wanted.returned(
            MaskedLMOutput(
                loss,
                encoded.padded(self.head.logits(output)),
                encoded.hidden_states,
                encoded.attentions,
            )
        )

    def tie_weights(self) -> None:
        """Makes the output matrix that of the word embeddings, with nothing of its own."""
        self.vocab_projector.weight = self.distilbert.encoder.word_embeddings.weight

    def get_output_embeddings(self) -> nn.Linear:
        """What turns hidden states into token ids. Weight: (V, D)."""
        return self.vocab_projector

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Puts another output matrix and bias in place.

        Raises:
            ConfigError: They do not have the encoder's width and vocabulary.
        """
        shape = (self.config.vocab_size, self.config.dim)
        if tuple(new_embeddings.weight.shape) != shape or new_embeddings.bias is None:
            raise ConfigError(
                f"the output embeddings must be a linear layer with a bias and a weight of {shape},"
                f" not {new_embeddings}."
            )
        self.vocab_projector = new_embeddings
        self.head.bias = new_embeddings.bias
        words = self.distilbert.encoder.word_embeddings.weight
        self.config.tie_word_embeddings = new_embeddings.weight is words

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Puts other word embeddings in place; the output follows where it is tied to them.

        Raises:
            ConfigError: They are of another width.
        """
        super().set_input_embeddings(value)
        self._follow()

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> nn.Embedding:
        """Gives the model more or fewer token ids, in the output too; returns the word embeddings.

        The first ones stay. New ones are drawn with the config's `initializer_range`, and their
        bias is 0. None changes nothing.

        Raises:
            ConfigError: The number is less than 1, or leaves out the padding token.
        """
        embeddings = super().resize_token_embeddings(new_num_tokens)
        self._follow()
        return embeddings

    def fill_head(
        self, checkpoint: Checkpoint, folder: Path, *, may_differ: bool = False
    ) -> list[str]:
        """See `DistilBertPreTrainedModel`."""
        fresh = super().fill_head(checkpoint, folder, may_differ=may_differ)
        if self.config.tie_word_embeddings:
            return fresh
        name = "cls.predictions.decoder.weight" if checkpoint.is_bert else "vocab_projector.weight"
        names = {"weight": name}
        projector = self.vocab_projector
        return fresh + fill(projector, checkpoint.others, names, folder, may_differ=may_differ)

    def head_weights(self) -> dict[str, Tensor]:
        """The head's weights under the names of transformers, without a matrix that is tied."""
        weights = super().head_weights()
        if not self.config.tie_word_embeddings:
            weights["vocab_projector.weight"] = self.vocab_projector.weight
        return weights

    def _new_head(self) -> Head:
        activation = self.config.activation
        is_named = isinstance(activation, str)
        head = new_head("masked_lm", self.config, activation=activation if is_named else "gelu")
        if not is_named:
            vars(head)["activation"] = activation  # a function, or a module without weights
        for module in head.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = self.config.layer_norm_eps
        return head

    @property
    def _head_bias(self) -> nn.Parameter:
        return cast("nn.Parameter", self.head.bias)

    def _follow(self) -> None:
        """Fits the output to the vocabulary of the input."""
        number, projector = self.config.vocab_size, self.vocab_projector
        if len(self._head_bias) != number:
            fresh = resized_rows(self._head_bias, number, 0.0)
            bias = nn.Parameter(fresh, requires_grad=self._head_bias.requires_grad)
            projector.bias = self.head.bias = bias
        if self.config.tie_word_embeddings:
            self.tie_weights()
        elif len(projector.weight) != number:
            held = projector.weight
            weight = resized_rows(held, number, self.config.initializer_range)
            projector.weight = nn.Parameter(weight, requires_grad=held.requires_grad)
        projector.out_features = number
        self.head.shape = self.config.shape
