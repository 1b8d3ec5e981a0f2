"""The kinds of heads that come with polyhead."""

from polyhead.heads.classification import ClassificationHead, ClassificationPrediction
from polyhead.heads.classification_config import ClassificationHeadConfig
from polyhead.heads.text_example import TextExample

__all__ = [
    "ClassificationHead",
    "ClassificationHeadConfig",
    "ClassificationPrediction",
    "TextExample",
]
