"""What plugins implement: heads, adapters, their configs, and the values they exchange."""

from polyhead.contracts.activations import (
    ACTIVATIONS,
    Activation,
    activation_of,
    check_activation,
)
from polyhead.contracts.adapter import Adapter, EncoderView, FusingAdapter, SideAdapter
from polyhead.contracts.backbone import NamedBackbone
from polyhead.contracts.config import (
    AdapterConfig,
    HeadConfig,
    HiddenSource,
    explain,
    field_names,
    parse_config_string,
    union_parts,
    validate_config,
)
from polyhead.contracts.events import ServeEvent, TrainEvent
from polyhead.contracts.examples import Encoded, Example, HeadOutput, Prediction, targets_of
from polyhead.contracts.head import Head
from polyhead.contracts.layer_mix import LayerMix
from polyhead.contracts.metrics import Metrics
from polyhead.contracts.recipe import Recipe
from polyhead.contracts.sample import sample_of, text_fields
from polyhead.contracts.shape import EncoderShape
from polyhead.contracts.taps import (
    NO_TAPS,
    PROJECTIONS,
    Change,
    ComposableTap,
    EmbeddingsTap,
    JoinableTap,
    LayerStep,
    LayerTaps,
    Prefixes,
    PrefixTap,
    Projection,
    ProjectionTap,
    SublayerTap,
    TokenTap,
)
from polyhead.tokenizer import TextSettings, Tokenizer, Truncation

__all__ = [
    "ACTIVATIONS",
    "NO_TAPS",
    "PROJECTIONS",
    "Activation",
    "Adapter",
    "AdapterConfig",
    "Change",
    "ComposableTap",
    "EmbeddingsTap",
    "Encoded",
    "EncoderShape",
    "EncoderView",
    "Example",
    "FusingAdapter",
    "Head",
    "HeadConfig",
    "HeadOutput",
    "HiddenSource",
    "JoinableTap",
    "LayerMix",
    "LayerStep",
    "LayerTaps",
    "Metrics",
    "NamedBackbone",
    "Prediction",
    "PrefixTap",
    "Prefixes",
    "Projection",
    "ProjectionTap",
    "Recipe",
    "ServeEvent",
    "SideAdapter",
    "SublayerTap",
    "TextSettings",
    "TokenTap",
    "Tokenizer",
    "TrainEvent",
    "Truncation",
    "activation_of",
    "check_activation",
    "explain",
    "field_names",
    "parse_config_string",
    "sample_of",
    "targets_of",
    "text_fields",
    "union_parts",
    "validate_config",
]
