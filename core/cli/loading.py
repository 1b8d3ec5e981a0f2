"""A model with the tasks that a command line names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import InputError

if TYPE_CHECKING:
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["BackboneSource", "load_tasks"]


@dataclass(frozen=True)
class BackboneSource:
    """The backbone that a command line asks for.

    Attributes:
        name: A checkpoint folder, named backbone or hub id; None for the one that the tasks name.
        revision: A branch, tag or commit on the hub.
        cache_dir: Where downloads are kept.
        offline: Whether only downloaded files may be used.
        precision: Of the encoder's linear layers.
    """

    name: str | None
    revision: str | None = None
    cache_dir: Path | None = None
    offline: bool = False
    precision: str = "float32"

    def load(self, default: str) -> "DistilBertModelWithHeads":
        """The bare model on the backbone, on `default` where none was asked for.

        From here on torch uses no more threads than this process has cores for.
        """
        import torch

        from polyhead.encoder import check_precision
        from polyhead.machine import limit_threads
        from polyhead.model import DistilBertModelWithHeads

        limit_threads()
        return DistilBertModelWithHeads.from_pretrained(
            default if self.name is None else self.name,
            revision=self.revision,
            cache_dir=self.cache_dir,
            local_files_only=self.offline,
            precision=check_precision(self.precision, torch.device("cpu")),
        )


def load_tasks(
    folders: Sequence[Path], backbone: BackboneSource
) -> tuple["DistilBertModelWithHeads", list[str]]:
    """A model with the tasks in `folders`, and their names in the same order.

    The folders are read before the backbone, so that a damaged one is found at once.

    Raises:
        ArtifactError: A folder is damaged or not a task's.
        InputError: Two tasks have one name, or name different backbones.
    """
    from polyhead.artifact import read_task

    manifests = {folder: read_task(folder).manifest for folder in folders}
    folder_of_name: dict[str, Path] = {}
    folder_of_backbone: dict[str, Path] = {}
    for folder, manifest in manifests.items():
        other = folder_of_name.setdefault(manifest.name, folder)
        if other != folder:
            raise InputError(
                f"{other} and {folder} are both called {manifest.name!r}; ask them in two commands."
            )
        folder_of_backbone.setdefault(manifest.backbone.name, folder)
    if backbone.name is None and len(folder_of_backbone) > 1:
        listed = ", ".join(f"{place} on {name!r}" for name, place in folder_of_backbone.items())
        raise InputError(
            f"the tasks name different backbones ({listed}); ask them in two commands, or give the "
            "one they share with --backbone."
        )
    model = backbone.load(next(iter(folder_of_backbone)))
    return model, [model.load_task(folder) for folder in manifests]
