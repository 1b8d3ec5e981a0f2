"""Training: data files, the trainer, evaluation, and what is shown and kept of a run."""

from polyhead.train.bundled import BUNDLED_LABELS, bundled_examples
from polyhead.train.data import ExampleReader, read_examples
from polyhead.train.evaluation import evaluate
from polyhead.train.log import TRAIN_LOG_FILE, events_as_jsonl, file_digest, training_record
from polyhead.train.observers import Observer
from polyhead.train.progress import ProgressBar
from polyhead.train.result import TrainResult
from polyhead.train.schedule import lr_factor, n_warmup_steps
from polyhead.train.seeds import seeded
from polyhead.train.settings import TrainSettings
from polyhead.train.trainer import Trainer

__all__ = [
    "BUNDLED_LABELS",
    "TRAIN_LOG_FILE",
    "ExampleReader",
    "Observer",
    "ProgressBar",
    "TrainResult",
    "TrainSettings",
    "Trainer",
    "bundled_examples",
    "evaluate",
    "events_as_jsonl",
    "file_digest",
    "lr_factor",
    "n_warmup_steps",
    "read_examples",
    "seeded",
    "training_record",
]
