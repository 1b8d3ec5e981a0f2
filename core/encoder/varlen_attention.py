"""Flash attention over packed rows of any length, by torch's own kernel.

Dimensions: H heads, W width of a head, D = H * W, N tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from polyhead.batch import Packing

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

    def __call__(self, qkv: Tensor, dropout: float) -> Tensor:
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
        return self.attended(qkv)

    def attended(self, qkv: Tensor) -> Tensor:
        """The same without looking at device and type. Shape: (N, 3, H, W) -> (N, D)."""
        if not self.packing.lengths:
            return qkv[:, 0].flatten(1)
        query, key, value = qkv.unbind(1)
        starts = torch.tensor(self.packing.starts, dtype=torch.int32, device=qkv.device)
        longest = max(self.packing.lengths)
        return self.kernel(query, key, value, starts, starts, longest, longest).flatten(1)
