"""The encoder, its configuration, and the checkpoints it comes from."""

from polyhead.encoder.checkpoint import Checkpoint, load_checkpoint, load_encoder
from polyhead.encoder.checkpoint_writing import checkpoint_weights
from polyhead.encoder.config import DistilBertConfig, read_config
from polyhead.encoder.config_types import AttentionName
from polyhead.encoder.devices import device_named
from polyhead.encoder.eager_attention import AttentionMaps
from polyhead.encoder.encoder import Encoder, EncoderOutput
from polyhead.encoder.finding import find_checkpoint
from polyhead.encoder.hub import HubOptions, download_checkpoint
from polyhead.encoder.precision import PRECISIONS, Precision, check_precision
from polyhead.encoder.sinusoids import sinusoids

__all__ = [
    "PRECISIONS",
    "AttentionMaps",
    "AttentionName",
    "Checkpoint",
    "DistilBertConfig",
    "Encoder",
    "EncoderOutput",
    "HubOptions",
    "Precision",
    "check_precision",
    "checkpoint_weights",
    "device_named",
    "download_checkpoint",
    "find_checkpoint",
    "load_checkpoint",
    "load_encoder",
    "read_config",
    "sinusoids",
]
