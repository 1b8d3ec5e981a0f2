"""What plugins implement: heads, adapters, their configs, and the values they exchange."""

from polyhead.contracts.activations import (
    ACTIVATIONS,
    Activation,
    activation_of,
    check_activation,
)
from polyhead.contracts.adapter import NO_TAPS, Adapter, LayerTaps, SideAdapter, SublayerTap
from polyhead.contracts.backbone import NamedBackbone
from polyhead.contracts.config import (
    AdapterConfig,
    HeadConfig,
    HiddenSource,
    explain,
    field_names,
    parse_config_string,
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
from polyhead.tokenizer import TextSettings, Tokenizer, Truncation

__all__ = [
    "ACTIVATIONS",
    "NO_TAPS",
    "Activation",
    "Adapter",
    "AdapterConfig",
    "Encoded",
    "EncoderShape",
    "Example",
    "Head",
    "HeadConfig",
    "HeadOutput",
    "HiddenSource",
    "LayerMix",
    "LayerTaps",
    "Metrics",
    "NamedBackbone",
    "Prediction",
    "Recipe",
    "ServeEvent",
    "SideAdapter",
    "SublayerTap",
    "TextSettings",
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
    "validate_config",
]
