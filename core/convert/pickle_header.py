"""What a pickle of torch.save says of its tensors, read without running anything of it.

Pickle is a small machine: its instructions make strings, numbers, tuples and dicts, and may call
functions by name. This reads the instructions that torch.save writes for a dictionary of tensors,
and notes in place of calls what tensor they would make. Anything else is refused. Memory is a small
multiple of the pickle's own size.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import torch

__all__ = ["BadPickleError", "PickledTensor", "Storage", "next_pickle", "tensors_of"]

_STORAGES: Final = {
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch DoubleStorage": torch.float64,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
_TENSOR: Final = "torch._utils _rebuild_tensor_v2"
_PARAMETER: Final = "torch._utils _rebuild_parameter"
_ORDERED: Final = "collections OrderedDict"
_CALLABLE: Final = frozenset({_TENSOR, _PARAMETER, _ORDERED})
_MOST_DIMENSIONS: Final = 8


class BadPickleError(ValueError):
    """A pickle that is damaged, or holds anything but a dictionary of tensors."""


@dataclass(frozen=True)
class Storage:
    """The memory behind one tensor or several.

    Attributes:
        key: Its name in the file.
        dtype: Of its numbers.
        n_elements: How many there are.
    """

    key: str
    dtype: torch.dtype
    n_elements: int

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return self.n_elements * self.dtype.itemsize


@dataclass(frozen=True)
class PickledTensor:
    """One tensor as a view of a storage."""

    storage: Storage
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Name:
    """Something that the pickle names to be called or to be a type; never looked up."""

    text: str


_MARK: Final = object()


def next_pickle(file: IO[bytes]) -> object:
    """The next pickle in `file`: strings, numbers, tuples, dicts and `PickledTensor`.

    Raises:
        ValueError: It is damaged, or holds anything that torch.save does not write for a dictionary
            of tensors; mostly a BadPickleError.
    """
    machine = _Machine()
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "STOP":
            return machine.pop()
        machine.run(opcode.name, argument)
    raise BadPickleError("the pickle has no end")


class _Machine:
    """The part of the pickle machine that a dictionary of tensors needs."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.actions: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.stack.append(_MARK),
            "NONE": lambda _: self.stack.append(None),
            "NEWTRUE": lambda _: self.stack.append(True),
            "NEWFALSE": lambda _: self.stack.append(False),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "TUPLE": lambda _: self.stack.append(tuple(self.marked())),
            "TUPLE1": lambda _: self.tuple_of(1),
            "TUPLE2": lambda _: self.tuple_of(2),
            "TUPLE3": lambda _: self.tuple_of(3),
            "APPEND": lambda _: self.extend([self.pop()]),
            "APPENDS": lambda _: self.extend(self.marked()),
            "SETITEM": lambda _: self.set_items([self.pop(), self.pop()][::-1]),
            "SETITEMS": lambda _: self.set_items(self.marked()),
            "GLOBAL": self.name,
            "BINPERSID": lambda _: self.stack.append(_storage(self.pop())),
            "REDUCE": lambda _: self.call(),
            "BUILD": lambda _: self.build(),
            "PROTO": lambda _: None,
        }

    def run(self, name: str, argument: Any) -> None:
        """Carries out one instruction."""
        if name in {"BINPUT", "LONG_BINPUT"}:
            self.memo[argument] = self.top()
        elif name in {"BINGET", "LONG_BINGET"}:
            if argument not in self.memo:
                raise BadPickleError("the pickle refers to what is not there")
            self.stack.append(self.memo[argument])
        elif name in {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"}:
            self.stack.append(argument)
        elif name in self.actions:
            self.actions[name](argument)
        else:
            raise BadPickleError(f"its pickle holds {name}, which no dictionary of tensors needs")

    def top(self) -> Any:
        """What lies on top."""
        if not self.stack:
            raise BadPickleError("its pickle takes what is not there")
        return self.stack[-1]

    def pop(self) -> Any:
        """What lies on top, taken off."""
        value = self.top()
        self.stack.pop()
        return value

    def marked(self) -> list[Any]:
        """All above the last mark, taken off with it."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise BadPickleError("its pickle takes what is not there")

    def tuple_of(self, n: int) -> None:
        """Puts the last `n` values into a tuple."""
        values = [self.pop() for _ in range(n)]
        self.stack.append(tuple(reversed(values)))

    def extend(self, values: list[Any]) -> None:
        """Appends to the list on top."""
        target = self.top()
        if not isinstance(target, list):
            raise BadPickleError("its pickle appends to what is no list")
        target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        """Fills the dict on top."""
        target = self.top()
        if not isinstance(target, dict) or len(values) % 2:
            raise BadPickleError("its pickle fills what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str):
                raise BadPickleError("its pickle holds a dict whose keys are no strings")
            if key in target:
                raise BadPickleError(f"its pickle holds {key[:100]!r} twice")
            target[key] = value

    def name(self, text: str) -> None:
        """Notes a function or type."""
        if text not in _CALLABLE and text not in _STORAGES:
            raise BadPickleError(
                f"its pickle asks for {'.'.join(text.split())[:100]!r}, which is not run"
            )
        self.stack.append(_Name(text))

    def call(self) -> None:
        """Notes what a call would make."""
        arguments, called = self.pop(), self.pop()
        if not isinstance(called, _Name) or not isinstance(arguments, tuple):
            raise BadPickleError("its pickle calls what is no function")
        if called.text == _ORDERED and arguments == ():
            self.stack.append({})
        elif called.text == _TENSOR:
            self.stack.append(_tensor(arguments))
        elif called.text == _PARAMETER and len(arguments) == 3:  # noqa: PLR2004 - as torch has it
            self.stack.append(_parameter(arguments[0]))
        else:
            raise BadPickleError(
                f"its pickle calls {called.text!r} with what torch.save does not give"
            )

    def build(self) -> None:
        """Passes over attributes: state dicts carry their modules' versions in one."""
        attributes, target = self.pop(), self.top()
        if not isinstance(attributes, dict) or not isinstance(target, dict):
            raise BadPickleError("its pickle sets attributes of what has none")


def _storage(identity: object) -> Storage:
    match identity:
        case ("storage", _Name(text), str(key), str(), int(n), *rest) if rest in ([], [None]):
            if text in _STORAGES and n >= 0 and not isinstance(n, bool):
                return Storage(key, _STORAGES[text], n)
    raise BadPickleError("its pickle refers to something other than a tensor's numbers")


def _tensor(arguments: tuple[Any, ...]) -> PickledTensor:
    match arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), {}, *_):
            pass
        case _:
            raise BadPickleError("its pickle holds a tensor that torch.save does not write")
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise BadPickleError("its pickle holds a tensor of no shape")
    if not all(type(number) is int and number >= 0 for number in (offset, *shape, *strides)):
        raise BadPickleError("its pickle holds a tensor of no shape")
    n_elements = 1
    for size in shape:
        n_elements *= size
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if n_elements > storage.n_elements or (n_elements and last >= storage.n_elements):
        raise BadPickleError(
            f"its pickle holds a tensor of shape {shape} and fewer numbers than that"
        )
    return PickledTensor(storage, shape)


def _parameter(value: object) -> PickledTensor:
    if not isinstance(value, PickledTensor):
        raise BadPickleError("its pickle holds a parameter that is no tensor")
    return value


def tensors_of(value: object) -> Iterator[tuple[str, PickledTensor]]:
    """The tensors of a dictionary by name.

    Raises:
        BadPickleError: It is not a dictionary of tensors.
    """
    if not isinstance(value, dict):
        raise BadPickleError("it does not hold a dictionary of tensors")
    for name, tensor in value.items():
        if not isinstance(tensor, PickledTensor):
            raise BadPickleError(f"it holds {name[:100]!r}, which is no tensor")
        yield name, tensor
