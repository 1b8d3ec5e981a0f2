"""WordPiece tokenisation for the packed engine, over the `tokenizers` library."""

from polyhead.tokenizer.settings import TextSettings, Truncation
from polyhead.tokenizer.tokenizer import Tokenizer

__all__ = ["TextSettings", "Tokenizer", "Truncation"]
