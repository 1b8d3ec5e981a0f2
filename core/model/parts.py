"""What a model is made of: one frozen encoder, and named adapters, heads and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import nn

from polyhead.artifact import BackboneInfo
from polyhead.composition import (
    AdapterSetup,
    Block,
    acting,
    acting_of,
    check_taps,
    fuses_in,
    fusion_of,
    names_of,
    with_fusions_named,
)
from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    EncoderShape,
    Head,
    HeadConfig,
    TextSettings,
)
from polyhead.encoder import Encoder
from polyhead.errors import (
    BackboneMismatchError,
    ConfigError,
    InputError,
    NameTakenError,
    UnknownAdapterError,
    UnknownHeadError,
    UnknownTaskError,
)
from polyhead.model.adapter_table import AdapterTable
from polyhead.model.encoder_view import View
from polyhead.model.table import ModuleTable
from polyhead.model.task import Task
from polyhead.model.unset import UNSET, Unset
from polyhead.names import check_name
from polyhead.registry import registry
from polyhead.tokenizer import Tokenizer

__all__ = ["ModelParts"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ModelParts(nn.Module):
    """A frozen encoder with adapters, heads and tasks that come and go.

    Attributes:
        encoder: The frozen encoder.
        tokenizer: Its tokenizer, or None for a checkpoint without one, which takes tensors only.
        backbone: The encoder's name, shape and fingerprint, as saved with every artifact.
    """

    def __init__(
        self, encoder: Encoder, tokenizer: Tokenizer | None = None, name: str = "unnamed"
    ) -> None:
        """Wraps an encoder; `from_pretrained` is the usual way.

        Args:
            encoder: It is used as it is and never written.
            tokenizer: For calls with texts.
            name: What the encoder is called in the manifests of saved artifacts.
        """
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.backbone = BackboneInfo(
            name=name, fingerprint=encoder.fingerprint(), shape=encoder.config.shape
        )
        self._adapters = AdapterTable()
        self._heads: ModuleTable[Head] = ModuleTable("head", UnknownHeadError)
        self._own_adapters: dict[str, AdapterSetup] = {}
        self._tasks: dict[str, Task] = {}
        self.eval()

    @property
    def shape(self) -> EncoderShape:
        """The encoder's sizes."""
        return self.backbone.shape

    @property
    def device(self) -> torch.device:
        """Where the encoder's weights lie."""
        return self.encoder.word_embeddings.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The encoder's floating-point type."""
        return self.encoder.word_embeddings.weight.dtype

    @property
    def precision(self) -> str:
        """What the encoder's products are computed in: "float32", "int8", ..."""
        return self.encoder.precision

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """The adapters by name; a live view."""
        return self._adapters.view

    @property
    def adapter_table(self) -> AdapterTable:
        """The adapters as they are looked up, with the error that lists what there is."""
        return self._adapters

    @property
    def heads(self) -> Mapping[str, Head]:
        """The heads by name; a live view."""
        return self._heads.view

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks by name; a live view."""
        return MappingProxyType(self._tasks)

    def add_adapter(self, name: str, config: str | AdapterConfig = "seq_bn") -> None:
        """Adds an adapter with fresh weights.

        Args:
            name: For calls, and for the file it is saved to.
            config: A configuration or a config string such as "seq_bn[reduction_factor=8]".

        Raises:
            InvalidNameError: It cannot be a name.
            NameTakenError: There is an adapter of that name.
            UnknownKindError: No installed plugin provides that kind.
            ConfigError: The config is not understood or does not fit the encoder.
        """
        self._adapters.check_new(name)
        self._adapters.add(name, self._new_adapter(config))

    def adapters_of(self, setup: AdapterSetup) -> dict[str, Adapter]:
        """The adapters that act where a call names `setup`, and those that they fuse.

        Raises:
            UnknownAdapterError: One of them is not there.
            ConfigError: There are several fusions of the adapters that a Fuse names.
        """
        names = [*names_of(setup), *(fusion_of(f, self._adapters) for f in fuses_in(setup))]
        for name in names:  # it grows by what fusions fuse, which may be fusions again
            names += self._adapters.fusions.get(name, ())
        return {name: self._adapters.find(name) for name in names}

    def delete_adapter(self, name: str) -> None:
        """Removes an adapter.

        Raises:
            UnknownAdapterError: There is none of that name.
            InputError: A task or a fusion uses it.
        """
        self._adapters.find(name)
        tasks = tuple(self._tasks.values())
        users = [task.name for task in tasks if name in _named_in(task.adapter)]
        if users:
            raise InputError(
                f"the adapter {name!r} is used by the task {users[0]!r}; delete the task first "
                f"with model.delete_task({users[0]!r})."
            )
        fusions = [own for own, fused in tuple(self._adapters.fusions.items()) if name in fused]
        if fusions:
            raise InputError(
                f"the adapter {name!r} is fused by {fusions[0]!r}; delete that one first with "
                f"model.delete_adapter({fusions[0]!r})."
            )
        self._adapters.remove(name)

    def add_head(
        self, name: str, config: HeadConfig, *, adapter: AdapterSetup | Unset = UNSET
    ) -> None:
        """Adds a head with fresh weights.

        Args:
            name: For calls, and for the file it is saved to.
            config: Its configuration; the class tells its kind.
            adapter: The head's own adapter, used when a call names none: a name, several put
                together, or None for the bare encoder. When not given, the adapter that has the
                head's name.

        Raises:
            InvalidNameError: It cannot be a name.
            NameTakenError: There is a head of that name.
            UnknownAdapterError: `adapter` names none.
            ConfigError: The config belongs to no registered kind, or the adapters cannot be put
                together so.
        """
        self._heads.check_new(name)
        own = UNSET if adapter is UNSET else self._checked_setup(adapter)
        self._heads.add(name, self._fitted(self._new_head(config)))
        if own is not UNSET:
            self._own_adapters[name] = own

    def delete_head(self, name: str) -> None:
        """Removes a head.

        Raises:
            UnknownHeadError: There is none of that name.
            InputError: A task uses it.
        """
        self._heads.find(name)
        users = [task.name for task in tuple(self._tasks.values()) if task.head == name]
        if users:
            raise InputError(
                f"the head {name!r} is used by the task {users[0]!r}; delete the task first with "
                f"model.delete_task({users[0]!r})."
            )
        self._heads.remove(name)
        self._own_adapters.pop(name, None)

    def task(self, name: str) -> Task:
        """The task of that name.

        Raises:
            UnknownTaskError: There is none; the message lists those there are.
        """
        task = self._tasks.get(name) if isinstance(name, str) else None
        if task is None:
            remedy = "Add one with model.add_task(name, head=...) or model.load_task(folder)."
            raise UnknownTaskError(str(name), self._tasks, remedy)
        return task

    def add_task(
        self,
        name: str,
        *,
        head: HeadConfig,
        adapter: str | AdapterConfig | None = "seq_bn",
        share_adapter: AdapterSetup = None,
        text: TextSettings | None = None,
    ) -> Task:
        """Adds a head and its adapter, with fresh weights, under one name.

        Args:
            name: Of the task, its head and its adapter.
            head: The head's configuration.
            adapter: The adapter's configuration or config string, or None for the bare encoder.
            share_adapter: In place of `adapter`, the name of one that is there, or several put
                together: tasks that share an adapter share the whole pass through the encoder.
            text: How the task's texts are read; when None, as the kind of head recommends, or as
                many tokens as the encoder takes where those are fewer.

        Raises:
            InvalidNameError: It cannot be a name.
            NameTakenError: There is a task, head or adapter of that name.
            UnknownAdapterError: `share_adapter` names none.
            ConfigError: A config is not understood or does not fit the encoder, or adapters cannot
                be put together so.
        """
        self._check_new_task(name)
        new_head = self._new_head(head)
        text = self._fitting_text(text, new_head.recipe.text)
        new_adapter = None
        shared = self._checked_setup(share_adapter)
        if share_adapter is None and adapter is not None:
            new_adapter = self._new_adapter(adapter)
        return self._put_task(name, new_head, new_adapter, shared, text)

    def delete_task(self, name: str) -> None:
        """Removes a task with its head, and its own adapters unless something else uses them.

        Adapters that the task only shares stay.

        Raises:
            UnknownTaskError: There is none of that name.
        """
        task = self.task(name)
        del self._tasks[name]
        self.delete_head(task.head)
        own = {*task.own_adapters, *((name,) if task.adapter == name else ())}
        while own and (free := own - self._used_of(own)):  # a fusion first, then what it fuses
            for each in free:
                self._adapters.remove(each)
            own -= free

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Loads weights of adapters and heads, as `nn.Module.load_state_dict` does.

        Raises:
            BackboneMismatchError: The state dict holds another encoder, and ours is never written.
        """
        own = {f"encoder.{name}": weight for name, weight in self.encoder.state_dict().items()}
        for name, weight in own.items():
            given = state_dict.get(name)
            if given is not None and not torch.equal(given.to(weight), weight):
                raise BackboneMismatchError(
                    f"the state dict has another {name} than this model, and the encoder is never "
                    f"written; make the model from the state dict's own backbone."
                )
        return super().load_state_dict({**state_dict, **own}, strict=strict, assign=assign)

    def _new_adapter(self, config: str | AdapterConfig) -> Adapter:
        """An adapter with fresh weights, where and as the encoder's are."""
        resolved = registry().adapter_config(config)
        adapter = self._fitted(registry().adapter_for(resolved)(resolved, self.shape))
        check_taps(acting_of(adapter, self._adapters), self.shape.n_layers)
        with torch.no_grad():
            adapter.initialise(View(self.encoder, self.tokenizer))
        return adapter

    def _checked_setup(self, setup: AdapterSetup) -> AdapterSetup:
        """What a head or a task keeps of `setup`, if a call could name it.

        Raises:
            UnknownAdapterError: An adapter is not there.
            ConfigError: They cannot be put together so.
        """
        found = acting(setup, self._adapters)
        if found is not None:
            check_taps(found, self.shape.n_layers)
        return with_fusions_named(setup, self._adapters)

    def _new_head(self, config: HeadConfig) -> Head:
        if not isinstance(config, HeadConfig):
            raise ConfigError(
                "a head is configured by a HeadConfig, such as "
                f"ClassificationHeadConfig(labels=...), not by {type(config).__name__}."
            )
        return registry().head_for(config)(config, self.shape)

    def _fitted(self, module: ModuleT) -> ModuleT:
        return module.to(self.device, self.dtype).train(self.training)

    def _fitting_text(self, text: TextSettings | None, default: TextSettings) -> TextSettings:
        """`text`, if the encoder has a position for each of its tokens; else what fits of it."""
        longest = self.shape.max_positions
        if text is None:
            return default.model_copy(update={"max_length": min(default.max_length, longest)})
        if text.max_length > longest:
            raise ConfigError(
                f"max_length {text.max_length} is more than the {longest} positions of the "
                f"backbone {self.backbone.name!r}."
            )
        return text

    def _check_new_task(self, name: str) -> None:
        check_name(name, "task")
        if name in self._tasks:
            raise NameTakenError(
                f"this model already has the task {name!r}; choose another name, or delete it "
                f"first with model.delete_task({name!r})."
            )
        self._heads.check_new(name)

    def _put_task(
        self,
        name: str,
        head: Head,
        adapter: Adapter | None,
        shared: AdapterSetup,
        text: TextSettings,
        *,
        own_adapters: tuple[str, ...] = (),
    ) -> Task:
        """Registers the parts of a task: all of them or none."""
        head = self._fitted(head)
        if adapter is not None:
            self._adapters.add(name, adapter)
        try:
            self._heads.add(name, head)
        except NameTakenError:
            if adapter is not None:
                self._adapters.remove(name)
            raise
        task = Task(name, name, name if adapter is not None else shared, text, own_adapters)
        self._own_adapters[name] = task.adapter
        self._tasks[name] = task
        return task

    def _used_of(self, names: set[str]) -> set[str]:
        """Those of some adapters that a head uses by itself, a task, or a fusion."""
        setups = [self._own_adapters.get(head, head) for head in tuple(self._heads.view)]
        setups += [task.adapter for task in tuple(self._tasks.values())]
        used = {setup for setup in setups if isinstance(setup, str)}  # most, of thousands
        blocks = [setup for setup in setups if isinstance(setup, Block)]
        used = used.union(*map(_named_in, blocks), *tuple(self._adapters.fusions.values()))
        return used & names

    def _own_adapter(self, head: str) -> AdapterSetup:
        """What acts on a head's rows when the call names no adapter."""
        adapter = self._own_adapters.get(head, head)
        absent = [name for name in names_of(adapter) if name not in self._adapters.view]
        if absent:
            self._heads.find(head)
            raise UnknownAdapterError(
                absent[0],
                self._adapters.view,
                f"The head {head!r} has no adapter of its own here; pass adapter_names=..., None "
                "for the bare encoder.",
            )
        return adapter


def _named_in(setup: AdapterSetup) -> set[str]:
    """The adapters that a head's or task's setup names, its fusions too."""
    return {*names_of(setup), *(block.name for block in fuses_in(setup) if block.name is not None)}
