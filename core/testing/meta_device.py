"""Whether code makes tensors where its input is, told without a GPU.

torch's meta device has shapes and no values. Most operations refuse to mix it with the CPU, as they
refuse to mix a GPU with the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from unittest import SkipTest

from polyhead.testing.failure import ConformanceError, require

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_on_meta"]


def check_on_meta(compute: Callable[[], Iterable[Tensor]], what: str) -> None:
    """Fails where `compute`, whose input is on the meta device, makes tensors on the CPU.

    Args:
        compute: Returns what it computes.
        what: What it is, for the message: "MyHead.forward".

    Raises:
        SkipTest: It reads values, so that only a GPU can tell.
    """
    advice = (
        f"{what} makes a tensor on the CPU whatever device it is given; write device=hidden.device "
        "or values.new_zeros(...), or register a buffer."
    )
    try:
        found = list(compute())
    except NotImplementedError as error:
        raise SkipTest(f"only a GPU can tell: {what} reads values") from error
    except RuntimeError as error:
        message = str(error)
        if "device" in message and "meta" in message and "cpu" in message:
            raise ConformanceError(f"{advice} ({message})") from error
        raise SkipTest(f"only a GPU can tell: {message}") from error
    require(all(tensor.is_meta for tensor in found), advice)
