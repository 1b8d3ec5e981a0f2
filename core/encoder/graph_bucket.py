"""Batches of similar size, computed in the same memory.

Dimensions: B rows, N tokens of all rows, D width of the encoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Self

import torch
from torch import Tensor, nn

from polyhead.batch import Packing
from polyhead.contracts import NO_TAPS, LayerStep
from polyhead.encoder.varlen_attention import Kernel, RowBounds, flash_attended

if TYPE_CHECKING:
    from polyhead.contracts import Prefixes
    from polyhead.encoder.cuda_capture import Capture, Replay
    from polyhead.encoder.layer import EncoderLayer

__all__ = ["BucketSize", "GraphBucket", "Run"]

_FEWEST_TOKENS: Final = 64
_FEWEST_ROWS: Final = 16
_SHORTEST: Final = 128
"""The kernel computes so many queries at once, whether there are as many or not."""

_MOST_READ: Final = 2
"""Values of each token that a run of steps reads at most."""


class BucketSize(NamedTuple):
    """What batches have at most that are computed in the same memory.

    Attributes:
        tokens: Tokens of all rows.
        rows: Rows.
        longest: Tokens of a row.
    """

    tokens: int
    rows: int
    longest: int

    @classmethod
    def of(cls, packing: Packing, max_tokens: int) -> Self | None:
        """The smallest that holds a batch; None where it has no token, or more than `max_tokens`.

        Tokens are rounded up by half at most (64, 96, 128, 192, ...), since they are computed;
        the others to powers of two, since they are not.
        """
        n_tokens = packing.n_tokens
        if not 0 < n_tokens <= max_tokens:
            return None
        tokens = _power_of_two(n_tokens, _FEWEST_TOKENS)
        if tokens > _FEWEST_TOKENS and tokens * 3 // 4 >= n_tokens:
            tokens = tokens * 3 // 4
        longest = _power_of_two(max(packing.lengths), _SHORTEST)
        rows = _power_of_two(packing.n_rows, _FEWEST_ROWS)
        return cls(min(tokens, max_tokens), rows, longest)


def _power_of_two(number: int, least: int) -> int:
    """The least power of two, from `least` on, that is no less than `number`."""
    return max(least, 1 << (number - 1).bit_length())


class Run(NamedTuple):
    """Steps of a layer that follow one another.

    Attributes:
        layer: Counted from 0.
        start: The first step.
        stop: The step behind the last.
    """

    layer: int
    start: LayerStep
    stop: LayerStep


class GraphBucket:
    """The memory of batches of up to one size, and the steps that were recorded in it.

    Tokens behind those of a batch belong to no row: each step computes something of them, which is
    never read.
    """

    def __init__(self, size: BucketSize, like: Tensor, kernel: Kernel, capture: Capture) -> None:
        """Takes the memory.

        Args:
            size: Of the batches.
            like: Hidden states, for their width, type and device.
            kernel: What computes attention.
            capture: What records steps.
        """
        self._capture = capture
        self._kernel = kernel
        with torch.inference_mode(mode=False):
            shape = size.tokens, like.shape[1]
            self._values = tuple(
                torch.zeros(shape, dtype=like.dtype, device=like.device) for _ in range(_MOST_READ)
            )
            starts = torch.zeros(size.rows + 1, dtype=torch.int32, device=like.device)
        self._rows = RowBounds(starts, size.longest)
        self._packing: Packing | None = None
        self._recorded: dict[Run, _Recorded] = {}

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self._rows.starts.device

    def run(
        self, run: Run, layer: EncoderLayer, values: tuple[Tensor, ...], packing: Packing
    ) -> tuple[Tensor, ...]:
        """What steps without taps make of `values`.

        Args:
            run: The steps.
            layer: Their layer.
            values: What the first of them reads. Shape: (N, D) each.
            packing: Where each row lies.

        Returns:
            What the last of them computes, as views of this memory; or some of `values` themselves,
            where the steps leave them.
        """
        self._take_rows(packing)
        recorded = self._recorded.get(run)
        if recorded is None or not recorded.is_valid():
            recorded = self._recorded[run] = self._record(run, layer, len(values))
        n_tokens = packing.n_tokens
        given = dict(zip(map(id, self._values), values, strict=False))
        for own, value in zip(self._values, values, strict=False):
            own[:n_tokens].copy_(value)
        return tuple(given.get(id(made), made)[:n_tokens] for made in recorded.replay())

    def _take_rows(self, packing: Packing) -> None:
        """Writes where the rows lie, behind which there are rows without tokens."""
        if packing is self._packing:
            return
        own = self._rows.starts
        behind = (packing.n_tokens,) * (len(own) - len(packing.starts))
        starts = torch.tensor((*packing.starts, *behind), dtype=torch.int32)
        own.copy_(starts.pin_memory() if own.is_cuda else starts, non_blocking=own.is_cuda)
        self._packing = packing

    def _record(self, run: Run, layer: EncoderLayer, n_read: int) -> _Recorded:
        rows = _BucketRows(self._rows, self._kernel)

        def compute(*values: Tensor) -> tuple[Tensor, ...]:
            for step in range(run.start, run.stop):
                values = layer.step(LayerStep(step), values, rows, NO_TAPS)
            return values

        weights = tuple((weight, weight.detach()) for weight in layer.parameters())
        return _Recorded(self._capture(compute, self._values[:n_read]), weights)


class _BucketRows(NamedTuple):
    """The rows of whatever batch is computed; see `polyhead.encoder.layer.Rows`.

    Attributes:
        bounds: Where they lie.
        kernel: What computes attention.
        packing: Of no rows: steps without taps do not read it.
    """

    bounds: RowBounds
    kernel: Kernel
    packing: Packing = Packing(())

    def attend(self, qkv: Tensor, dropout: float, prefixes: Prefixes | None = None) -> Tensor:
        """See `Attend`."""
        del dropout, prefixes  # a frozen encoder has none, and steps without taps neither
        return flash_attended(qkv, self.bounds, self.kernel)

    def narrow(self, context: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """All tokens stay: recorded steps are those of any batch."""
        return context, hidden


class _Recorded(NamedTuple):
    """Steps that were recorded.

    Attributes:
        replay: What starts them.
        weights: Those that they read, and in what memory; it is held for as long as they are there.
    """

    replay: Replay
    weights: tuple[tuple[nn.Parameter, Tensor], ...]

    def is_valid(self) -> bool:
        """Whether the weights still lie where the steps read them."""
        return all(weight.data_ptr() == held.data_ptr() for weight, held in self.weights)
