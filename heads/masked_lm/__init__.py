"""The tokens behind masks: learning from texts without labels, and filling in."""

from polyhead.heads.masked_lm.config import MaskedLMHeadConfig
from polyhead.heads.masked_lm.example import MaskedLMExample
from polyhead.heads.masked_lm.head import MaskedLMHead
from polyhead.heads.masked_lm.prediction import MaskedLMPrediction, MaskFilling

__all__ = [
    "MaskFilling",
    "MaskedLMExample",
    "MaskedLMHead",
    "MaskedLMHeadConfig",
    "MaskedLMPrediction",
]
