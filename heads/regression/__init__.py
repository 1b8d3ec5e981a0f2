"""One number or several, for a text or a pair of texts."""

from polyhead.heads.regression.config import RegressionHeadConfig
from polyhead.heads.regression.example import RegressionExample
from polyhead.heads.regression.head import RegressionHead, RegressionPrediction

__all__ = ["RegressionExample", "RegressionHead", "RegressionHeadConfig", "RegressionPrediction"]
