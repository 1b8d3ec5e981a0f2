"""The API of the DistilBERT documents."""

from polyhead.distilbert.head_import import load_transformers_head
from polyhead.distilbert.masked_lm import DistilBertForMaskedLM
from polyhead.distilbert.model import DistilBertModel
from polyhead.distilbert.multiple_choice import DistilBertForMultipleChoice
from polyhead.distilbert.outputs import (
    BaseModelOutput,
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from polyhead.distilbert.pretrained import DistilBertPreTrainedModel
from polyhead.distilbert.question_answering import DistilBertForQuestionAnswering
from polyhead.distilbert.sequence_classification import DistilBertForSequenceClassification
from polyhead.distilbert.token_classification import DistilBertForTokenClassification
from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer, DistilBertTokenizerFast

__all__ = [
    "BaseModelOutput",
    "DistilBertForMaskedLM",
    "DistilBertForMultipleChoice",
    "DistilBertForQuestionAnswering",
    "DistilBertForSequenceClassification",
    "DistilBertForTokenClassification",
    "DistilBertModel",
    "DistilBertPreTrainedModel",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "MaskedLMOutput",
    "MultipleChoiceModelOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutput",
    "TokenClassifierOutput",
    "load_transformers_head",
]
