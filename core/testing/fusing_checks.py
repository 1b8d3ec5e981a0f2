"""Checks of a kind that puts together what other adapters do; skipped for all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from polyhead.contracts import NO_TAPS, FusingAdapter, LayerTaps
from polyhead.errors import ConfigError
from polyhead.testing.adapter_case import AdapterCase
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require

if TYPE_CHECKING:
    from polyhead.testing.bench import Bench

__all__ = ["FusingChecks"]


class FusingChecks(AdapterCase):
    """What fusing adapters alone have to do."""

    def test_parts_that_it_cannot_put_together_are_refused(self, config: Config) -> None:
        """What a part does at a place where nothing is fused would go missing without a word."""
        bench, adapter = self._fusing(config)
        for layer in range(adapter.shape.n_layers):
            parts = _parts(bench, adapter, layer)
            acts = bench.taps(layer)
            if acts == NO_TAPS:
                continue
            for site in LayerTaps.sites():
                if getattr(acts, site) is not None:
                    continue
                changes: dict[str, Any] = {site: _never_called}
                try:
                    found = adapter.taps_over(layer, [replace(parts[0], **changes), *parts[1:]])
                except ConfigError:
                    continue
                require(
                    getattr(found, site) is not None,
                    f"{self.name()}.taps_over drops what a part does at {site!r}; raise a "
                    "ConfigError that names the part, or put it into the result.",
                )

    def test_parts_that_do_nothing_are_no_error(self, config: Config) -> None:
        """An adapter may leave out layers; so may all of them."""
        bench, adapter = self._fusing(config)
        for layer in range(adapter.shape.n_layers):
            parts = _parts(bench, adapter, layer)
            for given in ([NO_TAPS, *parts[1:]], [NO_TAPS] * len(parts)):
                with advising(
                    f"{self.name()}.taps_over fails where a part does nothing in layer {layer}; "
                    "fuse those that act, and return NO_TAPS where none does."
                ):
                    found = adapter.taps_over(layer, given)
                require(
                    isinstance(found, LayerTaps),
                    f"{self.name()}.taps_over returns a {type(found).__name__}; return a LayerTaps "
                    "or NO_TAPS.",
                )

    def _fusing(self, config: Config) -> tuple[Bench, FusingAdapter]:
        """A bench and its adapter, where it is one that fuses."""
        if not issubclass(self.adapter, FusingAdapter):
            raise SkipTest("it acts by itself")
        bench = self.bench(config)
        assert isinstance(bench.adapter, FusingAdapter)  # noqa: S101 - just checked of its class
        return bench, bench.adapter


def _parts(bench: Bench, adapter: FusingAdapter, layer: int) -> list[LayerTaps]:
    """What each of those that it fuses does in a layer."""
    return [bench.model.adapters[name].taps(layer) for name in adapter.fused]


def _never_called(*given: object) -> object:
    """Stands for a tap."""
    raise AssertionError(given)
