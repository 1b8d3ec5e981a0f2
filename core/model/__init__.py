"""The model and the values of its calls."""

from polyhead.model.activation_cache import ActivationCache
from polyhead.model.checked_heads import encoded_by
from polyhead.model.output import ModelOutput
from polyhead.model.prediction import BATCH_TOKENS, HeadCall
from polyhead.model.reading import layers_read
from polyhead.model.task import Task
from polyhead.model.unset import UNSET, Unset
from polyhead.model.with_heads import DistilBertModelWithHeads

__all__ = [
    "BATCH_TOKENS",
    "UNSET",
    "ActivationCache",
    "DistilBertModelWithHeads",
    "HeadCall",
    "ModelOutput",
    "Task",
    "Unset",
    "encoded_by",
    "layers_read",
]
