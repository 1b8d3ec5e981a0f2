"""The encoder's steps between taps, recorded for batches of similar size.

For few tokens a GPU waits for the next kernel to be started most of the time. What lies between two
taps is always the same, so it is started as a whole; taps run between them as always, and so do
steps for which there is nothing to gain.

Dimensions: N tokens of all rows, M where rows have parted, D width of the encoder.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from polyhead.contracts import LayerStep
from polyhead.encoder.cuda_capture import CudaCaptures, StreamTurns
from polyhead.encoder.graph_bucket import BucketSize, GraphBucket, Run
from polyhead.errors import ConfigError, shown

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts import LayerTaps
    from polyhead.encoder.cuda_capture import Capture
    from polyhead.encoder.layer import EncoderLayer
    from polyhead.encoder.passing_rows import PassingRows
    from polyhead.encoder.varlen_attention import Kernel

__all__ = ["StepGraphs"]

_SITES: Final[Mapping[LayerStep, tuple[str, ...]]] = {
    LayerStep.START: ("q", "k", "v", "prefix", "out"),
    LayerStep.ATTENTION: ("attention",),
    LayerStep.FEED_FORWARD: ("lin1", "inner", "lin2"),
    LayerStep.FFN: ("ffn",),
}
"""The sites within each step that can be recorded."""

_LARGE: Final = (LayerStep.START, LayerStep.FEED_FORWARD)
"""The steps of many kernels: others alone are started as fast by themselves."""


class StepGraphs:
    """Records steps when a batch first needs them, and computes batches of that size by them.

    Any number of threads may use it; one computes a layer at a time, since they share the memory.
    """

    def __init__(
        self,
        max_buckets: int,
        max_tokens: int,
        captures_on: Callable[[torch.device], Callable[[], Capture]] = CudaCaptures,
    ) -> None:
        """Records nothing yet.

        Args:
            max_buckets: For how many sizes steps are kept; the longest unused give way to others.
            max_tokens: Of the largest batch that is computed so.
            captures_on: What makes what records steps on a device.

        Raises:
            ConfigError: A number is no whole one above 0.
        """
        for name, number in {"max_buckets": max_buckets, "max_tokens": max_tokens}.items():
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ConfigError(f"{name} must be a whole number from 1, not {shown(number)}.")
        self.max_buckets = max_buckets
        self.max_tokens = max_tokens
        self._captures_on = captures_on
        self._start_anew()

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._turns = StreamTurns()
        self._buckets: OrderedDict[BucketSize, GraphBucket] = OrderedDict()
        self._new_capture: Callable[[], Capture] | None = None

    def __len__(self) -> int:
        """For how many sizes steps are kept."""
        return len(self._buckets)

    def layer(
        self,
        kernel: Kernel,
        layer: EncoderLayer,
        hidden: Tensor,
        rows: PassingRows,
        taps: LayerTaps,
    ) -> Tensor:
        """What `layer` itself computes, outside autograd's graph. Shape: (N, D) -> (M, D).

        Args:
            kernel: What computes attention.
            layer: A frozen layer.
            hidden: As the layer reads it.
            rows: Likewise.
            taps: Likewise.
        """
        lent: list[Tensor] = []
        with self._lock:
            self._turns.take(hidden.device)
            values: tuple[Tensor, ...] = (hidden,)
            step = LayerStep.START
            while step < LayerStep.OUTPUT:
                values = rows.reach(step, *values)
                stop = _end(step, rows, taps)
                bucket = self._bucket(step, stop, rows.packing, hidden, kernel)
                if bucket is None:
                    values = layer.step(step, values, rows, taps)
                    stop = LayerStep(step + 1)
                else:
                    values = bucket.run(Run(rows.layer, step, stop), layer, values, rows.packing)
                    lent += values
                step = stop
            values = rows.reach(LayerStep.OUTPUT, *values)
            (output,) = layer.step(LayerStep.OUTPUT, values, rows, taps)
            return output.clone() if any(_shares(output, each) for each in lent) else output

    def forget(self) -> None:
        """Frees what was recorded, and its memory."""
        with self._lock:
            _finish(self._buckets)
            self._buckets.clear()
            self._new_capture = None

    def _bucket(
        self, step: LayerStep, stop: LayerStep, packing: Packing, like: Tensor, kernel: Kernel
    ) -> GraphBucket | None:
        """Where the steps up to `stop` are computed; None where they are not recorded."""
        if not any(step <= large < stop for large in _LARGE):
            return None
        size = BucketSize.of(packing, self.max_tokens)
        if size is None:
            return None
        found = self._buckets.get(size)
        if found is None:
            if self._new_capture is None:
                self._new_capture = self._captures_on(like.device)
            found = GraphBucket(size, like, kernel, self._new_capture())
            self._buckets[size] = found
            if len(self._buckets) > self.max_buckets:
                _finish(self._buckets)
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(size)
        return found

    # recorded steps cannot be copied: every copy of an encoder records its own
    def __getstate__(self) -> dict[str, object]:
        names = ("max_buckets", "max_tokens", "_captures_on")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._start_anew()


def _end(step: LayerStep, rows: PassingRows, taps: LayerTaps) -> LayerStep:
    """The first step from `step` on that has a tap, or before which, behind it, rows part."""
    for each in range(step, LayerStep.OUTPUT):
        is_tapped = any(getattr(taps, site) is not None for site in _SITES[LayerStep(each)])
        if is_tapped or (each > step and rows.parts_at(LayerStep(each))):
            return LayerStep(each)
    return LayerStep.OUTPUT


def _shares(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors lie in the same memory."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _finish(buckets: Mapping[BucketSize, GraphBucket]) -> None:
    """Waits for work in memory that shall be freed."""
    for device in {bucket.device for bucket in buckets.values() if bucket.device.type == "cuda"}:
        torch.cuda.synchronize(device)
