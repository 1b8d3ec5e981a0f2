"""The plugin that registers polyhead's own kinds of heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyhead.heads.classification.head import ClassificationHead
from polyhead.heads.embedding.head import EmbeddingHead
from polyhead.heads.masked_lm.head import MaskedLMHead
from polyhead.heads.multilabel.head import MultilabelHead
from polyhead.heads.multiple_choice.head import MultipleChoiceHead
from polyhead.heads.question_answering.head import QuestionAnsweringHead
from polyhead.heads.regression.head import RegressionHead
from polyhead.heads.tagging.head import TaggingHead
from polyhead.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.contracts import Head

__all__ = ["polyhead_register_heads"]


@hookimpl
def polyhead_register_heads(register: Callable[[type[Head]], None]) -> None:
    """Registers every kind of head in this package."""
    register(ClassificationHead)
    register(EmbeddingHead)
    register(MaskedLMHead)
    register(MultilabelHead)
    register(MultipleChoiceHead)
    register(QuestionAnsweringHead)
    register(RegressionHead)
    register(TaggingHead)
