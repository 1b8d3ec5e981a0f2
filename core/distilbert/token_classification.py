"""A label for each token, as the DistilBERT documents show it.

Dimensions: B rows, T tokens of a padded row, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from polyhead.contracts import Head
from polyhead.distilbert.head_loading import label_names, new_head
from polyhead.distilbert.outputs import TokenClassifierOutput
from polyhead.distilbert.with_head import DistilBertWithHead
from polyhead.model.padded import PaddedBatch, tensor_of
from polyhead.model.per_row import SetupPerRow

__all__ = ["DistilBertForTokenClassification"]


class DistilBertForTokenClassification(DistilBertWithHead):
    """The encoder with a classification head on each token.

    Masked places are not computed: they are 0 in logits, hidden states and attentions, and labels
    there are passed over.
    """

    head_names: ClassVar[Mapping[str, str]] = {
        "out.weight": "classifier.weight",
        "out.bias": "classifier.bias",
    }
    bert_names = head_names

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
            labels: For the loss: a label's number for each token, -100 for those that have none.
                Shape: (B, T).
            output_attentions: See there.
            output_hidden_states: See there.
            return_dict: Whether to return a `TokenClassifierOutput`, and not a tuple.
            position_ids: See there.
            adapter_names: See there.

        Returns:
            A `TokenClassifierOutput`, or its values as a tuple.

        Raises:
            InputError: The tensors or labels are not of that form.
            UnknownAdapterError: A named adapter is not there.
        """
        batch = PaddedBatch.of(input_ids, attention_mask, inputs_embeds, position_ids)
        wanted = self._wanted(output_attentions, output_hidden_states, return_dict)
        encoded = self.distilbert.encode(batch, wanted, head_mask, adapter_names)
        logits_NK = self.head(encoded.hidden)
        loss = None
        if labels is not None:
            targets = self.head.targets(tensor_of(labels, "labels").to(self.device), encoded.mask)
            loss = self.head.loss(logits_NK, targets)
        return wanted.returned(
            TokenClassifierOutput(
                loss, encoded.padded(logits_NK), encoded.hidden_states, encoded.attentions
            )
        )

    def _new_head(self) -> Head:
        return new_head(
            "tagging",
            self.config,
            labels=label_names(self.config),
            scheme="plain",
            layers=1,
            context=0,
            label_all=False,
            aggregation="first",
            dropout=self.config.dropout,
        )
