"""The kinds of heads that come with polyhead."""

from polyhead.heads.classification import (
    ClassificationHead,
    ClassificationHeadConfig,
    ClassificationPrediction,
)
from polyhead.heads.embedding import (
    EmbeddingExample,
    EmbeddingHead,
    EmbeddingHeadConfig,
    EmbeddingIndex,
    EmbeddingPrediction,
    FoundText,
    cosine_similarity,
    top_k,
)
from polyhead.heads.masked_lm import (
    MaskedLMExample,
    MaskedLMHead,
    MaskedLMHeadConfig,
    MaskedLMPrediction,
    MaskFilling,
)
from polyhead.heads.multilabel import (
    MultilabelExample,
    MultilabelHead,
    MultilabelHeadConfig,
    MultilabelPrediction,
    tune_thresholds,
)
from polyhead.heads.multiple_choice import (
    MultipleChoiceExample,
    MultipleChoiceHead,
    MultipleChoiceHeadConfig,
    MultipleChoicePrediction,
)
from polyhead.heads.pooled_layers import PooledHead, PooledHeadConfig
from polyhead.heads.question_answering import (
    Answer,
    AnswerCandidate,
    QuestionAnsweringExample,
    QuestionAnsweringHead,
    QuestionAnsweringHeadConfig,
    QuestionAnsweringPrediction,
)
from polyhead.heads.regression import (
    RegressionExample,
    RegressionHead,
    RegressionHeadConfig,
    RegressionPrediction,
)
from polyhead.heads.tagging import (
    FoundEntity,
    TaggingEntity,
    TaggingExample,
    TaggingHead,
    TaggingHeadConfig,
    TaggingPrediction,
)
from polyhead.heads.text_example import TextExample

__all__ = [
    "Answer",
    "AnswerCandidate",
    "ClassificationHead",
    "ClassificationHeadConfig",
    "ClassificationPrediction",
    "EmbeddingExample",
    "EmbeddingHead",
    "EmbeddingHeadConfig",
    "EmbeddingIndex",
    "EmbeddingPrediction",
    "FoundEntity",
    "FoundText",
    "MaskFilling",
    "MaskedLMExample",
    "MaskedLMHead",
    "MaskedLMHeadConfig",
    "MaskedLMPrediction",
    "MultilabelExample",
    "MultilabelHead",
    "MultilabelHeadConfig",
    "MultilabelPrediction",
    "MultipleChoiceExample",
    "MultipleChoiceHead",
    "MultipleChoiceHeadConfig",
    "MultipleChoicePrediction",
    "PooledHead",
    "PooledHeadConfig",
    "QuestionAnsweringExample",
    "QuestionAnsweringHead",
    "QuestionAnsweringHeadConfig",
    "QuestionAnsweringPrediction",
    "RegressionExample",
    "RegressionHead",
    "RegressionHeadConfig",
    "RegressionPrediction",
    "TaggingEntity",
    "TaggingExample",
    "TaggingHead",
    "TaggingHeadConfig",
    "TaggingPrediction",
    "TextExample",
    "cosine_similarity",
    "top_k",
    "tune_thresholds",
]
