"""Flash attention over packed rows of any length, by torch's own kernel.

Dimensions: B rows, H heads, W width of a head, D = H * W, N tokens, M keys of all rows and their
prefixes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from polyhead.batch import Packing, sent
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.contracts import Prefixes

__all__ = [
    "Kernel",
    "RowBounds",
    "VarlenAttention",
    "fitting_kernel",
    "flash_attended",
    "flash_kernel",
]

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int, int], Tensor]
"""As `torch.nn.attention.varlen.varlen_attn`: query, key and value, (N, H, W) each; where the rows
start, for queries and for keys; and the length of the longest, for both."""

_HALF: Final = (torch.float16, torch.bfloat16)
_WIDEST: Final = 256
_OLDEST: Final = (8, 0)
"""The compute capability that torch's flash kernels need (Ampere)."""
_INSTEAD: Final = "choose attn_implementation='sdpa', which gives the same answers"


def flash_kernel() -> Kernel:
    """Torch's kernel.

    Raises:
        ConfigError: There is no GPU for it, or this torch does not have it.
    """
    if not torch.cuda.is_available():
        raise ConfigError(
            "attn_implementation='flash_attention_2' needs a CUDA GPU and torch sees none here; "
            f"{_INSTEAD}."
        )
    kernel = _torchs_kernel()
    if kernel is None:
        raise ConfigError(
            "attn_implementation='flash_attention_2' needs a torch with "
            f"torch.nn.attention.varlen, and {torch.__version__} has none; upgrade torch or "
            f"{_INSTEAD}."
        )
    return kernel


def fitting_kernel(device: torch.device, dtype: torch.dtype, width: int) -> Kernel | None:
    """Torch's kernel, where it can compute such tensors; else None.

    Args:
        device: Where they lie.
        dtype: Their type.
        width: W.
    """
    if device.type != "cuda" or dtype not in _HALF or not _fits(width):
        return None
    return _kernel_on(device)


@cache
def _kernel_on(device: torch.device) -> Kernel | None:
    """Torch's kernel, where it was built for GPUs of that kind."""
    is_old = torch.version.cuda is None or torch.cuda.get_device_capability(device) < _OLDEST
    is_built = torch.backends.cuda.is_flash_attention_available()
    return None if is_old or not is_built else _torchs_kernel()


def _torchs_kernel() -> Kernel | None:
    try:
        from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - not in every torch
    except ImportError:
        return None
    return varlen_attn  # type: ignore[return-value]  # it takes further arguments, by keyword


def _fits(width: int) -> bool:
    return width % 8 == 0 and width <= _WIDEST


@dataclass(frozen=True)
class RowBounds:
    """Where rows lie, as the kernel reads it.

    Attributes:
        starts: The first token of each row, and, last, the token behind them all. Shape: (B + 1,),
            int32, where the tokens are.
        longest: The length of the longest row, or more.
    """

    starts: Tensor
    longest: int

    @classmethod
    def of(cls, packing: Packing, device: torch.device) -> RowBounds:
        """Those of some rows, at least one."""
        starts = torch.tensor(packing.starts, dtype=torch.int32)
        return cls(sent(starts, device), max(packing.lengths))


@dataclass(frozen=True)
class VarlenAttention:
    """One call of the kernel for all rows.

    Attributes:
        packing: Where each row lies.
        kernel: What computes it.
    """

    packing: Packing
    kernel: Kernel
    _bounds: dict[torch.device, RowBounds] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _beside: dict[tuple[int, ...], tuple[RowBounds, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __call__(self, qkv: Tensor, dropout: float, prefixes: Prefixes | None = None) -> Tensor:
        """See `Attend`. The kernel drops no weights, so `dropout` must be 0.

        Raises:
            ConfigError: The model is not on a GPU or not in half precision, or the kernel does not
                have the width of its heads.
        """
        if dropout:
            raise ValueError("the varlen kernel has no dropout")
        width = qkv.shape[-1]
        if not _fits(width):
            raise ConfigError(
                "attn_implementation='flash_attention_2' needs heads whose width is a multiple of "
                f"8 up to {_WIDEST}, not {width}; {_INSTEAD}."
            )
        if not qkv.is_cuda or qkv.dtype not in _HALF:
            raise ConfigError(
                "attn_implementation='flash_attention_2' computes in float16 or bfloat16 on a CUDA "
                f"GPU, and this model is {str(qkv.dtype).removeprefix('torch.')} on "
                f"{qkv.device.type}; move it with model.to('cuda', torch.float16), or {_INSTEAD}."
            )
        return self.attended(qkv, prefixes)

    def attended(self, qkv: Tensor, prefixes: Prefixes | None = None) -> Tensor:
        """The same without looking at device and type. Shape: (N, 3, H, W) -> (N, D)."""
        if not self.packing.lengths:
            return qkv[:, 0].flatten(1)
        rows = self._rows(qkv.device)
        if prefixes is None:
            return flash_attended(qkv, rows, self.kernel)
        query, key, value = qkv.unbind(1)
        keys, order = self._keys(prefixes.packing, qkv.device)
        key = torch.cat([prefixes.keys, key]).index_select(0, order)
        value = torch.cat([prefixes.values, value]).index_select(0, order)
        bounds = rows.starts, keys.starts, rows.longest, keys.longest
        return self.kernel(query, key, value, *bounds).flatten(1)

    def _rows(self, device: torch.device) -> RowBounds:
        """The rows' bounds, worked out once for all layers."""
        found = self._bounds.get(device)
        if found is None:
            found = self._bounds[device] = RowBounds.of(self.packing, device)
        return found

    def _keys(self, prefixes: Packing, device: torch.device) -> tuple[RowBounds, Tensor]:
        """The bounds of each row behind its prefix, and the order of their keys; likewise.

        Returns:
            The bounds, and for each key its place among all prefixes' tokens with all rows' behind
            them. Shape: (M,).
        """
        found = self._beside.get(prefixes.lengths)
        if found is None:
            both, order = _in_front(prefixes, self.packing)
            found = RowBounds.of(both, device), sent(order, device)
            self._beside[prefixes.lengths] = found
        return found


def flash_attended(qkv: Tensor, rows: RowBounds, kernel: Kernel) -> Tensor:
    """What each token gathers from its own row. Shape: (N, 3, H, W) -> (N, D).

    What it is for tokens behind those of all rows means nothing.
    """
    query, key, value = qkv.unbind(1)
    bounds = rows.starts, rows.starts, rows.longest, rows.longest
    return kernel(query, key, value, *bounds).flatten(1)


def _in_front(prefixes: Packing, rows: Packing) -> tuple[Packing, Tensor]:
    """Each row behind its prefix: their packing, and where each token lies in one behind the other.

    Returns:
        The packing, and a place among all prefixes' tokens with all rows' behind them.
    """
    both = Packing(tuple(map(sum, zip(prefixes.lengths, rows.lengths, strict=True))))
    column, row = both.column_of_token, both.row_of_token
    n_front = torch.tensor(prefixes.lengths)[row]
    front = torch.tensor(prefixes.starts[:-1])[row] + column
    own = prefixes.n_tokens + torch.tensor(rows.starts[:-1])[row] + column - n_front
    return both, torch.where(column < n_front, front, own)
