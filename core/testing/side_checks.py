"""Checks of an adapter that reads beside the encoder; skipped for those that act inside it."""

from __future__ import annotations

from typing import Final
from unittest import SkipTest

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.contracts import SideAdapter
from polyhead.testing.adapter_case import AdapterCase
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require
from polyhead.testing.noise import shaken
from polyhead.testing.outputs import check_same

__all__ = ["SideChecks"]

_PACKING: Final = Packing((2, 5, 1))


class SideChecks(AdapterCase):
    """What side adapters alone have to do."""

    def test_no_gradient_enters_the_encoder(self, config: Config) -> None:
        """What the encoder computed can then be kept from one epoch to the next."""
        self._beside(config)
        bench = self.bench(config)
        encoder = bench.model.encoder
        encoder.requires_grad_(requires_grad=True)  # else nothing could reach it
        torch.autograd.backward(bench.loss(bench.lesson()))
        weights = encoder.named_parameters()
        reached = [name for name, weight in weights if weight.grad is not None]
        require(
            not reached,
            f"the loss has gradients for {reached[:3]} of the encoder; {self.name()} must compute "
            "from the layers that `read` is given, and from nothing else.",
        )

    def test_it_reads_only_the_layers_that_it_names(self, config: Config) -> None:
        """Layers that `reads` leaves out are not kept, and may hold anything."""
        adapter = self._beside(config)
        layers = _layers(adapter)
        for depth in range(len(layers)):
            named = list(adapter.reads(depth))
            require(
                named == sorted(set(named)) and all(0 <= layer <= depth for layer in named),
                f"{self.name()}.reads({depth}) returns {named}; return numbers from 0 to {depth}, "
                "ascending.",
            )
            kept = tuple(
                layer if number in named else layer * torch.nan
                for number, layer in enumerate(layers[: depth + 1])
            )
            with advising(f"{self.name()}.read fails on the layers up to {depth}."):
                found, whole = (
                    adapter.read(given, _PACKING) for given in (kept, layers[: depth + 1])
                )
            check_same(
                {"result": found},
                {"result": whole},
                f"{self.name()}.read looks at layers that reads({depth}) does not name; name them.",
            )

    def test_it_leaves_the_layers_as_they_were(self, config: Config) -> None:
        """All side adapters read the same tensors."""
        adapter = self._beside(config)
        for packing in (_PACKING, Packing(())):
            layers = _layers(adapter, packing)
            kept = [layer.clone() for layer in layers]
            with advising(f"{self.name()}.read fails on {packing.n_tokens} tokens."):
                found = adapter.read(layers, packing)
            require(
                isinstance(found, Tensor) and found.shape == kept[-1].shape,
                f"{self.name()}.read must return a tensor of shape {tuple(kept[-1].shape)}: a "
                "hidden state a token.",
            )
            require(
                all(map(torch.equal, layers, kept)),
                f"{self.name()}.read writes into the layers that it is given; use operations "
                "without a trailing underscore.",
            )

    def test_reading_together_is_reading_alone(self) -> None:
        """`read_many` of adapters of all configurations, two of each."""
        adapters = [
            shaken(self._beside(config), seed)
            for seed, config in enumerate([*self.all_configs()] * 2)
        ]
        layers = _layers(adapters[0])
        with advising(f"{self.name()}.read_many fails."):
            together = list(type(adapters[0]).read_many(adapters, layers, _PACKING))
        require(
            len(together) == len(adapters),
            f"{self.name()}.read_many returns {len(together)} results for {len(adapters)} "
            "adapters; return one each, in their order.",
        )
        for adapter, found in zip(adapters, together, strict=True):
            check_same(
                {"result": found},
                {"result": adapter.read(layers, _PACKING)},
                f"{self.name()}.read_many makes something else than `read` of "
                f"{adapter.config!r}; it must compute the same, in the adapters' order.",
            )

    def _beside(self, config: Config) -> SideAdapter:
        """The adapter, where it is one that reads."""
        if not issubclass(self.adapter, SideAdapter):
            raise SkipTest("it acts inside the encoder")
        adapter = self.bench(config).adapter
        assert isinstance(adapter, SideAdapter)  # noqa: S101 - just checked of its class
        return adapter


def _layers(adapter: SideAdapter, packing: Packing = _PACKING) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    size = (packing.n_tokens, adapter.shape.width)
    numbers = range(adapter.shape.n_layers + 1)
    return tuple(torch.randn(size, generator=generator) for _ in numbers)
