"""One frozen DistilBERT encoder, many small adapters, any number of task heads.

    import polyhead as ph

    model = ph.DistilBertModelWithHeads.from_pretrained("minilm")
    model.load_task("tasks/sentiment")
    model.predict(["I love it"], task="sentiment")

Everything public is importable from here, and is imported when it is first used: `import polyhead`
alone loads neither torch nor anything else that takes time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyhead.adapters import BottleneckConfig
    from polyhead.contracts import (
        Adapter,
        AdapterConfig,
        Encoded,
        EncoderShape,
        Example,
        Head,
        HeadConfig,
        HeadOutput,
        LayerTaps,
        Metrics,
        NamedBackbone,
        Prediction,
        Recipe,
        TextSettings,
        TrainEvent,
    )
    from polyhead.distilbert import (
        DistilBertForMaskedLM,
        DistilBertForMultipleChoice,
        DistilBertForQuestionAnswering,
        DistilBertForSequenceClassification,
        DistilBertForTokenClassification,
        DistilBertModel,
        DistilBertTokenizer,
        DistilBertTokenizerFast,
        load_transformers_head,
    )
    from polyhead.distilbert.auto import (
        AutoConfig,
        AutoModel,
        AutoModelForMaskedLM,
        AutoModelForMultipleChoice,
        AutoModelForQuestionAnswering,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
    )
    from polyhead.encoder import DistilBertConfig
    from polyhead.errors import PolyheadError
    from polyhead.heads import (
        ClassificationHeadConfig,
        ClassificationPrediction,
        EmbeddingHeadConfig,
        EmbeddingIndex,
        EmbeddingPrediction,
        MaskedLMHeadConfig,
        MaskedLMPrediction,
        MultilabelHeadConfig,
        MultilabelPrediction,
        MultipleChoiceHeadConfig,
        MultipleChoicePrediction,
        QuestionAnsweringHeadConfig,
        QuestionAnsweringPrediction,
        RegressionHeadConfig,
        RegressionPrediction,
        TaggingHeadConfig,
        TaggingPrediction,
    )
    from polyhead.hookspecs import hookimpl
    from polyhead.model import UNSET, DistilBertModelWithHeads, ModelOutput, Task
    from polyhead.pipelines import pipeline
    from polyhead.tokenizer import Tokenizer
    from polyhead.train import Trainer, TrainSettings

__all__ = [
    "UNSET",
    "Adapter",
    "AdapterConfig",
    "AutoConfig",
    "AutoModel",
    "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice",
    "AutoModelForQuestionAnswering",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoTokenizer",
    "BottleneckConfig",
    "ClassificationHeadConfig",
    "ClassificationPrediction",
    "DistilBertConfig",
    "DistilBertForMaskedLM",
    "DistilBertForMultipleChoice",
    "DistilBertForQuestionAnswering",
    "DistilBertForSequenceClassification",
    "DistilBertForTokenClassification",
    "DistilBertModel",
    "DistilBertModelWithHeads",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "EmbeddingHeadConfig",
    "EmbeddingIndex",
    "EmbeddingPrediction",
    "Encoded",
    "EncoderShape",
    "Example",
    "Head",
    "HeadConfig",
    "HeadOutput",
    "LayerTaps",
    "MaskedLMHeadConfig",
    "MaskedLMPrediction",
    "Metrics",
    "ModelOutput",
    "MultilabelHeadConfig",
    "MultilabelPrediction",
    "MultipleChoiceHeadConfig",
    "MultipleChoicePrediction",
    "NamedBackbone",
    "PolyheadError",
    "Prediction",
    "QuestionAnsweringHeadConfig",
    "QuestionAnsweringPrediction",
    "Recipe",
    "RegressionHeadConfig",
    "RegressionPrediction",
    "TaggingHeadConfig",
    "TaggingPrediction",
    "Task",
    "TextSettings",
    "Tokenizer",
    "TrainEvent",
    "TrainSettings",
    "Trainer",
    "hookimpl",
    "load_transformers_head",
    "pipeline",
]

_HOMES = {
    "polyhead.adapters": ("BottleneckConfig",),
    "polyhead.contracts": (
        "Adapter",
        "AdapterConfig",
        "Encoded",
        "EncoderShape",
        "Example",
        "Head",
        "HeadConfig",
        "HeadOutput",
        "LayerTaps",
        "Metrics",
        "NamedBackbone",
        "Prediction",
        "Recipe",
        "TextSettings",
        "TrainEvent",
    ),
    "polyhead.distilbert": (
        "DistilBertForMaskedLM",
        "DistilBertForMultipleChoice",
        "DistilBertForQuestionAnswering",
        "DistilBertForSequenceClassification",
        "DistilBertForTokenClassification",
        "DistilBertModel",
        "DistilBertTokenizer",
        "DistilBertTokenizerFast",
        "load_transformers_head",
    ),
    "polyhead.distilbert.auto": (
        "AutoConfig",
        "AutoModel",
        "AutoModelForMaskedLM",
        "AutoModelForMultipleChoice",
        "AutoModelForQuestionAnswering",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
        "AutoTokenizer",
    ),
    "polyhead.encoder": ("DistilBertConfig",),
    "polyhead.errors": ("PolyheadError",),
    "polyhead.heads": (
        "ClassificationHeadConfig",
        "ClassificationPrediction",
        "EmbeddingHeadConfig",
        "EmbeddingIndex",
        "EmbeddingPrediction",
        "MaskedLMHeadConfig",
        "MaskedLMPrediction",
        "MultilabelHeadConfig",
        "MultilabelPrediction",
        "MultipleChoiceHeadConfig",
        "MultipleChoicePrediction",
        "QuestionAnsweringHeadConfig",
        "QuestionAnsweringPrediction",
        "RegressionHeadConfig",
        "RegressionPrediction",
        "TaggingHeadConfig",
        "TaggingPrediction",
    ),
    "polyhead.hookspecs": ("hookimpl",),
    "polyhead.model": ("UNSET", "DistilBertModelWithHeads", "ModelOutput", "Task"),
    "polyhead.pipelines": ("pipeline",),
    "polyhead.tokenizer": ("Tokenizer",),
    "polyhead.train": ("TrainSettings", "Trainer"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - takes time, and few ask

        return version("polyhead")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'polyhead' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
