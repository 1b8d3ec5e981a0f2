"""One of several choices that go with a text."""

from polyhead.heads.multiple_choice.config import MultipleChoiceHeadConfig
from polyhead.heads.multiple_choice.example import MultipleChoiceExample
from polyhead.heads.multiple_choice.head import MultipleChoiceHead, MultipleChoicePrediction

__all__ = [
    "MultipleChoiceExample",
    "MultipleChoiceHead",
    "MultipleChoiceHeadConfig",
    "MultipleChoicePrediction",
]
