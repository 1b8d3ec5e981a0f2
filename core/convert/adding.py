"""A bundle's parts, put into a model: all of them or none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from polyhead.convert.bundle import AdapterPart, Bundle, HeadPart
from polyhead.errors import UnknownNameError
from polyhead.model import UNSET
from polyhead.registry import registry

if TYPE_CHECKING:
    from polyhead.composition import AdapterSetup
    from polyhead.contracts import Adapter
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["Added", "add_bundle"]


@dataclass(frozen=True)
class Added:
    """What came into a model from another library's folder.

    Attributes:
        adapters: Their names there.
        heads: Those of heads; a head whose adapter is known is a task of the same name, too.
        tasks: Those of tasks.
        composition: How the adapters are meant to be used together, for `adapter_names=`; None
            where the folder does not say.
        notes: What a user should know, a sentence each.
    """

    adapters: tuple[str, ...]
    heads: tuple[str, ...]
    tasks: tuple[str, ...]
    composition: AdapterSetup
    notes: tuple[str, ...]


def add_bundle(model: DistilBertModelWithHeads, bundle: Bundle) -> Added:
    """Adds the parts; a head whose adapter is known becomes a task.

    Raises:
        NameTakenError: The model has an adapter, a head or a task of such a name.
        ConfigError: The adapters cannot be put together as the bundle says.
    """
    adapters: list[str] = []
    heads: list[str] = []
    tasks: list[str] = []
    try:
        with torch.random.fork_rng(devices=[]):  # fresh weights are drawn only to be replaced
            for part in bundle.adapters:
                model.adapter_table.add(part.name, _module_of(part, model))
                adapters.append(part.name)
            for head in bundle.heads:
                _add_head(head, model, tasks)
                heads.append(head.name)
                model.heads[head.name].load_state_dict(dict(head.tensors))
    except BaseException:
        _take_out(model, adapters, heads, tasks)
        raise
    return Added(tuple(adapters), tuple(heads), tuple(tasks), bundle.composition, bundle.notes)


def _module_of(part: AdapterPart, model: DistilBertModelWithHeads) -> Adapter:
    cls = registry().adapter_for(part.config)
    model.adapter_table.check_new(part.name)
    module = cls(part.config, model.shape)
    module.load_state_dict(dict(part.tensors))
    return module.to(model.device, model.dtype).train(model.training)


def _add_head(part: HeadPart, model: DistilBertModelWithHeads, tasks: list[str]) -> None:
    if part.adapter is UNSET:
        model.add_head(part.name, part.config)
        return
    model.add_task(part.name, head=part.config, adapter=None, share_adapter=part.adapter)
    tasks.append(part.name)


def _take_out(
    model: DistilBertModelWithHeads, adapters: list[str], heads: list[str], tasks: list[str]
) -> None:
    for name in tasks:
        with suppress(UnknownNameError):
            model.delete_task(name)
    for name in heads:
        if name in model.heads:
            model.delete_head(name)
    for name in reversed(adapters):
        if name in model.adapters:
            model.adapter_table.remove(name)
