"""Labels or numbers for whole texts, as the DistilBERT documents show it.

Dimensions: B rows, T tokens of a padded row, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from polyhead.contracts import Head
from polyhead.distilbert.head_loading import label_names, new_head
from polyhead.distilbert.outputs import SequenceClassifierOutput
from polyhead.distilbert.with_head import DistilBertWithHead
from polyhead.encoder.config_types import ProblemType
from polyhead.model.padded import PaddedBatch, tensor_of
from polyhead.model.per_row import SetupPerRow

__all__ = ["DistilBertForSequenceClassification"]

_KINDS: Final[Mapping[ProblemType, str]] = {
    "regression": "regression",
    "single_label_classification": "classification",
    "multi_label_classification": "multilabel",
}


class DistilBertForSequenceClassification(DistilBertWithHead):
    """The encoder with a classification or regression head on each row's first token.

    `config.problem_type` says what is learned: one label of several (cross entropy), any number of
    labels (binary cross entropy), or numbers (mean squared error). Without it, one label in the
    config means regression, and of several the first call with labels decides: whole numbers are
    one label a row, others any number of labels. It is then written to the config.

    Masked places are not computed, and are 0 in hidden states and attentions. In a row that begins
    with padding, the first token is the first that is not masked.
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
        """Runs a padded batch.

        Args:
            input_ids: As in `DistilBertModel.forward`; so are the arguments not named here.
            attention_mask: See there.
            head_mask: See there.
            inputs_embeds: See there.
            labels: For the loss: the labels' numbers, (B,); for any number of labels, 0 or 1 for
                each, (B, K); for regression, numbers, (B,) or (B, K).
            output_attentions: See there.
            output_hidden_states: See there.
            return_dict: Whether to return a `SequenceClassifierOutput`, and not a tuple.
            position_ids: See there.
            adapter_names: See there.

        Returns:
            A `SequenceClassifierOutput`, or its values as a tuple.

        Raises:
            InputError: The tensors or labels are not of that form.
            UnknownAdapterError: A named adapter is not there.
        """
        batch = PaddedBatch.of(input_ids, attention_mask, inputs_embeds, position_ids)
        wanted = self._wanted(output_attentions, output_hidden_states, return_dict)
        encoded = self.distilbert.encode(batch, wanted, head_mask, adapter_names)
        logits = self.head(encoded.hidden)
        loss = None
        if labels is not None:
            problem = self._problem_of(tensor_of(labels, "labels"))
            head = self._head_for(problem)
            loss = head.loss(logits, head.targets(labels.to(self.device), encoded.mask))
            self._keep(problem, head)  # not before it is known that the labels fit
        return wanted.returned(
            SequenceClassifierOutput(loss, logits, encoded.hidden_states, encoded.attentions)
        )

    def _new_head(self) -> Head:
        problem = self.config.problem_type
        if problem is None:
            problem = "regression" if self.num_labels == 1 else "single_label_classification"
        return self._head_of(problem)

    def _head_of(self, problem: ProblemType) -> Head:
        config = self.config
        return new_head(
            _KINDS[problem],
            config,
            **{"outputs" if problem == "regression" else "labels": label_names(config)},
            layers=2,
            activation="relu",
            pooling="cls",
            dropout=config.seq_classif_dropout,
            first_dropout=0.0,
        )

    def _problem_of(self, labels: Tensor) -> ProblemType:
        """What is learned: as the config says, or where it does not, as the labels tell."""
        if self.config.problem_type is not None:
            return self.config.problem_type
        if self.num_labels == 1:
            return "regression"
        is_whole = labels.dtype in {torch.int64, torch.int32}
        return "single_label_classification" if is_whole else "multi_label_classification"

    def _head_for(self, problem: ProblemType) -> Head:
        """The head, or one of the problem's kind that shares its weights."""
        if self.head.kind == _KINDS[problem]:
            return self.head
        with torch.device("meta"):  # its weights are those of the head that is there
            head = self._head_of(problem)
        trained = [weight.requires_grad for weight in self.head.parameters()]
        head.load_state_dict(self.head.state_dict(keep_vars=True), assign=True)
        for weight, is_trained in zip(head.parameters(), trained, strict=True):
            weight.requires_grad_(is_trained)
        return head.train(self.head.training)

    def _keep(self, problem: ProblemType, head: Head) -> None:
        """Writes to the config what is learned, and puts the head for it in place."""
        if self.config.problem_type is None:
            self.config.problem_type = problem
        if head is not self.head:
            self.head = head
