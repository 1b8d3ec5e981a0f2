"""The adapters or heads of a model by name."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from torch import nn

from polyhead.errors import NameTakenError
from polyhead.names import check_name

if TYPE_CHECKING:
    from polyhead.errors import UnknownNameError

__all__ = ["ModuleTable"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ModuleTable(nn.Module, Generic[ModuleT]):
    """Named modules, added and removed while other threads use them.

    Unlike nn.ModuleDict it takes any of our names ("train", "keys"). Adding, finding and removing
    one costs the same among a thousand as among one.
    """

    def __init__(self, what: str, unknown: type[UnknownNameError]) -> None:
        """Makes an empty table.

        Args:
            what: What it holds, for messages: "adapter" or "head".
            unknown: The error for a name that is not there.
        """
        super().__init__()
        self._what = what
        self._unknown = unknown
        self._lock = threading.Lock()

    @property
    def view(self) -> Mapping[str, ModuleT]:
        """A live, read-only view."""
        return MappingProxyType(cast("dict[str, ModuleT]", self._modules))

    def check_new(self, name: object) -> str:
        """`name`, if it may be added.

        Raises:
            InvalidNameError: It cannot be a name.
            NameTakenError: It is in use.
        """
        name = check_name(name, self._what)
        if name in self._modules:
            raise self._taken(name)
        return name

    def add(self, name: str, module: ModuleT) -> None:
        """Adds a module that is complete.

        Raises:
            NameTakenError: The name is in use.
        """
        with self._lock:
            if name in self._modules:
                raise self._taken(name)
            self._modules[name] = module

    def replace(self, name: str, module: ModuleT) -> None:
        """Puts a module in the place of another, between two calls.

        Raises:
            UnknownNameError: There is none of that name.
        """
        with self._lock:
            self.find(name)
            self._modules[name] = module

    def find(self, name: str) -> ModuleT:
        """The module of that name.

        Raises:
            UnknownNameError: It is not there; the message lists those that are.
        """
        module = self._modules.get(name) if isinstance(name, str) else None
        if module is None:
            raise self._unknown(
                str(name), self._modules, f"Add one with model.add_{self._what}(name, config)."
            )
        return cast("ModuleT", module)

    def remove(self, name: str) -> ModuleT:
        """Takes out the module of that name and returns it.

        Raises:
            UnknownNameError: It is not there.
        """
        with self._lock:
            module = self.find(name)
            del self._modules[name]
            return module

    def _taken(self, name: str) -> NameTakenError:
        return NameTakenError(
            f"this model already has the {self._what} {name!r}; choose another name, or delete it "
            f"first with model.delete_{self._what}({name!r})."
        )

    # a lock cannot be copied or pickled: every copy of a model gets one of its own
    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()
