"""Which pipelines there are, and under which names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from polyhead.errors import UnknownPipelineError
from polyhead.pipelines.base import Pipeline
from polyhead.pipelines.feature_extraction import FeatureExtractionPipeline
from polyhead.pipelines.fill_mask import FillMaskPipeline
from polyhead.pipelines.question_answering import QuestionAnsweringPipeline
from polyhead.pipelines.text_classification import TextClassificationPipeline
from polyhead.pipelines.token_classification import TokenClassificationPipeline

__all__ = ["PIPELINES", "pipeline_for_head", "pipeline_for_model", "pipeline_named"]

_CLASSES: Final[tuple[type[Pipeline], ...]] = (
    FeatureExtractionPipeline,
    FillMaskPipeline,
    QuestionAnsweringPipeline,
    TextClassificationPipeline,
    TokenClassificationPipeline,
)
_OTHER_NAMES: Final = {"sentiment-analysis": "text-classification", "ner": "token-classification"}
_BY_KIND: Final = {cls.kind: cls for cls in _CLASSES}

PIPELINES: Final[Mapping[str, type[Pipeline]]] = {
    **_BY_KIND,
    **{name: _BY_KIND[kind] for name, kind in _OTHER_NAMES.items()},
}
"""The pipelines by every name they have."""


def pipeline_named(task: str) -> type[Pipeline]:
    """The pipeline of that name.

    Raises:
        UnknownPipelineError: There is none; the message lists those there are.
    """
    found = PIPELINES.get(task) if isinstance(task, str) else None
    if found is None:
        raise UnknownPipelineError(str(task), PIPELINES, "")
    return found


def pipeline_for_head(kind: str) -> type[Pipeline] | None:
    """The pipeline that asks heads of that kind, or None."""
    return next((cls for cls in _CLASSES if kind in cls.head_kinds), None)


def pipeline_for_model(name: str) -> type[Pipeline] | None:
    """The pipeline that asks models of the class of that name, or None; a BERT's is taken too."""
    name = name.replace("DistilBert", "Bert").replace("Bert", "DistilBert")
    return next((cls for cls in _CLASSES if cls.model_class == name), None)
