"""The Auto classes that the DistilBERT documents import: here each stands for one class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NoReturn

from polyhead.distilbert.masked_lm import DistilBertForMaskedLM
from polyhead.distilbert.model import DistilBertModel
from polyhead.distilbert.multiple_choice import DistilBertForMultipleChoice
from polyhead.distilbert.pretrained import DistilBertPreTrainedModel
from polyhead.distilbert.question_answering import DistilBertForQuestionAnswering
from polyhead.distilbert.sequence_classification import DistilBertForSequenceClassification
from polyhead.distilbert.token_classification import DistilBertForTokenClassification
from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer
from polyhead.encoder import DistilBertConfig
from polyhead.errors import ConfigError

__all__ = [
    "AutoConfig",
    "AutoModel",
    "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice",
    "AutoModelForQuestionAnswering",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoTokenizer",
]


class _Auto:
    """Base of all: a name in front of `from_pretrained`, of which there are no objects."""

    def __init__(self, *_: object, **__: object) -> NoReturn:
        raise ConfigError(
            f"{type(self).__name__} is made with {type(self).__name__}.from_pretrained(name)."
        )


class AutoConfig(_Auto):
    """The configuration of a checkpoint."""

    @classmethod
    def from_pretrained(cls, name: str | Path, **arguments: Any) -> DistilBertConfig:
        """As `DistilBertConfig.from_pretrained`."""
        return DistilBertConfig.from_pretrained(name, **_ours(arguments))


class AutoTokenizer(_Auto):
    """The tokenizer of a checkpoint."""

    @classmethod
    def from_pretrained(cls, name: str | Path, **arguments: Any) -> DistilBertTokenizer:
        """As `DistilBertTokenizer.from_pretrained`; `use_fast` is accepted, for there is one."""
        arguments.pop("use_fast", None)
        return DistilBertTokenizer.from_pretrained(name, **_ours(arguments))


class _AutoModel(_Auto):
    """Base of the models.

    Attributes:
        model_class: What each of them stands for.
    """

    model_class: ClassVar[type[DistilBertPreTrainedModel]]

    @classmethod
    def from_pretrained(cls, name: str | Path, **arguments: Any) -> Any:
        """As `from_pretrained` of `model_class`."""
        return cls.model_class.from_pretrained(name, **_ours(arguments))

    @classmethod
    def from_config(cls, config: DistilBertConfig, **changes: Any) -> Any:
        """A model with fresh weights, in training mode as in transformers.

        Args:
            config: Its sizes.
            changes: Fields of it that shall differ.

        Raises:
            ConfigError: It does not make such a model.
        """
        if not isinstance(config, DistilBertConfig):
            raise ConfigError(
                f"{cls.__name__} is made of a DistilBertConfig, not of {type(config).__name__}."
            )
        return cls.model_class(config.changed(**_ours(changes)))


class AutoModel(_AutoModel):
    """The encoder alone."""

    model_class = DistilBertModel


class AutoModelForMaskedLM(_AutoModel):
    """The words behind masks."""

    model_class = DistilBertForMaskedLM


class AutoModelForSequenceClassification(_AutoModel):
    """Labels or numbers for whole texts."""

    model_class = DistilBertForSequenceClassification


class AutoModelForMultipleChoice(_AutoModel):
    """One of several texts."""

    model_class = DistilBertForMultipleChoice


class AutoModelForTokenClassification(_AutoModel):
    """A label for each token."""

    model_class = DistilBertForTokenClassification


class AutoModelForQuestionAnswering(_AutoModel):
    """The part of a text that answers a question."""

    model_class = DistilBertForQuestionAnswering


def _ours(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments without what has no meaning here: code of a checkpoint is never run."""
    return {name: value for name, value in arguments.items() if name != "trust_remote_code"}
