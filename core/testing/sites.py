"""What the encoder gives to an adapter's taps, and what it reads of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from polyhead.batch import Packing
from polyhead.contracts import (
    PROJECTIONS,
    EmbeddingsTap,
    LayerTaps,
    Prefixes,
    Projection,
    SideAdapter,
)
from polyhead.testing.failure import require

if TYPE_CHECKING:
    from polyhead.contracts import Adapter
    from polyhead.testing.bench import Bench

__all__ = [
    "PACKINGS",
    "TapCall",
    "check_form",
    "check_result",
    "left_alone",
    "plain_taps",
    "random_tokens",
    "tap_calls",
]

PACKINGS: Final = (Packing((2, 5, 1)), Packing((1,)), Packing(()))
"""Some rows, one of a single token among them; a row of one token alone; no row at all."""

_SEED: Final = 11


@dataclass(frozen=True)
class TapCall:
    """One call of a tap, as the encoder makes it.

    Attributes:
        layer: Counted from 0.
        site: The tap's name in LayerTaps.
        tap: What is called.
        given: Its arguments by name, in their order.
    """

    layer: int
    site: str
    tap: Callable[..., Any]
    given: Mapping[str, Any]

    def __str__(self) -> str:
        return f"the tap {self.site!r} of layer {self.layer}"

    def __call__(self) -> Any:
        """What the tap makes of the arguments."""
        return self.tap(*self.given.values())

    @property
    def packing(self) -> Packing:
        """Where each row lies among the tokens."""
        packing: Packing = self.given["packing"]
        return packing

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The arguments that are read alone, by their names."""
        found = {name: value for name, value in self.given.items() if isinstance(value, Tensor)}
        if "projection" in self.given:
            found |= {
                f"projection.{name}": value
                for name, value in zip(("weight", "bias"), self.given["projection"], strict=True)
            }
        return found

    def on_meta(self) -> TapCall:
        """The same call with tensors that have shapes and no values."""
        given = {
            name: value.to("meta") if isinstance(value, Tensor) else value
            for name, value in self.given.items()
        }
        if "projection" in given:
            given["projection"] = Projection(*(part.to("meta") for part in given["projection"]))
        if "norm" in given:
            given["norm"] = lambda values: values
        return replace(self, given=given)


def random_tokens(packing: Packing, width: int) -> Tensor:
    """The same numbers each time. Shape: (N, width)."""
    generator = torch.Generator().manual_seed(_SEED)
    return torch.randn(packing.n_tokens, width, generator=generator)


def tap_calls(bench: Bench, packing: Packing) -> Iterator[TapCall]:
    """A call of each tap of the adapter under test, layer by layer."""
    for layer in range(bench.model.shape.n_layers):
        taps = bench.taps(layer)
        for site in LayerTaps.sites():
            tap = getattr(taps, site)
            if tap is not None:
                yield TapCall(layer, site, tap, _given(bench, layer, site, packing))


def _given(bench: Bench, layer: int, site: str, packing: Packing) -> dict[str, Any]:
    """What the tap of a site is called with."""
    shape = bench.model.shape
    if site in {"attention", "ffn"}:
        both = random_tokens(packing, 2 * shape.width)
        return {
            "output": both[:, : shape.width],
            "residual": both[:, shape.width :],
            "norm": bench.model.encoder.norm,
            "packing": packing,
        }
    if site in PROJECTIONS:
        projection = bench.model.encoder.projection(layer, site)
        inputs = random_tokens(packing, projection.weight.shape[1])
        # a view, as where the encoder computes several of its projections as one
        outputs = projection(inputs).repeat(1, 2)[:, len(projection.bias) :]
        return {"inputs": inputs, "outputs": outputs, "projection": projection, "packing": packing}
    values = random_tokens(packing, shape.ffn_width if site == "inner" else shape.width)
    return {"inputs" if site == "prefix" else "values": values, "packing": packing}


