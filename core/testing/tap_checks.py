"""Checks of taps: what they are, what they return, and what they leave as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from unittest import SkipTest

from torch import Tensor

from polyhead.contracts import (
    NO_TAPS,
    Change,
    EmbeddingsTap,
    FusingAdapter,
    LayerTaps,
    Prefixes,
    SideAdapter,
)
from polyhead.testing.adapter_case import AdapterCase
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require
from polyhead.testing.meta_device import check_on_meta
from polyhead.testing.outputs import check_same
from polyhead.testing.sites import (
    PACKINGS,
    TapCall,
    check_form,
    check_result,
    left_alone,
    plain_taps,
    random_tokens,
    tap_calls,
)
from polyhead.train import seeded

if TYPE_CHECKING:
    from polyhead.testing.bench import Bench

__all__ = ["TapChecks"]


class TapChecks(AdapterCase):
    """What taps at any site have to do."""

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

    def test_the_embeddings_tap_is_made_once(self, config: Config) -> None:
        """`embeddings_tap` is called for every batch too."""
        adapter = self.bench(config).adapter
        first, second = adapter.embeddings_tap(), adapter.embeddings_tap()
        call = f"{self.name()}.embeddings_tap()"
        if first is None:
            raise SkipTest("it leaves the embeddings as they are")
        require(
            isinstance(first, EmbeddingsTap),
            f"{call} returns a {type(first).__name__}; return an instance of a subclass of "
            "polyhead.EmbeddingsTap, or None.",
        )
        require(
            first is second,
            f"{call} makes a new object each time; make it in __init__, and return that.",
        )
        require(
            not isinstance(adapter, SideAdapter | FusingAdapter),
            f"{call} is never asked for: a SideAdapter changes nothing in the encoder, and a "
            "FusingAdapter acts through `taps_over` alone. Leave it out, or derive from Adapter.",
        )

    def test_taps_keep_no_tensors_of_their_own(self, config: Config) -> None:
        """What is no module does not move, and is not saved."""
        for name, held in plain_taps(self._inside(config).adapter):
            for attribute, value in held.items():
                values = value if isinstance(value, list | tuple) else (value,)
                require(
                    not any(isinstance(one, Tensor) for one in values),
                    f"{self.name()}.{name} keeps a tensor in `{attribute}`, which stays where it "
                    "is when the adapter moves, and is the old one after loading. Derive the tap "
                    "from nn.Module, register the tensor there, and make the tap a part of the "
                    "adapter.",
                )

    def test_taps_return_what_the_next_step_reads(self, config: Config) -> None:
        """A vector for each token, also for none, and what was given is left as it was."""
        bench = self._inside(config)
        for is_training in (False, True):
            bench.adapter.train(is_training)
            for packing in PACKINGS:
                for call in tap_calls(bench, packing):
                    self._check_call(bench, call)

    def _check_call(self, bench: Bench, call: TapCall) -> None:
        what = f"{call} of {self.name()}"
        with (
            left_alone(call.tensors, what),
            advising(f"{what} fails on {call.packing.n_tokens} tokens."),
            seeded(0),
        ):
            found = call()
        check_result(call, found, bench, what)

    def test_a_composable_tap_agrees_with_its_two_steps(self, config: Config) -> None:
        """Stacks, averages and fusions take `change` and `close` in place of a call."""
        bench = self._inside(config)
        n_composable = 0
        for packing in PACKINGS:
            for call in tap_calls(bench, packing):
                if call.site not in {"attention", "ffn"}:
                    continue
                steps = [step for step in ("change", "close") if hasattr(call.tap, step)]
                what = f"{call} of {self.name()}"
                require(
                    len(steps) != 1,
                    f"{what} has `{''.join(steps)}` alone; a tap that can be put together with "
                    "others has both `change` and `close`.",
                )
                n_composable += bool(steps)
                if steps:
                    _check_steps(call, what)
        if not n_composable:
            raise SkipTest("it has no taps that could be stacked, averaged or fused")

    def test_it_makes_tensors_where_the_hidden_states_are(self, config: Config) -> None:
        """As on a GPU, where a tensor left on the CPU is an error."""
        bench = self.bench(config)
        packing = PACKINGS[0]
        states = random_tokens(packing, bench.model.shape.width).to("meta")
        for adapter in bench.model.adapters.values():  # a fusion computes through others
            adapter.to("meta")

        def compute() -> Iterator[Tensor]:
            if isinstance(bench.adapter, SideAdapter):
                layers = (states,) * (bench.model.shape.n_layers + 1)
                yield bench.adapter.read(layers, packing)
            for call in tap_calls(bench, packing):
                found = call.on_meta()()
                yield from (found.keys, found.values) if isinstance(found, Prefixes) else (found,)
            tap = bench.adapter.embeddings_tap()
            if tap is not None:
                entered, longer = tap.enter(states, packing)
                left, own = tap.leave(entered, longer)
                yield from (entered, left, tap.inverted(left, own))
            penalty = bench.adapter.penalty()
            if penalty is not None:
                yield penalty

        check_on_meta(compute, self.name())

    def _inside(self, config: Config) -> Bench:
        """A bench, where the adapter acts inside the encoder."""
        if issubclass(self.adapter, SideAdapter):
            raise SkipTest("it acts beside the encoder, without taps")
        return self.bench(config)


def _check_steps(call: TapCall, what: str) -> None:
    """Fails unless the two steps of a tap make what its call makes."""
    output, residual, norm, _ = call.given.values()
    tap: object = call.tap
    with (
        left_alone(call.tensors, f"`change` of {what}"),
        advising(f"`change` of {what} fails."),
    ):
        change = tap.change(*call.given.values())  # type: ignore[attr-defined]  # just asked for
    require(
        isinstance(change, Change),
        f"`change` of {what} returns a {type(change).__name__}; return a polyhead.Change.",
    )
    for name, part in change._asdict().items():
        if part is not None or name in {"read", "added"}:
            check_form(part, output, f"`{name}` in `change` of {what}", "return one vector a token")
    with (
        left_alone({"residual": residual}, f"`close` of {what}"),
        advising(f"`close` of {what} fails."),
    ):
        closed = tap.close(change.output, residual, norm)  # type: ignore[attr-defined]  # likewise
    check_form(closed, output, f"`close` of {what}", "return one vector a token")
    check_same(
        {"result": closed},
        {"result": call()},
        f"{what} makes something else in two steps than when it is called; the call must be "
        "close(change(output, residual, norm, packing).output, residual, norm).",
    )
