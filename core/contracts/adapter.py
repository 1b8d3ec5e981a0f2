"""What an adapter is: one named set of weights, tapped into the layers of a frozen encoder.

The encoder is post-norm. For one layer with input x:

    a = attention(x);  h = norm1(a + x);  f = feed_forward(h);  y = norm2(f + h)

A tap takes the place of one of these steps for the tokens of the adapter's rows.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from torch import Tensor, nn

from polyhead.contracts.config import AdapterConfig
from polyhead.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.batch import Packing
    from polyhead.contracts.shape import EncoderShape

__all__ = ["NO_TAPS", "Adapter", "LayerTaps", "SublayerTap", "check_contract"]


class SublayerTap(Protocol):
    """Takes the place of `norm(output + residual)` behind attention or the feed-forward network."""

    def __call__(
        self,
        output: Tensor,
        residual: Tensor,
        norm: Callable[[Tensor], Tensor],
        packing: Packing,
    ) -> Tensor:
        """The hidden states that leave the sub-layer.

        Args:
            output: What the sub-layer computed, a or f. Shape: (N, D).
            residual: What the sub-layer read, x or h. Shape: (N, D).
            norm: The encoder's own frozen layer norm of this place.
            packing: Where each row lies among these tokens.

        Returns:
            Shape: (N, D), dtype and device of `output`.
        """
        ...


@dataclass(frozen=True, slots=True)
class LayerTaps:
    """Where an adapter acts in one layer; None leaves the encoder's own step.

    Attributes:
        attention: In place of `h = norm1(a + x)`.
        ffn: In place of `y = norm2(f + h)`.
    """

    attention: SublayerTap | None = None
    ffn: SublayerTap | None = None


NO_TAPS = LayerTaps()


class Adapter(nn.Module, ABC):
    """One named set of weights for all layers of an encoder.

    A subclass sets `kind` and `Config`, makes its parameters in `__init__`, and says with `taps`
    where they act. It holds no state of a call: many threads use one adapter at once.

    Attributes:
        kind: The name it is registered under.
        Config: Its configuration class.
        presets: Configurations with names of their own, to be used in config strings.
        config: What this adapter was built from.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[AdapterConfig]]
    presets: ClassVar[Mapping[str, AdapterConfig]] = {}
    config: AdapterConfig

    def __init__(self, config: AdapterConfig, shape: EncoderShape) -> None:
        """Builds the adapter with fresh weights.

        Args:
            config: An instance of `Config`.
            shape: The sizes of the encoder it will be used with.
        """
        super().__init__()
        self.config = config
        self.shape = shape

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        check_contract(cls, AdapterConfig)

    @abstractmethod
    def taps(self, layer: int) -> LayerTaps:
        """Where the adapter acts in `layer`, counted from 0; NO_TAPS where it does not act.

        Called once a layer for every batch: return ready-made objects.
        """


def check_contract(cls: type, config_base: type) -> None:
    """Refuses a concrete head or adapter class that lacks its declarations.

    Raises:
        ContractError: `kind` or `Config` is missing or of another type.
    """
    if inspect.isabstract(cls):
        return
    kind = getattr(cls, "kind", None)
    if not isinstance(kind, str) or not kind:
        raise ContractError(f"{cls.__qualname__} must set `kind`, the name it is registered under.")
    config = getattr(cls, "Config", None)
    if not (isinstance(config, type) and issubclass(config, config_base)):
        raise ContractError(
            f"{cls.__qualname__} must set `Config`, a subclass of {config_base.__name__}."
        )
