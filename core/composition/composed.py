"""What acts in the encoder where a call names several adapters put together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from polyhead.composition.averaged import averaged
from polyhead.composition.blocks import AdapterSetup, Average, Block, Fuse, Split, Stack
from polyhead.composition.split import split
from polyhead.composition.stacked import stacked, stacked_embeddings
from polyhead.contracts import Adapter, EmbeddingsTap, FusingAdapter, LayerTaps, SideAdapter
from polyhead.errors import ConfigError, UnknownAdapterError

__all__ = [
    "Acting",
    "AdapterTable",
    "acting",
    "acting_of",
    "acting_on_rows",
    "check_taps",
    "fusion_of",
    "with_fusions_named",
]


class AdapterTable(Protocol):
    """The adapters of a model."""

    @property
    def fusions(self) -> Mapping[str, tuple[str, ...]]:
        """For each adapter that fuses others, their names."""
        ...

    def find(self, name: str) -> Adapter:
        """The one of that name.

        Raises:
            UnknownAdapterError: There is none.
        """
        ...


class Acting(Protocol):
    """What acts on some rows: an adapter, or several put together."""

    @property
    def sort(self) -> Hashable:
        """Equal for what is put side by side in a batch, to be run together."""
        ...

    @property
    def is_per_token(self) -> bool:
        """Whether what it makes of a token behind the attention follows from that token alone."""
        ...

    def taps(self, layer: int) -> LayerTaps:
        """Where it acts in `layer`, counted from 0."""
        ...

    def embeddings_tap(self) -> EmbeddingsTap | None:
        """What acts between the embeddings and the first layer."""
        ...


def acting(setup: AdapterSetup, adapters: AdapterTable) -> Acting | None:
    """What acts where a call names `setup`; None for the bare encoder.

    Args:
        setup: A name, a block of several, or None.
        adapters: Those of the model.

    Raises:
        UnknownAdapterError: A named adapter is not there, or no fusion of those that Fuse names.
        ConfigError: A block cannot be made of these adapters.
    """
    if setup is None:
        return None
    if not isinstance(setup, Block):
        return acting_of(adapters.find(setup), adapters)
    children = [_child(child, setup, adapters) for child in setup.children]
    match setup:
        case Stack():
            return _Several(children, stacked, stacked_embeddings)
        case Average(weights=weights):
            return _Several(children, lambda taps: averaged(taps, weights), _none_of(setup))
        case Split(splits=splits):
            parts = partial(split, splits=splits)  # which knows a part by its place in the row
            return _Several(children, parts, _none_of(setup), is_per_token=False)
        case Fuse():
            fusion: FusingAdapter = adapters.find(fusion_of(setup, adapters))  # type: ignore[assignment]
            return _Fused(fusion, children, _none_of(setup))
    raise ConfigError(f"{setup!r} is no block of adapters: use Stack, Fuse, Average or Split.")


def acting_on_rows(
    setups: Iterable[AdapterSetup], adapters: AdapterTable
) -> dict[AdapterSetup, Acting]:
    """What acts on the rows of each setup; those of the bare encoder are left out.

    Raises:
        UnknownAdapterError: As in `acting`.
        ConfigError: Likewise.
    """
    found = {setup: acting(setup, adapters) for setup in set(setups)}
    return {setup: acts for setup, acts in found.items() if acts is not None}


def check_taps(found: Acting, n_layers: int) -> None:
    """Puts together what acts in each layer, so that what cannot be is refused before a call.

    Raises:
        ConfigError: It cannot.
    """
    for layer in range(n_layers):
        found.taps(layer)


class _Several:
    """Several that act, put together site by site."""

    sort = "several"

    def __init__(
        self,
        children: Sequence[Acting],
        join: Callable[[Sequence[LayerTaps]], LayerTaps],
        join_embeddings: Callable[[Sequence[EmbeddingsTap | None]], EmbeddingsTap | None],
        *,
        is_per_token: bool = True,
    ) -> None:
        self._children = children
        self._join = join
        self.is_per_token = is_per_token and all(child.is_per_token for child in children)
        self._embeddings = join_embeddings([child.embeddings_tap() for child in children])

    def taps(self, layer: int) -> LayerTaps:
        return self._join([child.taps(layer) for child in self._children])

    def embeddings_tap(self) -> EmbeddingsTap | None:
        return self._embeddings


class _Fused(_Several):
    """A fusion over what acts."""

    def __init__(
        self,
        fusion: FusingAdapter,
        children: Sequence[Acting],
        join_embeddings: Callable[[Sequence[EmbeddingsTap | None]], EmbeddingsTap | None],
    ) -> None:
        super().__init__(
            children,
            lambda _: LayerTaps(),
            join_embeddings,
            is_per_token=fusion.is_per_token,
        )
        self._fusion = fusion

    def taps(self, layer: int) -> LayerTaps:
        return self._fusion.taps_over(layer, [child.taps(layer) for child in self._children])


def acting_of(adapter: Adapter, adapters: AdapterTable) -> Acting:
    """What acts where a call names `adapter`: itself, or what it fuses.

    Raises:
        UnknownAdapterError: An adapter that it fuses is not there.
        ConfigError: It cannot fuse these adapters.
    """
    if not isinstance(adapter, FusingAdapter):
        return adapter
    block = Fuse(*adapter.fused)
    children = [_child(child, block, adapters) for child in block.children]
    return _Fused(adapter, children, _none_of(block))


def _child(child: str | Block, block: Block, adapters: AdapterTable) -> Acting:
    if isinstance(child, str) and isinstance(adapters.find(child), SideAdapter):
        raise ConfigError(
            f"the adapter {child!r} stands beside the encoder and changes nothing in it, so "
            f"{type(block).__name__} has nothing to put together; name it alone."
        )
    found = acting(child, adapters)
    if found is None:
        raise ConfigError(f"{block!r} holds None; leave it out.")
    return found


def fusion_of(block: Fuse, adapters: AdapterTable) -> str:
    """The name of the fusion of the adapters that `block` names.

    Raises:
        UnknownAdapterError: There is none.
        ConfigError: There are several, or the one that `block` names fuses others.
    """
    fusions = dict(adapters.fusions)
    if block.name is not None:
        adapters.find(block.name)
        if fusions.get(block.name) != block.fused:
            fused = fusions.get(block.name)
            does = "is no fusion" if fused is None else f"fuses {', '.join(fused)}, in this order"
            raise ConfigError(f"{block!r} names the adapter {block.name!r}, which {does}.")
        return block.name
    found = [name for name, fused in fusions.items() if fused == block.fused]
    if len(found) > 1:
        raise ConfigError(
            f"this model has several fusions of {', '.join(block.fused)}: "
            f"{', '.join(sorted(found))}; choose one with Fuse(..., name=...)."
        )
    if not found:
        raise UnknownAdapterError(
            ",".join(block.fused),
            fusions,
            f"Add the fusion with model.add_adapter_fusion({list(block.fused)!r}).",
        )
    return found[0]


def with_fusions_named(setup: AdapterSetup, adapters: AdapterTable) -> AdapterSetup:
    """The same setup, every Fuse with the name of its fusion.

    What is kept so means the same when the model gets a further fusion of the same adapters.

    Raises:
        UnknownAdapterError: There is no fusion of the adapters that a Fuse names.
        ConfigError: There are several.
    """
    if not isinstance(setup, Block):
        return setup
    children: list[str | Block] = [
        child if isinstance(child, str) else with_fusions_named(child, adapters)  # type: ignore[misc]
        for child in setup.children
    ]
    match setup:
        case Fuse():
            return Fuse(*children, name=fusion_of(setup, adapters))
        case Stack():
            return Stack(*children)
        case Average(weights=weights):
            return Average(*children, weights=weights)
        case Split(splits=splits):
            return Split(*children, splits=splits)
    return setup


def _none_of(
    block: Block,
) -> Callable[[Sequence[EmbeddingsTap | None]], EmbeddingsTap | None]:
    """Refuses taps on the embeddings: there a block other than Stack has no meaning."""

    def refused(taps: Sequence[EmbeddingsTap | None]) -> EmbeddingsTap | None:
        if any(tap is not None for tap in taps):
            raise ConfigError(
                f"{block!r} holds an adapter that acts on the embeddings (a prompt, or an "
                f"invertible adapter), which {type(block).__name__} cannot put together with "
                "others; use Stack."
            )
        return None

    return refused
