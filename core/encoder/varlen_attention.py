"""Flash attention over packed rows of any length, by torch's own kernel.

Dimensions: H heads, W width of a head, D = H * W, N tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.contracts import Prefixes

__all__ = ["Kernel", "VarlenAttention", "flash_kernel"]

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int, int], Tensor]
"""As `torch.nn.attention.varlen.varlen_attn`: query, key and value, (N, H, W) each; where the rows
start, for queries and for keys; and the length of the longest, for both."""

_HALF: Final = (torch.float16, torch.bfloat16)
_WIDEST: Final = 256
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
    try:
        from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - not in every torch
    except ImportError:
        raise ConfigError(
            "attn_implementation='flash_attention_2' needs a torch with "
            f"torch.nn.attention.varlen, and {torch.__version__} has none; upgrade torch or "
            f"{_INSTEAD}."
        ) from None
    return varlen_attn  # type: ignore[return-value]  # it takes further arguments, by keyword


@dataclass(frozen=True)
class VarlenAttention:
    """One call of the kernel for all rows.

    Attributes:
        packing: Where each row lies.
        kernel: What computes it.
    """

    packing: Packing
    kernel: Kernel

    def __call__(self, qkv: Tensor, dropout: float, prefixes: Prefixes | None = None) -> Tensor:
        """See `Attend`. The kernel drops no weights, so `dropout` must be 0.

        Raises:
            ConfigError: The model is not on a GPU or not in half precision, or the kernel does not
                have the width of its heads.
        """
        if dropout:
            raise ValueError("the varlen kernel has no dropout")
        width = qkv.shape[-1]
        if width % 8 or width > _WIDEST:
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
        query, key, value = qkv.unbind(1)
        keys = self.packing
        if prefixes is not None:
            keys, order = _in_front(prefixes.packing, self.packing)
            order = order.to(qkv.device)
            key = torch.cat([prefixes.keys, key]).index_select(0, order)
            value = torch.cat([prefixes.values, value]).index_select(0, order)
        starts, key_starts = (_starts(packing, qkv.device) for packing in (self.packing, keys))
        longest, longest_key = max(self.packing.lengths), max(keys.lengths)
        return self.kernel(query, key, value, starts, key_starts, longest, longest_key).flatten(1)


def _starts(packing: Packing, device: torch.device) -> Tensor:
    return torch.tensor(packing.starts, dtype=torch.int32, device=device)


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
