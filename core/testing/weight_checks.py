"""Checks of what an adapter says of its weights: how they start, merge and cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from unittest import SkipTest

import torch
from torch import Tensor, nn

from polyhead.batch import Packing
from polyhead.contracts import PROJECTIONS, Adapter, FusingAdapter, Projection, SideAdapter
from polyhead.errors import ConfigError
from polyhead.model.encoder_view import View
from polyhead.testing.adapter_case import AdapterCase
from polyhead.testing.bench import SUBJECT
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require
from polyhead.testing.outputs import check_same
from polyhead.testing.sites import check_form, left_alone, random_tokens
from polyhead.train import seeded

if TYPE_CHECKING:
    from polyhead.contracts import EncoderView, LayerTaps
    from polyhead.testing.bench import Bench

__all__ = ["WeightChecks"]

_TOLERANCE: Final = 1e-4
_PARTS: Final = ("weight", "bias")  # of a projection
_PACKING: Final = Packing((2, 5, 1))
_SHARES: Final = ((0.5,), (1.0,), (0.5, 0.5), (1.0, -1.0))


class WeightChecks(AdapterCase):
    """What adapters whose weights begin, end or count in a special way have to do."""

    def test_initialise_only_reads_the_encoder(self, config: Config) -> None:
        """It fills weights that are there, by what the encoder's own say, and nothing else."""
        if self.adapter.initialise is Adapter.initialise:
            raise SkipTest("its first weights do not depend on the encoder")
        bench = self.bench(config)
        encoder = bench.model.encoder
        before = encoder.fingerprint()
        adapters = []
        for _ in range(2):
            with seeded(5):
                adapter = self.build(config, bench.model.shape)
                assert isinstance(adapter, Adapter)  # noqa: S101 - for mypy
                forms = _forms(adapter)
                self._initialise(adapter, bench)
            require(
                _forms(adapter) == forms,
                f"{self.name()}.initialise makes other tensors than __init__; fill those that are "
                "there, by copy_: files are compared with what __init__ makes.",
            )
            adapters.append(adapter)
        require(
            encoder.fingerprint() == before,
            f"{self.name()}.initialise writes into the encoder's weights, which all tasks share; "
            "write into its own alone.",
        )
        theirs = {_memory(weight) for weight in encoder.parameters()}
        shared = [name for name, own in adapters[0].state_dict().items() if _memory(own) in theirs]
        require(
            not shared,
            f"{shared} of {self.name()} are the encoder's own memory after initialise, so training "
            "would change the encoder; copy by copy_.",
        )
        one, two = (adapter.state_dict() for adapter in adapters)
        differing = [name for name, values in one.items() if not torch.equal(values, two[name])]
        require(
            not differing,
            f"{self.name()}.initialise makes other {differing} each time; compute them from the "
            "encoder's weights alone.",
        )

    def _initialise(self, adapter: Adapter, bench: Bench) -> None:
        view = _View(View(bench.model.encoder, bench.model.tokenizer))
        before = torch.get_rng_state()
        with torch.no_grad(), advising(f"{self.name()}.initialise fails."):
            adapter.initialise(view)
        require(
            torch.equal(torch.get_rng_state(), before),
            f"{self.name()}.initialise draws from torch's global generator; draw what is random in "
            "__init__, or from a torch.Generator of its own with a fixed seed.",
        )

    def test_its_penalty_is_a_number_of_its_own_weights(self, config: Config) -> None:
        """It is added to the loss of each training step, whatever the step reads."""
        bench = self.bench(config)
        adapter, what = bench.adapter, f"{self.name()}.penalty()"
        with advising(f"{what} fails."):
            penalty = adapter.penalty()
        if penalty is None:
            raise SkipTest("it adds nothing to the loss")
        check_form(penalty, torch.zeros(()), what, "return one number of shape (), or None")
        require(bool(penalty.isfinite()), f"{what} is {penalty.item()}; return a finite number.")
        bench.answers()
        again = adapter.penalty()
        require(
            again is not None and bool(again == penalty),
            f"{what} is {again} after a call, and was {penalty}; compute it from weights alone.",
        )
        with advising(f"{what} cannot be derived; compute it from the weights, within torch."):
            torch.autograd.backward(penalty)
        require(
            any(weight.grad is not None for weight in adapter.parameters()),
            f"{what} depends on none of its weights; compute it from them, without detach or item.",
        )
        own = {id(weight) for weight in adapter.parameters()}
        with torch.no_grad():
            for weight in bench.model.parameters():
                if id(weight) not in own:
                    weight.add_(1)
        moved = adapter.penalty()
        require(
            moved is not None and bool(moved == penalty),
            f"{what} changes with weights of the encoder or of others; compute it from its own "
            "weights alone.",
        )
        half = adapter.to(torch.float16).penalty()
        require(
            half is not None and bool(half.isfinite()),
            f"{what} is {half} in torch.float16; sum up in float32: values.float().",
        )

    def test_what_is_merged_computes_the_same(self, config: Config) -> None:
        """`merged` is what a copy of the encoder holds that needs no adapter any more."""
        bench = self.bench(config)
        n_merged = 0
        for layer in range(bench.model.shape.n_layers):
            for site in PROJECTIONS:
                own = bench.model.encoder.projection(layer, site)
                n_merged += self._check_merged(bench.adapter, layer, site, own)
        if not n_merged:
            raise SkipTest("no linear layer computes what it does")

    def _check_merged(self, adapter: Adapter, layer: int, site: str, own: Projection) -> bool:
        """Fails where the merged linear layer is another; tells whether there is one."""
        generator = torch.Generator().manual_seed(0)
        projection = Projection(
            *(torch.randn(part.shape, generator=generator) * 0.2 for part in own)
        )
        what = f"{self.name()}.merged({layer}, {site!r}, projection)"
        tensors = {
            f"projection.{name}": part for name, part in zip(_PARTS, projection, strict=True)
        }
        with torch.no_grad(), left_alone(tensors, what), advising(f"{what} fails."):
            try:
                merged = adapter.merged(layer, site, projection)
            except ConfigError:  # None with a reason
                merged = None
        if merged is None:
            return False
        require(
            isinstance(merged, Projection),
            f"{what} returns a {type(merged).__name__}; return a polyhead.Projection or None.",
        )
        for name, part in zip(_PARTS, projection, strict=True):
            check_form(getattr(merged, name), part, f"`{name}` of {what}", "keep the shape")
        inputs = random_tokens(_PACKING, projection.weight.shape[1])
        with torch.no_grad():
            found, expected = merged(inputs), _tapped(adapter.taps(layer), site, inputs, projection)
        check_same(
            {"result": found},
            {"result": expected},
            f"{what} computes something else than the taps there; return `projection` where "
            "nothing acts, and None where no linear layer computes the same.",
            _TOLERANCE,
        )
        return True

    def test_neutral_weights_change_nothing(self, config: Config) -> None:
        """Half an adapter is half as far from its neutral weights; so these have to be."""
        if issubclass(self.adapter, SideAdapter | FusingAdapter):
            raise SkipTest("such kinds are merged by shares that add up to 1 alone")
        bench = self.bench(config)
        adapter = bench.adapter
        for shares in _SHARES:
            reason = adapter.why_no_sum(shares)
            require(
                reason is None or isinstance(reason, str),
                f"{self.name()}.why_no_sum({shares}) returns a {type(reason).__name__}; return the "
                "end of a sentence, or None.",
            )
        if adapter.why_no_sum((0.5,)) is not None:
            raise SkipTest("it has no neutral weights, and says so")
        with torch.no_grad():
            for name, weight in adapter.state_dict().items():
                if weight.is_floating_point():
                    weight.fill_(self._neutral(adapter, name))
        check_same(
            {"hidden state": bench.states(SUBJECT)},
            {"hidden state": bench.states(None)},
            f"{self.name()} changes the hidden states though each weight is what `neutral` says; "
            "let it return 1 for a factor, or let `why_no_sum` refuse shares that do not add up "
            "to 1.",
        )

    def _neutral(self, adapter: Adapter, name: str) -> float:
        neutral = adapter.neutral(name)
        require(
            isinstance(neutral, int | float),
            f"{self.name()}.neutral({name!r}) returns a {type(neutral).__name__}; return a number.",
        )
        return neutral


@dataclass(frozen=True)
class _View:
    """What an adapter may see of an encoder, and no more."""

    _whole: EncoderView

    def projection(self, layer: int, site: str) -> Projection:
        return self._whole.projection(layer, site)

    def embedded(self, text: str) -> Tensor:
        return self._whole.embedded(text)


def _forms(module: nn.Module) -> dict[str, object]:
    return {
        name: (tuple(values.shape), values.dtype, values.device, values.requires_grad)
        for name, values in module.state_dict(keep_vars=True).items()
    }


def _memory(values: Tensor) -> int:
    return values.untyped_storage().data_ptr()


def _tapped(taps: LayerTaps, site: str, inputs: Tensor, projection: Projection) -> Tensor:
    """What a linear layer computes under an adapter, and what stands before and behind it."""
    if site == "lin2" and taps.inner is not None:
        inputs = taps.inner(inputs, _PACKING)
    tap = getattr(taps, site)
    outputs = projection(inputs)
    return outputs if tap is None else tap(inputs, outputs, projection, _PACKING)
