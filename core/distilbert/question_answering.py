"""The part of a text that answers a question, as the DistilBERT documents show it.

Dimensions: B rows, T tokens of a padded row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from polyhead.contracts import Head
from polyhead.distilbert.head_loading import new_head
from polyhead.distilbert.outputs import QuestionAnsweringModelOutput
from polyhead.distilbert.with_head import DistilBertWithHead
from polyhead.errors import ConfigError, InputError
from polyhead.model.padded import EncodedBatch, PaddedBatch, tensor_of
from polyhead.model.per_row import SetupPerRow

__all__ = ["DistilBertForQuestionAnswering"]


class DistilBertForQuestionAnswering(DistilBertWithHead):
    """The encoder with a start and an end logit for each token.

    Masked places are not computed. They are 0 in hidden states and attentions and -inf in the
    logits, so that no answer begins or ends there, and the loss is over the other places alone;
    transformers lets them take part in it.
    """

    head_names: ClassVar[Mapping[str, str]] = {
        "out.weight": "qa_outputs.weight",
        "out.bias": "qa_outputs.bias",
    }
    bert_names = head_names

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
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
            start_positions: For the loss: the column where the answer begins. Rows whose column is
                behind the batch, or masked, are passed over. Shape: (B,) or (B, 1).
            end_positions: The column where it ends, likewise.
            output_attentions: See there.
            output_hidden_states: See there.
            return_dict: Whether to return a `QuestionAnsweringModelOutput`, and not a tuple.
            position_ids: See there.
            adapter_names: See there.

        Returns:
            A `QuestionAnsweringModelOutput`, or its values as a tuple. It has a loss where both
            positions are given.

        Raises:
            InputError: The tensors or positions are not of that form.
            UnknownAdapterError: A named adapter is not there.
        """
        batch = PaddedBatch.of(input_ids, attention_mask, inputs_embeds, position_ids)
        wanted = self._wanted(output_attentions, output_hidden_states, return_dict)
        encoded = self.distilbert.encode(batch, wanted, head_mask, adapter_names)
        output = self.head(encoded.hidden)
        loss = None
        if start_positions is not None and end_positions is not None:
            columns = _columns(start_positions, end_positions).to(self.device)
            loss = self.head.loss(output, self.head.targets(columns, encoded.mask))
        return wanted.returned(
            QuestionAnsweringModelOutput(
                loss,
                _in_place(output["start"], encoded),
                _in_place(output["end"], encoded),
                encoded.hidden_states,
                encoded.attentions,
            )
        )

    def _new_head(self) -> Head:
        if self.num_labels != len(self.head_names):
            raise ConfigError(
                f"question answering has 2 labels, the start and the end, not {self.num_labels}; "
                "give num_labels=2."
            )
        return new_head("question_answering", self.config, dropout=self.config.qa_dropout)


def _columns(start: Tensor, end: Tensor) -> Tensor:
    """Both positions of each row. Shape: (B,) or (B, 1) each -> (B, 2)."""
    start, end = tensor_of(start, "start_positions"), tensor_of(end, "end_positions")
    if start.shape != end.shape:
        raise InputError(
            f"start_positions and end_positions must have one shape, not {tuple(start.shape)} and "
            f"{tuple(end.shape)}."
        )
    return torch.stack([start, end], dim=-1).reshape(len(start), -1)


def _in_place(logits_BT: Tensor, encoded: EncodedBatch) -> Tensor:
    """Logits of rows, moved to the columns of their tokens; -inf where a place is masked."""
    lengths = encoded.mask.sum(dim=1, keepdim=True)
    is_token_BT = torch.arange(logits_BT.shape[1], device=logits_BT.device) < lengths
    return encoded.padded(logits_BT[is_token_BT], -math.inf)
