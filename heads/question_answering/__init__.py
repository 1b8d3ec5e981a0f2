"""The part of a context that answers a question."""

from polyhead.heads.question_answering.config import QuestionAnsweringHeadConfig
from polyhead.heads.question_answering.example import Answer, QuestionAnsweringExample
from polyhead.heads.question_answering.head import (
    AnswerCandidate,
    QuestionAnsweringHead,
    QuestionAnsweringPrediction,
)

__all__ = [
    "Answer",
    "AnswerCandidate",
    "QuestionAnsweringExample",
    "QuestionAnsweringHead",
    "QuestionAnsweringHeadConfig",
    "QuestionAnsweringPrediction",
]