@contextmanager
def left_alone(tensors: Mapping[str, Tensor], what: str) -> Iterator[None]:
    """Inside, nothing may be written into any of `tensors`.

    Args:
        tensors: What was given, by the names of the arguments.
        what: To whom, for the message.
    """
    kept = {name: values.detach().clone() for name, values in tensors.items()}
    yield
    for name, values in tensors.items():
        require(
            torch.equal(values, kept[name]),
            f"{what} writes into `{name}`, which others read; use operations without a trailing "
            "underscore.",
        )


def check_result(call: TapCall, found: object, bench: Bench, what: str) -> None:
    """Fails unless `found` is what the step behind the tap reads."""
    if call.site == "prefix":
        _check_prefixes(found, call, bench, what)
        return
    place = {"attention": "output", "ffn": "output", "inner": "values", "output": "values"}
    check_form(
        found,
        call.given[place.get(call.site, "outputs")],
        what,
        "return one vector a token, in the shape, type and place of what it stands for",
    )


def check_form(found: object, expected: Tensor, what: str, advice: str) -> None:
    """Fails unless `found` is a tensor of the shape, type and device of `expected`."""
    is_tensor = isinstance(found, Tensor) and found.shape == expected.shape
    require(is_tensor, f"{what} makes {_shape(found)} of {_shape(expected)}; {advice}.")
    assert isinstance(found, Tensor)  # noqa: S101 - for mypy
    for name in ("dtype", "device"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        require(ours == theirs, f"{what} makes {ours} of {theirs}; {advice}.")


def _check_prefixes(found: object, call: TapCall, bench: Bench, what: str) -> None:
    if not isinstance(found, Prefixes):
        require(
            holds=False,
            message=f"{what} returns a {type(found).__name__}; return Prefixes, which "
            "Prefixes.shared and Prefixes.of_rows make.",
        )
        return
    n_rows, n_prefixes = call.packing.n_rows, found.packing.n_rows
    require(
        n_prefixes == n_rows,
        f"{what} makes prefixes of {n_prefixes} rows for {n_rows}; make one for each, with the "
        "length 0 for a row that gets none.",
    )
    shape = bench.model.shape
    size = (found.packing.n_tokens, shape.n_heads, shape.width // shape.n_heads)
    like = call.given["inputs"].new_empty(size)
    for name in ("keys", "values"):
        check_form(
            getattr(found, name),
            like,
            f"{what}: `{name}`",
            "return as many as the lengths in their packing say, apart for each attention head, "
            "in the type and place of `inputs`",
        )


def plain_taps(adapter: Adapter) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The objects that act for an adapter and are no modules, which torch would know.

    Yields:
        Where each is, and what it holds by the names of its attributes.
    """
    if isinstance(adapter, SideAdapter):
        return
    waiting: list[tuple[str, object]] = [("embeddings_tap()", adapter.embeddings_tap())]
    for layer in range(adapter.shape.n_layers):
        taps = adapter.taps(layer)
        waiting += [(f"taps({layer}).{site}", getattr(taps, site)) for site in LayerTaps.sites()]
    seen: set[int] = set()
    while waiting:
        name, tap = waiting.pop(0)
        if _acts(tap) and id(tap) not in seen:
            seen.add(id(tap))
            held = _attributes(tap)
            yield name, held
            for attribute, value in held.items():
                parts = value if isinstance(value, list | tuple) else (value,)
                waiting += [(f"{name}.{attribute}", part) for part in parts]


def _acts(value: object) -> bool:
    """Whether it is an object that could be a tap and has attributes that torch does not know."""
    is_known = isinstance(value, nn.Module | FunctionType | MethodType | type)
    return not is_known and (callable(value) or isinstance(value, EmbeddingsTap))


def _attributes(tap: object) -> dict[str, object]:
    slots = [field.name for field in fields(tap)] if is_dataclass(tap) else []
    return {**getattr(tap, "__dict__", {}), **{name: getattr(tap, name) for name in slots}}


def _shape(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
