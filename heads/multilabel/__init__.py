"""Any number of labels, for a text or a pair of texts."""

from polyhead.heads.multilabel.config import MultilabelHeadConfig
from polyhead.heads.multilabel.example import MultilabelExample
from polyhead.heads.multilabel.head import MultilabelHead, MultilabelPrediction
from polyhead.heads.multilabel.thresholds import tune_thresholds

__all__ = [
    "MultilabelExample",
    "MultilabelHead",
    "MultilabelHeadConfig",
    "MultilabelPrediction",
    "tune_thresholds",
]
