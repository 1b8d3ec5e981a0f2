"""The encoder alone, as the DistilBERT documents show it."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from polyhead.composition import acting_on_rows
from polyhead.distilbert.adapters import AdapterTable
from polyhead.distilbert.outputs import BaseModelOutput
from polyhead.distilbert.pretrained import DistilBertPreTrainedModel, Wanted
from polyhead.encoder import DistilBertConfig, Encoder
from polyhead.model.encoder_pass import EncoderPass, side_adapters
from polyhead.model.padded import EncodedBatch, PaddedBatch, packed_batch
from polyhead.model.per_row import SetupPerRow, setups_per_row
from polyhead.model.reading import Reading
from polyhead.routing import Plan, Route

__all__ = ["DistilBertModel"]


class DistilBertModel(DistilBertPreTrainedModel):
    """The encoder without a head.

    Masked places are not computed, and are 0 in every output; the others equal those of
    transformers. In training mode the encoder has the dropout of its configuration, and its weights
    take gradients, unless it is frozen.

    Source: Sanh et al. 2019, arXiv:1910.01108; parity is tested against transformers.

    Attributes:
        encoder: The encoder, over packed rows.
        adapter_table: The adapters.
    """

    weight_prefix: ClassVar[str] = ""

    def _build(self, config: DistilBertConfig, encoder: Encoder) -> None:
        del config  # the encoder has its own copy
        self.encoder = encoder
        self.adapter_table = AdapterTable()

    @property
    def base_model(self) -> DistilBertModel:
        """This model."""
        return self

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        *,
        position_ids: Tensor | None = None,
        adapter_names: SetupPerRow = None,
    ) -> Any:
        """Runs a padded batch.

        Args:
            input_ids: Token ids. Shape: (B, T).
            attention_mask: 1 for a token, 0 for padding, which may lie anywhere; all tokens when
                None. Shape: (B, T).
            head_mask: What the weights of each attention head are multiplied with. Shape: (H,) for
                all layers, or (L, H).
            inputs_embeds: In place of `input_ids` and their word embeddings. Shape: (B, T, D).
            output_attentions: Whether to return the attention weights.
            output_hidden_states: Whether to return every layer's hidden states.
            return_dict: Whether to return a `BaseModelOutput`, and not a tuple.
            position_ids: Each token's position; its column when None. Shape: (B, T) or (T,).
            adapter_names: For all rows or one a row: an adapter's name, or None for none.

        Returns:
            A `BaseModelOutput`, or its values as a tuple.

        Raises:
            InputError: The tensors are not of that form.
            UnknownAdapterError: A named adapter is not there.
        """
        batch = PaddedBatch.of(input_ids, attention_mask, inputs_embeds, position_ids)
        wanted = self._wanted(output_attentions, output_hidden_states, return_dict)
        encoded = self.encode(batch, wanted, head_mask, adapter_names)
        return wanted.returned(
            BaseModelOutput(encoded.last_hidden_state, encoded.hidden_states, encoded.attentions)
        )

    def encode(
        self,
        batch: PaddedBatch,
        wanted: Wanted,
        head_mask: Tensor | None = None,
        adapter_names: SetupPerRow = None,
    ) -> EncodedBatch:
        """Runs a batch's rows in one packed pass.

        Args:
            batch: The rows.
            wanted: What is kept of the pass.
            head_mask: As in `forward`.
            adapter_names: As in `forward`.

        Raises:
            InputError: A token id or position is out of range, or an argument does not fit.
            UnknownAdapterError: A named adapter is not there.
        """
        names = setups_per_row(adapter_names, len(batch.rows), "adapter_names")
        acts = acting_on_rows(names, self.adapter_table.table)
        sides = side_adapters(acts)
        tapped = [None if name in sides else name for name in names]
        # in training, equal rows shall differ by their dropout
        plan = Plan.of(batch.rows, tapped, share_rows=not self.training)
        embeddings, route = self.encoder.word_embeddings.weight, Route(plan, acts)
        output = self.encoder(
            packed_batch(plan, batch.embeds, embeddings),
            route,
            embeddings_tap=route.embeddings,
            keep_layers=wanted.hidden_states or bool(sides),
            keep_attentions=wanted.attentions,
            head_mask=head_mask,
        )
        done = EncoderPass(plan, output, names, sides, embeddings, route.inverses)
        rows = Reading(range(len(names)), self.encoder.config.n_layers, wanted.hidden_states)
        [hidden] = done.hidden([rows])
        return EncodedBatch(hidden, batch.mask.to(self.device), output, plan.place)
