"""A tag for each word of a text: entities, parts of speech."""

from polyhead.heads.tagging.config import TaggingHeadConfig
from polyhead.heads.tagging.example import TaggingEntity, TaggingExample
from polyhead.heads.tagging.head import TaggingHead
from polyhead.heads.tagging.prediction import FoundEntity, TaggingPrediction

__all__ = [
    "FoundEntity",
    "TaggingEntity",
    "TaggingExample",
    "TaggingHead",
    "TaggingHeadConfig",
    "TaggingPrediction",
]
