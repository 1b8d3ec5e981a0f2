"""Heads by the names and defaults of AdapterHub's `add_..._head`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyhead.contracts import HeadConfig, validate_config
from polyhead.errors import ConfigError
from polyhead.model.parts import ModelParts
from polyhead.registry import registry

__all__ = ["DocumentedHeads"]


class DocumentedHeads(ModelParts):
    """A model that takes heads as AdapterHub's documents show.

    Source: `DistilBertModelWithHeads` of adapter-transformers and `DistilBertAdapterModel` of
    `adapters` 1.3.
    """

    def add_classification_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 2,
        activation_function: str = "tanh",
        *,
        overwrite_ok: bool = False,
        multilabel: bool = False,
        id2label: Mapping[int, str] | None = None,
    ) -> None:
        """Adds a classification head on each row's first token.

        With one label it is a regression head.

        Args:
            head_name: For calls, and for the file it is saved to.
            num_labels: The number of labels.
            layers: The number of linear layers.
            activation_function: Behind each layer but the last.
            overwrite_ok: Whether a head of that name may be replaced.
            multilabel: Whether a row may have any number of labels.
            id2label: The labels' names; "LABEL_0" and so on when None.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: The labels or layers make no head.
        """
        kind = "multilabel" if multilabel else "classification"
        names: dict[str, Any] = {"labels": _names(num_labels, id2label)}
        if num_labels == 1 and not multilabel:
            kind, names = "regression", {"outputs": _names(num_labels, id2label)}
        self._add_head(
            head_name,
            kind,
            overwrite_ok,
            **names,
            layers=layers,
            activation=activation_function,
            pooling="cls",
        )

    def add_multiple_choice_head(
        self,
        head_name: str,
        num_choices: int = 2,
        layers: int = 2,
        activation_function: str = "tanh",
        *,
        overwrite_ok: bool = False,
    ) -> None:
        """Adds a multiple-choice head on each row's first token.

        Args:
            head_name: For calls, and for the file it is saved to.
            num_choices: At least 1. It changes nothing: the examples may have any number of them.
            layers: The number of linear layers.
            activation_function: Behind each layer but the last.
            overwrite_ok: Whether a head of that name may be replaced.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: The choices or layers make no head.
        """
        if num_choices < 1:
            raise ConfigError(f"num_choices must be at least 1, not {num_choices}.")
        self._add_head(
            head_name,
            "multiple_choice",
            overwrite_ok,
            layers=layers,
            activation=activation_function,
            pooling="cls",
        )

    def add_tagging_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 1,
        activation_function: str = "tanh",
        *,
        overwrite_ok: bool = False,
        id2label: Mapping[int, str] | None = None,
    ) -> None:
        """Adds a tagging head on the last layer.

        Args:
            head_name: For calls, and for the file it is saved to.
            num_labels: The number of tags.
            layers: The number of linear layers.
            activation_function: Behind each layer but the last.
            overwrite_ok: Whether a head of that name may be replaced.
            id2label: The tags' names; "LABEL_0" and so on when None.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: The tags or layers make no head.
        """
        self._add_head(
            head_name,
            "tagging",
            overwrite_ok,
            labels=_names(num_labels, id2label),
            layers=layers,
            activation=activation_function,
            hidden="last",
            context=0,
            label_all=False,
            aggregation="first",
        )

    def add_qa_head(self, head_name: str, *, overwrite_ok: bool = False) -> None:
        """Adds a question answering head: one linear layer, a start and an end logit a token.

        Args:
            head_name: For calls, and for the file it is saved to.
            overwrite_ok: Whether a head of that name may be replaced.

        Raises:
            NameTakenError: There is a head of that name.
        """
        self._add_head(head_name, "question_answering", overwrite_ok, hidden="last")

    def add_masked_lm_head(
        self, head_name: str, activation_function: str = "gelu", *, overwrite_ok: bool = False
    ) -> None:
        """Adds a masked language model's head, tied to the frozen word embeddings.

        Args:
            head_name: For calls, and for the file it is saved to.
            activation_function: Behind its first layer.
            overwrite_ok: Whether a head of that name may be replaced.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: There is no such activation.
        """
        self._add_head(head_name, "masked_lm", overwrite_ok, activation=activation_function)

    def _add_head(self, name: str, kind: str, overwrite_ok: bool, **fields: Any) -> None:
        config: HeadConfig = validate_config(
            registry().head(kind).Config, fields, f"head kind {kind!r}"
        )
        if overwrite_ok and name in self.heads:
            self.delete_head(name)
        self.add_head(name, config)


def _names(number: int, id2label: Mapping[int, str] | None) -> tuple[str, ...]:
    if id2label is None:
        return tuple(f"LABEL_{place}" for place in range(number))
    if sorted(id2label) != list(range(number)):
        raise ConfigError(
            f"id2label must name the labels 0 to {number - 1}, not {sorted(id2label)}."
        )
    return tuple(id2label[place] for place in range(number))
