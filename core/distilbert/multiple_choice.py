"""The right one of several choices, as the DistilBERT documents show it.

Dimensions: E examples, C choices of each, T tokens of a padded row, D width of the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor

from polyhead.contracts import Head
from polyhead.distilbert.head_loading import new_head
from polyhead.distilbert.outputs import MultipleChoiceModelOutput
from polyhead.distilbert.with_head import DistilBertWithHead
from polyhead.model.padded import PaddedBatch, tensor_of
from polyhead.model.per_row import SetupPerRow, setups_per_row

__all__ = ["DistilBertForMultipleChoice"]


class DistilBertForMultipleChoice(DistilBertWithHead):
    """The encoder with a score for each choice of an example, from the choice's first token.

    Masked places are not computed, and are 0 in hidden states and attentions.
    """

    head_names: ClassVar[Mapping[str, str]] = {
        "dense.0.weight": "pre_classifier.weight",
        "dense.0.bias": "pre_classifier.bias",
        "out.weight": "classifier.weight",
        "out.bias": "classifier.bias",
    }

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
        """Runs a padded batch of examples.

        Args:
            input_ids: As in `DistilBertModel.forward`, a row for each choice; so are the arguments
                not named here. Shape: (E, C, T).
            attention_mask: Shape: (E, C, T).
            head_mask: See there.
            inputs_embeds: Shape: (E, C, T, D).
            labels: For the loss: the right choices' numbers. Shape: (E,).
            output_attentions: See there.
            output_hidden_states: See there.
            return_dict: Whether to return a `MultipleChoiceModelOutput`, and not a tuple.
            position_ids: Shape: (E, C, T).
            adapter_names: For all examples or one an example.

        Returns:
            A `MultipleChoiceModelOutput`, or its values as a tuple.

        Raises:
            InputError: The tensors or labels are not of that form.
            UnknownAdapterError: A named adapter is not there.
        """
        batch, n_choices = PaddedBatch.of_examples(
            input_ids, attention_mask, inputs_embeds, position_ids, always=True
        )
        n_examples = len(batch.rows) // n_choices
        names = setups_per_row(adapter_names, n_examples, "adapter_names")
        wanted = self._wanted(output_attentions, output_hidden_states, return_dict)
        encoded = self.distilbert.encode(
            batch, wanted, head_mask, [name for name in names for _ in range(n_choices)]
        )
        logits = self.head(replace(encoded.hidden, row_counts=(n_choices,) * n_examples))
        loss = None
        if labels is not None:
            mask = encoded.mask.view(n_examples, n_choices, -1)
            targets = self.head.targets(tensor_of(labels, "labels").to(self.device), mask)
            loss = self.head.loss(logits, targets)
        return wanted.returned(
            MultipleChoiceModelOutput(loss, logits, encoded.hidden_states, encoded.attentions)
        )

    def _new_head(self) -> Head:
        return new_head(
            "multiple_choice",
            self.config,
            layers=2,
            activation="relu",
            pooling="cls",
            dropout=self.config.seq_classif_dropout,
            first_dropout=0.0,
        )
