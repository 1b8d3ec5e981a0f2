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
from polyhead.heads.labels import LabelNames
from polyhead.heads.logits import checked_logits, logits_of
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
    IGNORED,
    FoundEntity,
    Grammar,
    SubWords,
    TaggedText,
    TaggingEntity,
    TaggingExample,
    TaggingHead,
    TaggingHeadConfig,
    TaggingPrediction,
    WordTagHead,
    WordTagHeadConfig,
    with_neighbours,
)
from polyhead.heads.text_example import Label, TextExample

__all__ = [
    "IGNORED",
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
    "Grammar",
    "Label",
    "LabelNames",
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
    "SubWords",
    "TaggedText",
    "TaggingEntity",
    "TaggingExample",
    "TaggingHead",
    "TaggingHeadConfig",
    "TaggingPrediction",
    "TextExample",
    "WordTagHead",
    "WordTagHeadConfig",
    "checked_logits",
    "cosine_similarity",
    "logits_of",
    "top_k",
    "tune_thresholds",
    "with_neighbours",
]
