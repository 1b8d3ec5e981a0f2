"""What passes between formats: adapters and heads with our configs and our tensor names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from polyhead.composition import AdapterSetup
from polyhead.contracts import AdapterConfig, HeadConfig
from polyhead.model import UNSET

if TYPE_CHECKING:
    from polyhead.model.unset import Unset

__all__ = ["AdapterPart", "Bundle", "HeadPart"]


@dataclass(frozen=True)
class AdapterPart:
    """One adapter.

    Attributes:
        name: As it is to be called in a model.
        config: Its class tells the kind.
        tensors: Those of its `state_dict`, float32 and on the CPU.
    """

    name: str
    config: AdapterConfig
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class HeadPart:
    """One head.

    Attributes:
        name: As it is to be called in a model.
        config: Its class tells the kind.
        tensors: Those of its `state_dict`, float32 and on the CPU.
        adapter: The adapter of the same bundle that it was trained with, or several put together;
            None for the bare encoder, UNSET where its file does not say. A head of which it is
            known makes a task.
    """

    name: str
    config: HeadConfig
    tensors: Mapping[str, Tensor]
    adapter: AdapterSetup | Unset = UNSET


@dataclass(frozen=True)
class Bundle:
    """All that lies in one folder.

    Attributes:
        adapters: In an order in which they can be added: those that a fusion puts together first.
        heads: Each has a name of its own among the heads.
        composition: How the adapters are meant to be used together, as `adapter_names=` takes it;
            None where the folder does not say.
        notes: What a user should know: each a sentence, such as what was left out because it has no
            effect on any output.
    """

    adapters: tuple[AdapterPart, ...] = ()
    heads: tuple[HeadPart, ...] = ()
    composition: AdapterSetup = None
    notes: tuple[str, ...] = field(default=())
