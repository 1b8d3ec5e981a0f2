"""What a call may name in place of one adapter: several, put together.

    Stack("legal", "ner")              one after the other at every place they act
    Fuse("sst2", "cola")               AdapterFusion: learned attention over what they add
    Average({"a": 0.7, "b": 0.3})      the weighted sum of what they change
    Split("a", "b", splits=(3, None))  the first 3 tokens of a row under one, the rest under another

They nest, compare by value, and can be written down and read again: `str(block)` and `parse_setup`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from polyhead.errors import ConfigError, InvalidNameError, PolyheadError, shown
from polyhead.names import check_name

__all__ = [
    "AdapterSetup",
    "Average",
    "Block",
    "Fuse",
    "Split",
    "Stack",
    "fuses_in",
    "names_of",
    "parse_setup",
]

_LONGEST_TEXT: Final = 10_000


class Block:
    """Adapters that are put together.

    Attributes:
        children: Names of adapters, or further blocks.
    """

    children: tuple[str | Block, ...]

    @property
    def last(self) -> str:
        """The name that stands last in it."""
        child = self.children[-1]
        return child.last if isinstance(child, Block) else child

    def __str__(self) -> str:
        return repr(self)


AdapterSetup = str | Block | None
"""An adapter's name, several put together, or None for the bare encoder."""


@dataclass(frozen=True, init=False)
class Stack(Block):
    """Adapters one after the other: each works on what the one before it made.

    At every place where several act, they act in this order: bottlenecks are chained, LoRAs add up,
    prefixes lie side by side.

    Source: Pfeiffer et al. 2020, arXiv:2005.00052.
    """

    children: tuple[str | Block, ...]

    def __init__(self, *children: str | Block) -> None:
        """Puts `children` one after the other."""
        _set(self, children=_checked("Stack", children))

    def __repr__(self) -> str:
        return f"Stack({_written(self.children)})"


@dataclass(frozen=True, init=False)
class Fuse(Block):
    """AdapterFusion: an attention, learned for a task, over what each of several adapters adds.

    The model must have a fusion of these adapters: `model.add_adapter_fusion(["a", "b"])`.

    Source: Pfeiffer et al. 2021, arXiv:2005.00247.

    Attributes:
        name: Of the fusion, where the model has several of the same adapters.
    """

    children: tuple[str | Block, ...]
    name: str | None

    def __init__(self, *children: str | Block, name: str | None = None) -> None:
        """Fuses `children`, by the weights of the fusion called `name` where it is given."""
        if name is not None:
            _check_name("Fuse", name)
        _set(self, children=_checked("Fuse", children), name=name)

    @property
    def fused(self) -> tuple[str, ...]:
        """The adapters that the fusion was made for: of a stack, its last."""
        return tuple(child.last if isinstance(child, Block) else child for child in self.children)

    def __repr__(self) -> str:
        name = "" if self.name is None else f", name={self.name!r}"
        return f"Fuse({_written(self.children)}{name})"


@dataclass(frozen=True, init=False)
class Average(Block):
    """The weighted sum of what adapters change: `f + sum of w * (f changed by the adapter - f)`.

    With weights that sum to 1 this is the weighted mean of what each adapter alone makes of f; a
    negative weight takes away what an adapter does.

    Attributes:
        weights: Of each child, as they are used.
    """

    children: tuple[str | Block, ...]
    weights: tuple[float, ...]

    def __init__(
        self,
        *children: str | Block | Mapping[str, float],
        weights: Sequence[float] | None = None,
        normalize_weights: bool = False,
    ) -> None:
        """Averages adapters.

        Args:
            children: What is averaged; or one mapping of names to weights.
            weights: Of each child; equal ones that sum to 1 when None.
            normalize_weights: Whether to divide the weights by their sum first.

        Raises:
            ConfigError: The weights are not as many finite numbers as there are children, or sum to
                0 where they shall be divided by that.
        """
        if len(children) == 1 and isinstance(children[0], Mapping):
            if weights is not None:
                raise ConfigError("Average takes weights in a mapping or as weights=, not both.")
            weights = tuple(children[0].values())
            children = tuple(children[0])
        found = _checked("Average", children)
        given = _weights(weights, len(found))
        if normalize_weights:
            given = _normalised(given)
        _set(self, children=found, weights=given)

    def __repr__(self) -> str:
        return f"Average({_written(self.children)}, weights={self.weights!r})"


@dataclass(frozen=True, init=False)
class Split(Block):
    """The tokens of each row in parts, each under an adapter of its own.

    Attributes:
        splits: How many tokens each part has; the last may be None, all the others.
    """

    children: tuple[str | Block, ...]
    splits: tuple[int | None, ...]

    def __init__(self, *children: str | Block, splits: Sequence[int | None]) -> None:
        """Splits rows.

        Args:
            children: What each part goes through.
            splits: The tokens of each part, special tokens counted too; the last may be None, all
                the others of a row. Without None, every row must have exactly that many tokens.

        Raises:
            ConfigError: There are not as many splits as children, or one is no positive number.
        """
        found = _checked("Split", children)
        _set(self, children=found, splits=_splits(splits, len(found)))

    def __repr__(self) -> str:
        return f"Split({_written(self.children)}, splits={self.splits!r})"


