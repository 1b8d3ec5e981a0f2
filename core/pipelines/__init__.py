"""Texts in, answers out: the pipelines of the DistilBERT documents."""

from polyhead.pipelines.base import Pipeline
from polyhead.pipelines.factory import pipeline
from polyhead.pipelines.feature_extraction import FeatureExtractionPipeline
from polyhead.pipelines.fill_mask import FillMaskPipeline
from polyhead.pipelines.question_answering import QuestionAnsweringPipeline
from polyhead.pipelines.tasks import PIPELINES
from polyhead.pipelines.text_classification import TextClassificationPipeline
from polyhead.pipelines.token_classification import TokenClassificationPipeline

__all__ = [
    "PIPELINES",
    "FeatureExtractionPipeline",
    "FillMaskPipeline",
    "Pipeline",
    "QuestionAnsweringPipeline",
    "TextClassificationPipeline",
    "TokenClassificationPipeline",
    "pipeline",
]
