"""Write what all sides load: a random DistilBERT of the usual shape, and one random adapter.

It runs in the environment of `benchmarks/peers-requirements.txt`, with `python -P`. In FOLDER it
writes `model`, a classifier of two labels as transformers saves it, and, where `adapters` is
installed, `seq_bn`, an adapter as that library saves it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

SEED = 0


def write(folder: Path) -> None:
    """Draw the weights and save both."""
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()
    torch.manual_seed(SEED)
    config = transformers.DistilBertConfig(num_labels=2)
    model = transformers.DistilBertForSequenceClassification(config)
    model.save_pretrained(folder / "model")
    if importlib.util.find_spec("adapters") is None:
        return
    importlib.import_module("adapters").init(model)
    model.add_adapter("seq_bn", config="seq_bn")
    model.save_adapter(str(folder / "seq_bn"), "seq_bn", with_head=False, use_safetensors=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
