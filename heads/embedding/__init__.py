"""A vector for a text: similarity and search."""

from polyhead.heads.embedding.config import EmbeddingHeadConfig
from polyhead.heads.embedding.example import EmbeddingExample
from polyhead.heads.embedding.head import EmbeddingHead, EmbeddingPrediction
from polyhead.heads.embedding.index import EmbeddingIndex, FoundText
from polyhead.heads.embedding.similarity import cosine_similarity, top_k

__all__ = [
    "EmbeddingExample",
    "EmbeddingHead",
    "EmbeddingHeadConfig",
    "EmbeddingIndex",
    "EmbeddingPrediction",
    "FoundText",
    "cosine_similarity",
    "top_k",
]
