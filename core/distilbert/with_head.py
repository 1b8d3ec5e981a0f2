"""An encoder and one head: what the task classes of the DistilBERT documents are.

Dimensions: B rows, T tokens of a padded row, N tokens of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from polyhead.contracts import Head
from polyhead.distilbert.head_loading import fill
from polyhead.distilbert.model import DistilBertModel
from polyhead.distilbert.pretrained import DistilBertPreTrainedModel
from polyhead.encoder import Checkpoint, DistilBertConfig, Encoder

__all__ = ["DistilBertWithHead"]


class DistilBertWithHead(DistilBertPreTrainedModel):
    """Base of the task classes.

    A subclass says which head of the registry it has and what its weights are called in
    transformers.

    Attributes:
        head_names: For each of the head's weights its name in a DistilBERT checkpoint.
        bert_names: The same for a BERT checkpoint, where its head is of the same form.
        distilbert: The model without head.
        head: The head.
    """

    head_names: ClassVar[Mapping[str, str]]
    bert_names: ClassVar[Mapping[str, str]] = {}

    def _build(self, config: DistilBertConfig, encoder: Encoder) -> None:
        self.distilbert = DistilBertModel(config, encoder=encoder)
        self.head = self._new_head()
        beyond = set(self.head.state_dict()) ^ set(self.head_names)
        if beyond:  # they would be lost when it is saved
            raise RuntimeError(f"checkpoints have no place for {', '.join(sorted(beyond))}")

    def _new_head(self) -> Head:
        """The head that the configuration describes, with fresh weights."""
        raise NotImplementedError

    @property
    def base_model(self) -> DistilBertModel:
        """The model without its head."""
        return self.distilbert

    def fill_head(
        self, checkpoint: Checkpoint, folder: Path, *, may_differ: bool = False
    ) -> list[str]:
        """See `DistilBertPreTrainedModel`."""
        if checkpoint.is_bert and not self.bert_names:
            return list(self.head_names.values())
        names = self.bert_names if checkpoint.is_bert else self.head_names
        return fill(self.head, checkpoint.others, names, folder, may_differ=may_differ)

    def head_weights(self) -> dict[str, Tensor]:
        """The head's weights under the names of transformers."""
        weights = self.head.state_dict()
        return {theirs: weights[ours] for ours, theirs in self.head_names.items()}
