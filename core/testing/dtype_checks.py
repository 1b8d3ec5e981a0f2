"""Checks of float types and devices: a module moves as a whole, and computes where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from unittest import SkipTest

import torch
from torch import Tensor, nn

from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import advising, require
from polyhead.testing.outputs import check_same, parts_of

if TYPE_CHECKING:
    from polyhead.testing.bench import Bench

__all__ = ["DtypeChecks"]


class DtypeChecks(ConformanceCase):
    """What `model.to(...)` needs of a head or an adapter."""

    def test_it_computes_in_float16(self, config: Config) -> None:
        """Half precision, as on a GPU."""
        _check_dtype(self.bench(config), torch.float16, self.name())

    def test_it_computes_in_bfloat16(self, config: Config) -> None:
        """Half precision of larger range."""
        _check_dtype(self.bench(config), torch.bfloat16, self.name())

    def test_it_computes_in_float64(self, config: Config) -> None:
        """Double precision, and as exactly: nothing on the way is rounded to float32."""
        bench = self.bench(config)
        single = _parts(bench)
        _check_dtype(bench, torch.float64, self.name())
        check_same(
            _parts(bench),
            single,
            f"{self.name()} computes something else in float64 than in float32.",
            tolerance=1e-3,
        )

    def test_all_its_tensors_move_with_it(self, config: Config) -> None:
        """`to` moves parameters and buffers alone; a tensor in an attribute stays behind."""
        module = self.bench(config).module
        for place, part in module.named_modules():
            for name, value in _attributes(part):
                path = f"{place}.{name}" if place else name
                require(
                    not _holds_tensor(value),
                    f"{path} of {self.name()} is a tensor in a plain attribute, which stays where "
                    "it is when the module moves to a GPU or to another type. Write "
                    f"self.register_buffer({name!r}, ..., persistent=False), or make it from the "
                    "config where it is used.",
                )

    def test_it_computes_on_a_gpu(self, config: Config) -> None:
        """The same answers as on the CPU; skipped where there is no GPU."""
        if not torch.cuda.is_available():
            raise SkipTest("there is no CUDA device")
        bench = self.bench(config)
        expected = _parts(bench)
        bench.model.to("cuda")
        with advising(
            f"{self.name()} fails on a GPU; make new tensors with device=... of what `forward` is "
            "given, and take targets to the device of the output."
        ):
            found = _parts(bench)
            torch.autograd.backward(bench.loss(bench.lesson()))
            bench.answers()
        check_same(found, expected, f"{self.name()} computes something else on a GPU.", 1e-3)


def _check_dtype(bench: Bench, dtype: torch.dtype, name: str) -> None:
    bench.model.to(dtype)
    for part, values in bench.module.state_dict().items():
        require(
            not values.is_floating_point() or values.dtype == dtype,
            f"{part} of {name} is {values.dtype} after model.to({dtype}); leave `to` and `_apply` "
            "as torch has them, or compute in another type where it matters: values.float().",
        )
    with advising(
        f"{name} fails in {dtype}; make new tensors like those given (values.new_zeros, "
        "dtype=values.dtype), and take to float32 what needs it (values.float())."
    ):
        found = _parts(bench)
        with torch.no_grad():
            loss = bench.loss(bench.lesson())
        bench.answers()
    require(
        bool(loss.isfinite()),
        f"the loss of {name} is {float(loss)} in {dtype}; compute it in float32 at least.",
    )
    for part, values in found.items():
        is_kept = not values.is_floating_point() or values.dtype in _allowed(dtype)
        require(
            is_kept,
            f"{part} of {name} is {values.dtype} where the model is {dtype}; compute in the type "
            "of the hidden states.",
        )
        require(not bool(values.isnan().any()), f"{part} of {name} has NaN in {dtype}.")


def _allowed(dtype: torch.dtype) -> set[torch.dtype]:
    """A head may answer in float32 what half precision would round."""
    return {dtype, torch.promote_types(dtype, torch.float32)}


def _parts(bench: Bench) -> dict[str, Tensor]:
    with torch.inference_mode():
        return parts_of(bench.head, bench.compute(bench.encoded(bench.questions)))


def _attributes(module: nn.Module) -> Iterator[tuple[str, object]]:
    """What a module has of its own, besides what torch keeps there."""
    kept = vars(nn.Module())
    return ((name, value) for name, value in vars(module).items() if name not in kept)


def _holds_tensor(value: object) -> bool:
    if isinstance(value, Tensor):
        return True
    if isinstance(value, Mapping):
        return any(_holds_tensor(one) for one in value.values())
    return isinstance(value, list | tuple | set) and any(_holds_tensor(one) for one in value)
