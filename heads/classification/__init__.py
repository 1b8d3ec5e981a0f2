"""One label out of several, for a text or a pair of texts."""

from polyhead.heads.classification.config import ClassificationHeadConfig
from polyhead.heads.classification.head import ClassificationHead, ClassificationPrediction

__all__ = ["ClassificationHead", "ClassificationHeadConfig", "ClassificationPrediction"]
