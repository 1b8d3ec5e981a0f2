"""Adapters and heads of other libraries, in and out.

How a format takes part (each lies in a module or package of its own and is listed in `formats`):

- What every reader returns and every writer takes is a `Bundle` (bundle.py): adapters and heads
  with our configs and our tensor names, as they would lie in our own files.
- A format is a `Format` (format.py): `recognises(folder)`, `read(folder, model, name)` and
  `write(bundle, model, weights)`, which returns file contents by name. Readers register nothing and
  never write the model; `convert`, `load_foreign` and the command line do the rest.
- Weights are read by `read_weights` (weight_files.py): `.bin` only through torch's weights-only
  unpickler, and only once the pickle, the archive and all sizes have been looked at without it;
  `.safetensors` likewise. JSON is read by `read_json`, and its fields by `field` and `no_others`
  (json_files.py). Each raises an ArtifactError of one sentence for whatever is wrong.
- Parts are made by `adapter_config` and `checked_adapter`, `head_config` and `checked_head`
  (checking.py), which refuse configs that the kind does not take, and missing, unexpected or
  misshapen tensors.
- Names are chosen by `chosen_name`, and folders inside a folder by `subfolder` (naming.py).
- What the other side has no exact equal for raises `ConversionError`, which names it.
"""

from polyhead.convert.bundle import AdapterPart, Bundle, HeadPart
from polyhead.convert.checking import (
    adapter_config,
    checked_adapter,
    checked_head,
    head_config,
)
from polyhead.convert.format import Format
from polyhead.convert.json_files import field, no_others, read_json
from polyhead.convert.naming import chosen_name, subfolder
from polyhead.convert.weight_files import most_bytes, read_weights, weight_bytes

__all__ = [
    "AdapterPart",
    "Bundle",
    "Format",
    "HeadPart",
    "adapter_config",
    "checked_adapter",
    "checked_head",
    "chosen_name",
    "field",
    "head_config",
    "most_bytes",
    "no_others",
    "read_json",
    "read_weights",
    "subfolder",
    "weight_bytes",
]
