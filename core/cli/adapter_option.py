"""What `--adapter` and `--with` of `polyhead train` ask for."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import ConfigError, listing

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup, Block
    from polyhead.contracts import AdapterConfig
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["WantedAdapter"]

_BLOCK = re.compile(r"\s*(Stack|Fuse|Average|Split)\s*\(")


@dataclass(frozen=True)
class WantedAdapter:
    """What the new task's rows shall go through.

    Attributes:
        text: A preset, kind, config string, "none", or the name of a saved adapter.
        block: Several put together, or None.
        saved: Saved tasks and adapters to have beside.
    """

    text: str | None
    block: "Block | None"
    saved: Sequence[Path]

    @classmethod
    def of(
        cls, given: str | None, recommended: str | None, saved: Sequence[Path]
    ) -> "WantedAdapter":
        """What the options say, checked as far as it can be without the saved files.

        Args:
            given: Of `--adapter`.
            recommended: By the kind of head, where nothing is given and for what is new in a block.
            saved: Of `--with`.

        Raises:
            ConfigError: It is not understood.
            UnknownKindError: There is no such kind.
        """
        from polyhead.composition import Block, parse_setup

        if saved and given is None:
            raise ConfigError("--with is for what --adapter names; give --adapter too.")
        if given is None or _BLOCK.match(given) is None:
            wanted = cls(recommended if given is None else given, None, saved)
            if not saved:
                wanted.config()
            return wanted
        block = parse_setup(given)
        if not isinstance(block, Block):
            raise ConfigError(f"{given!r} puts no adapters together.")
        if not saved:
            raise ConfigError(
                f"{block!r} puts saved adapters together; name their folders with --with."
            )
        return cls(recommended, block, saved)

    def config(self) -> "AdapterConfig | None":
        """The configuration of a new adapter, or None for the bare encoder."""
        from polyhead.registry import registry

        if self.text is None or self.text.lower() == "none":
            return None
        return registry().adapter_config(self.text)

    def on(
        self, model: "DistilBertModelWithHeads", task: str
    ) -> tuple["AdapterConfig | None", "AdapterSetup"]:
        """The configuration of what is new, and what is shared, with the saved adapters loaded.

        Args:
            model: Takes them in.
            task: The name of the new task, which a new adapter has too.

        Raises:
            ArtifactError: One of `saved` is damaged, or of another backbone.
            NameTakenError: Two of them have one name.
            ConfigError: `--adapter` names none of them, or one that is not there.
        """
        for path in self.saved:
            _load(model, path)
        if self.block is not None:
            self._check_names(model, task)
            return self.config(), self.block
        if self.text in model.adapters:
            return None, self.text
        if self.saved:
            raise ConfigError(
                f"--adapter names {self.text!r}, and --with loads {listing(list(model.adapters))}: "
                "leave --with out, or name what it loads."
            )
        return self.config(), None

    def _check_names(self, model: "DistilBertModelWithHeads", task: str) -> None:
        """Refuses a block that names what is neither saved nor the new adapter."""
        from polyhead.composition import names_of

        absent = [name for name in names_of(self.block) if name not in {task, *model.adapters}]
        if absent:
            loaded = listing(list(model.adapters))
            raise ConfigError(
                f"{self.block!r} names {absent[0]!r}, and --with loads {loaded}: give the folder "
                f"of {absent[0]!r} with --with, or write {task!r} for the new adapter."
            )


def _load(model: "DistilBertModelWithHeads", path: Path) -> None:
    from polyhead.artifact import TASK_FILE

    # os.path, not path.exists: that raises for names that are too long
    if os.path.exists(path / TASK_FILE):  # noqa: PTH110
        model.load_task(path)
    else:
        model.load_adapter(path)
