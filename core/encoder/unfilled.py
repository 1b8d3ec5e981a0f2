"""Modules whose weights are not filled, since others take their place at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Unfilled"]

_FILLING: Final = frozenset(
    {
        *(torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.zero_, torch.Tensor.fill_),
        *(init.normal_, init.uniform_, init.trunc_normal_),
        *(init.kaiming_normal_, init.kaiming_uniform_),
        *(init.xavier_normal_, init.xavier_uniform_),
    }
)


class Unfilled(TorchFunctionMode):
    """In this thread, parameters that would be filled with first values keep what they hold.

    For modules all of whose parameters are loaded next: drawing them takes longer than that.
    Buffers are filled, and so is what has a generator of its own, which others may draw from after.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls `func`, unless it would fill a parameter."""
        del types
        given = kwargs or {}
        if func in _FILLING and given.get("generator") is None:
            target = args[0] if args else given.get("tensor")
            if isinstance(target, nn.Parameter):
                return target
        return func(*args, **given)
