"""The files of the `adapters` library, and what stands in the outer part of their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.version import InvalidVersion, Version

from polyhead.convert.json_files import field, read_json
from polyhead.convert.weight_files import most_bytes, read_weights
from polyhead.errors import ArtifactError, BackboneMismatchError, ConversionError, shown

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.model import DistilBertModelWithHeads

__all__ = [
    "ADAPTER",
    "FUSION",
    "HEAD",
    "SETUP_FILE",
    "VERSION",
    "Part",
    "PartFiles",
    "outer_fields",
    "read_part",
]

VERSION: Final = "1.3.0"
"""The version of the library whose files are written."""

SETUP_FILE: Final = "adapter_setup.json"


@dataclass(frozen=True)
class PartFiles:
    """The names of the files of one part: an adapter, a head or a fusion.

    Attributes:
        what: For messages.
        config: The JSON file.
        bin: The weights, in the library's usual flavour.
        safetensors: The weights in its other one.
    """

    what: str
    config: str
    bin: str
    safetensors: str

    def weights_in(self, folder: Path) -> Path | None:
        """The weight file that lies there, safetensors preferred, or None."""
        for name in (self.safetensors, self.bin):
            if (folder / name).is_file():
                return folder / name
        return None


ADAPTER: Final = PartFiles(
    "adapter", "adapter_config.json", "pytorch_adapter.bin", "adapter.safetensors"
)
HEAD: Final = PartFiles(
    "head", "head_config.json", "pytorch_model_head.bin", "model_head.safetensors"
)
FUSION: Final = PartFiles(
    "fusion",
    "adapter_fusion_config.json",
    "pytorch_model_adapter_fusion.bin",
    "model_adapter_fusion.safetensors",
)


@dataclass(frozen=True)
class Part:
    """One part as it was read, its JSON checked as far as all parts are alike.

    Attributes:
        source: The JSON file.
        outer: All of it.
        tensors: The weights, by their names in the file.
    """

    source: Path
    outer: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def is_unversioned(self) -> bool:
        """Whether the first versions of the library wrote it, which did not say so."""
        return "version" not in self.outer

    def is_before(self, version: str) -> bool:
        """Whether `adapters` (not adapter-transformers) wrote it, before that version."""
        written = self.outer.get("version")
        prefix = "adapters."
        if not isinstance(written, str) or not written.startswith(prefix):
            return False
        try:
            return Version(written.removeprefix(prefix)) < Version(version)
        except InvalidVersion:
            raise ArtifactError(
                f"{self.source}: version is {shown(written)}, which is none."
            ) from None


def read_part(folder: Path, files: PartFiles, model: DistilBertModelWithHeads) -> Part:
    """One part of a folder.

    Raises:
        ArtifactError: A file is missing or damaged.
        BackboneMismatchError: It was made for an encoder of another kind or width.
    """
    source = folder / files.config
    outer = read_json(source)
    _check_encoder(outer, source, model.shape.width)
    weights = files.weights_in(folder)
    if weights is None:
        raise ArtifactError(f"{folder} has neither {files.safetensors} nor {files.bin}.")
    return Part(source, outer, read_weights(weights, most_bytes(model)))


def outer_fields(model: DistilBertModelWithHeads, name: str | None) -> dict[str, Any]:
    """What the library writes around each part's own config."""
    return {
        "hidden_size": model.shape.width,
        "model_class": "DistilBertAdapterModel",
        "model_name": model.backbone.name if _is_hub_id(model.backbone.name) else "",
        "model_type": "distilbert",
        "name": name,
        "version": f"adapters.{VERSION}",
    }


def _check_encoder(outer: dict[str, Any], source: Path, width: int) -> None:
    model_type = outer.get("model_type", "distilbert")
    if model_type != "distilbert":
        raise BackboneMismatchError(
            f"{source} was made for an encoder of type {shown(model_type)}; this one is a "
            "DistilBERT."
        )
    their_width = field({"hidden_size": width, **outer}, "hidden_size", int, source)
    if their_width != width:
        raise BackboneMismatchError(
            f"{source} was made for an encoder of width {their_width}; this one has {width}."
        )
    version = outer.get("version")
    if version is not None and not isinstance(version, str):
        raise ConversionError(f"{source}: version is {shown(version)}, not a text.")


def _is_hub_id(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= 2 and all(parts) and not name.startswith((".", "~"))  # noqa: PLR2004
