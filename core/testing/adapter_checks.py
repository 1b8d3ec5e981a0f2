"""Checks of an adapter's effect: on its own rows, on nothing else, and through its taps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from unittest import SkipTest

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.contracts import NO_TAPS, LayerTaps, SideAdapter
from polyhead.errors import ConfigError
from polyhead.model import HeadCall
from polyhead.registry import registry
from polyhead.testing.adapter_case import AdapterCase
from polyhead.testing.bench import OTHER, SPARE, SUBJECT, Bench
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require
from polyhead.testing.meta_device import check_on_meta
from polyhead.testing.outputs import answers_of, check_same
from polyhead.testing.train_checks import check_learns_alone
from polyhead.train import seeded

if TYPE_CHECKING:
    from polyhead.contracts import SublayerTap

__all__ = ["AdapterChecks"]

_PACKING: Final = Packing((2, 5, 1))


class AdapterChecks(AdapterCase):
    """What adapters alone have to do."""

    def test_its_presets_can_be_built(self) -> None:
        """A preset is a configuration with a name, which people use without reading its fields."""
        shape = self.bench(self.all_configs()[0]).model.shape
        for name, preset in self.adapter.presets.items():
            with advising(f"the preset {name!r} of {self.name()} cannot be built."):
                config = registry().adapter_config(preset)
                try:
                    self.adapter(config, shape)
                except ConfigError:
                    continue  # refused with a reason: a layer is named that is not there

    def test_its_weights_change_the_hidden_states(self, config: Config) -> None:
        """An adapter that is never asked would be trained for nothing."""
        bench = self.bench(config)
        with_it, without = _last(bench, SUBJECT), _last(bench, None)
        require(
            not torch.allclose(with_it, without, atol=1e-4),
            f"{self.name()} changes nothing, whatever its weights are; see that `taps` or `read` "
            "uses them.",
        )

    def test_fresh_weights_do_as_it_says(self, config: Config) -> None:
        """Nothing at all where `is_neutral_at_first` is set, and nothing infinite anywhere."""
        bench = self.bench(config)
        with seeded(3):
            bench.model.add_adapter("fresh", config)  # type: ignore[arg-type]  # an AdapterConfig
        fresh, bare = _last(bench, "fresh"), _last(bench, None)
        require(
            bool(fresh.isfinite().all()),
            f"a fresh {self.name()} makes hidden states that are not finite; let its first weights "
            "be small.",
        )
        if self.is_neutral_at_first:
            check_same(
                {"hidden state": fresh},
                {"hidden state": bare},
                f"a fresh {self.name()} changes the hidden states; let the last factor of its "
                "change start as 0, or leave `is_neutral_at_first` out of the test class.",
            )

    def test_training_it_alone_lowers_the_loss(self, config: Config) -> None:
        """A few steps of the adapter under a head that stays as it is."""
        check_learns_alone(self.bench(config), self.name())

    def test_rows_of_others_are_left_alone(self, config: Config) -> None:
        """Rows of other adapters and of none, in a batch with rows of this one and without."""
        bench = self.bench(config)
        encoded = bench.encoded(bench.questions)
        rows = tuple(row for item in encoded for row in item.rows)
        own = HeadCall(SUBJECT, rows, (SUBJECT,) * len(rows))
        for adapter in (None, SPARE, OTHER):
            theirs = HeadCall(SUBJECT, rows, (adapter,) * len(rows))
            with torch.inference_mode():
                [alone] = bench.model.compute([theirs])
                _, beside = bench.model.compute([own, theirs])
            pairs = zip(
                answers_of(bench.head, beside, encoded),
                answers_of(bench.head, alone, encoded),
                strict=True,
            )
            for found, expected in pairs:
                check_same(
                    found,
                    expected,
                    f"rows with the adapter {adapter!r} change when {self.name()} has rows in "
                    "their batch; write into no tensor that you are given.",
                )

    def test_taps_are_made_once(self, config: Config) -> None:
        """`taps` is called for every layer of every batch, and says by NO_TAPS where to pass on."""
        adapter = self._inside(config).adapter
        for layer in range(adapter.shape.n_layers):
            first, second = adapter.taps(layer), adapter.taps(layer)
            call = f"{self.name()}.taps({layer})"
            require(
                isinstance(first, LayerTaps),
                f"{call} returns a {type(first).__name__}; return a LayerTaps or NO_TAPS.",
            )
            require(
                first is second,
                f"{call} makes a new object each time; make all of them in __init__, and return "
                "those.",
            )
            require(
                first is NO_TAPS or first != NO_TAPS,
                f"{call} returns LayerTaps without a tap; return NO_TAPS, by which polyhead knows "
                "a layer where nothing acts.",
            )

    def test_taps_return_what_the_next_step_reads(self, config: Config) -> None:
        """Hidden states of the same tokens, also of none, and what was given is left as it was."""
        bench = self._inside(config)
        for packing in (_PACKING, Packing(())):
            for name, tap in _taps(bench):
                output, residual = torch.randn(
                    2, packing.n_tokens, bench.model.shape.width
                ).unbind()
                kept = output.clone(), residual.clone()
                with advising(f"{name} of {self.name()} fails on {packing.n_tokens} tokens."):
                    found = tap(output, residual, bench.model.encoder.norm, packing)
                require(
                    isinstance(found, Tensor) and found.shape == kept[0].shape,
                    f"{name} of {self.name()} makes {_form(found)} of {_form(kept[0])}; return the "
                    "hidden states that leave the sub-layer, one a token.",
                )
                require(
                    all(map(torch.equal, (output, residual), kept)),
                    f"{name} of {self.name()} writes into `output` or `residual`, which others "
                    "read; use operations without a trailing underscore.",
                )

    def test_it_makes_tensors_where_the_hidden_states_are(self, config: Config) -> None:
        """As on a GPU, where a tensor left on the CPU is an error."""
        bench = self.bench(config)
        states = torch.randn(_PACKING.n_tokens, bench.model.shape.width, device="meta")
        bench.adapter.to("meta")

        def compute() -> Iterator[Tensor]:
            if isinstance(bench.adapter, SideAdapter):
                layers = (states,) * (bench.model.shape.n_layers + 1)
                yield bench.adapter.read(layers, _PACKING)
            for _, tap in _taps(bench):
                yield tap(states, states, lambda values: values, _PACKING)

        check_on_meta(compute, self.name())

    def _inside(self, config: Config) -> Bench:
        """A bench, where the adapter acts inside the encoder."""
        if issubclass(self.adapter, SideAdapter):
            raise SkipTest("it acts beside the encoder, without taps")
        return self.bench(config)


def _taps(bench: Bench) -> Iterator[tuple[str, SublayerTap]]:
    """All taps of the adapter under test, with words for messages."""
    for layer in range(bench.model.shape.n_layers):
        taps = bench.adapter.taps(layer)
        for site, tap in (("attention", taps.attention), ("ffn", taps.ffn)):
            if tap is not None:
                yield f"the tap {site!r} of layer {layer}", tap


def _last(bench: Bench, adapter: str | None) -> Tensor:
    """The last hidden states of all questions under an adapter. Shape: (N, D)."""
    rows = [row for item in bench.encoded(bench.questions) for row in item.rows]
    with torch.inference_mode():
        states = [
            bench.model(torch.tensor([row.ids]), adapter_names=adapter, head=None).last_hidden_state
            for row in rows
        ]
    return torch.cat(states, dim=1)[0]


def _form(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
