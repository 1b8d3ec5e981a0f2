"""The documented tokenizers of DistilBERT."""

from polyhead.distilbert.tokenization.encoding import BatchEncoding
from polyhead.distilbert.tokenization.tokenizer import (
    DistilBertTokenizer,
    DistilBertTokenizerFast,
)

__all__ = ["BatchEncoding", "DistilBertTokenizer", "DistilBertTokenizerFast"]
