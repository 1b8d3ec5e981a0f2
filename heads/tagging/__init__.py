"""A tag for each word of a text: entities, parts of speech."""

from polyhead.heads.tagging.aggregation import TaggedText
from polyhead.heads.tagging.config import TaggingHeadConfig, WordTagHeadConfig
from polyhead.heads.tagging.example import TaggingEntity, TaggingExample
from polyhead.heads.tagging.grammar import Grammar
from polyhead.heads.tagging.head import TaggingHead
from polyhead.heads.tagging.neighbours import with_neighbours
from polyhead.heads.tagging.prediction import FoundEntity, TaggingPrediction
from polyhead.heads.tagging.subwords import IGNORED, SubWords
from polyhead.heads.tagging.word_tags import WordTagHead

__all__ = [
    "IGNORED",
    "FoundEntity",
    "Grammar",
    "SubWords",
    "TaggedText",
    "TaggingEntity",
    "TaggingExample",
    "TaggingHead",
    "TaggingHeadConfig",
    "TaggingPrediction",
    "WordTagHead",
    "WordTagHeadConfig",
    "with_neighbours",
]
