"""The frozen encoder, and the checkpoints it comes from."""

from polyhead.encoder.checkpoint import load_encoder
from polyhead.encoder.config import DistilBertConfig, read_config
from polyhead.encoder.encoder import Encoder, EncoderOutput
from polyhead.encoder.hub import HubOptions, download_checkpoint

__all__ = [
    "DistilBertConfig",
    "Encoder",
    "EncoderOutput",
    "HubOptions",
    "download_checkpoint",
    "load_encoder",
    "read_config",
]