def names_of(setup: AdapterSetup) -> tuple[str, ...]:
    """The adapters that a setup puts together, each once, in their order."""
    return tuple(dict.fromkeys(_names(setup)))


def fuses_in(setup: AdapterSetup) -> Iterator[Fuse]:
    """Every Fuse in a setup."""
    if isinstance(setup, Fuse):
        yield setup
    if isinstance(setup, Block):
        for child in setup.children:
            yield from fuses_in(child)


def _names(setup: AdapterSetup) -> Iterator[str]:
    if isinstance(setup, str):
        yield setup
    elif setup is not None:
        for child in setup.children:
            yield from _names(child)


def parse_setup(text: str) -> AdapterSetup:
    """The setup that a text stands for: a name, or a block as it prints itself.

    Raises:
        ConfigError: It is neither.
    """
    if not isinstance(text, str):
        raise ConfigError(f"an adapter setup is read from a text, not from {type(text).__name__}.")
    if len(text) > _LONGEST_TEXT:
        raise ConfigError(f"an adapter setup has at most {_LONGEST_TEXT:,} characters.")
    if "(" not in text:
        return _check_name("an adapter setup", text.strip())
    try:
        found = _parsed(ast.parse(text.strip(), mode="eval").body)
    except PolyheadError:  # a block that says itself what is wrong with it
        raise
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, Block):
        raise ConfigError(
            f"{shown(text)} is not an adapter setup; write a name, or a block such as "
            "Stack('a', 'b'), Fuse('a', 'b'), Average({'a': 0.7, 'b': 0.3}) or "
            "Split('a', 'b', splits=(3, None))."
        )
    return found


def _parsed(node: ast.expr) -> Any:
    """A block, or the value of a literal; anything else raises ValueError."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        block = _BLOCKS.get(node.func.id)
        if block is not None:
            options = {option.arg or "": _parsed(option.value) for option in node.keywords}
            return block(*map(_parsed, node.args), **options)
    return ast.literal_eval(node)


def _checked(what: str, children: Sequence[object]) -> tuple[str | Block, ...]:
    if not children:
        raise ConfigError(f"{what} needs at least one adapter.")
    for child in children:
        if not isinstance(child, Block):
            _check_name(what, child)
    return tuple(children)  # type: ignore[arg-type]  # names and blocks, as was just seen


def _check_name(what: str, name: object) -> str:
    """`name`, if it can be an adapter's; `what` takes it."""
    try:
        return check_name(name, "adapter")
    except InvalidNameError as error:
        raise ConfigError(f"{what} takes names of adapters and further blocks: {error}") from None


def _weights(weights: Sequence[float] | None, n_children: int) -> tuple[float, ...]:
    if weights is None:
        return (1 / n_children,) * n_children
    found = list(weights) if isinstance(weights, list | tuple) else []
    odd = [w for w in found if isinstance(w, bool) or not isinstance(w, int | float)]
    if odd or not found or not all(map(_is_finite, found)):
        raise ConfigError(
            f"the weights of Average are a list of finite numbers, not {shown(weights)}."
        )
    if len(found) != n_children:
        raise ConfigError(f"Average has {len(found)} weights for {n_children} adapters.")
    return tuple(float(weight) for weight in found)


def _normalised(weights: tuple[float, ...]) -> tuple[float, ...]:
    """The weights divided by their sum."""
    total = sum(weights)
    found = tuple(weight / total for weight in weights) if total else ()
    if not found or not all(map(_is_finite, (total, *found))):
        raise ConfigError(
            f"the weights of Average sum to {total:g} and cannot be divided by that; leave "
            "normalize_weights out, or give others."
        )
    return found


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond floating point
        return False


def _splits(splits: Sequence[int | None], n_children: int) -> tuple[int | None, ...]:
    found = list(splits) if isinstance(splits, list | tuple) else []
    numbers = found[:-1] if found and found[-1] is None else found
    odd = [n for n in numbers if isinstance(n, bool) or not isinstance(n, int) or n < 1]
    if odd or not found:
        raise ConfigError(
            "the splits of Split are numbers of tokens, at least 1, and the last may be None, not "
            f"{shown(splits)}."
        )
    if len(found) != n_children:
        raise ConfigError(f"Split has {len(found)} splits for {n_children} adapters.")
    return tuple(found)


def _written(children: Sequence[str | Block]) -> str:
    return ", ".join(map(repr, children))


def _set(block: Block, **fields: object) -> None:
    for name, value in fields.items():
        object.__setattr__(block, name, value)  # they are frozen


_BLOCKS: Final[Mapping[str, Any]] = {
    block.__name__: block for block in (Stack, Fuse, Average, Split)
}
