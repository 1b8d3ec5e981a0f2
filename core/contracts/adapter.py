"""What an adapter is: one named set of weights, tapped into the layers of a frozen encoder.

The encoder is post-norm. For one layer with input x:

    a = attention(x);  h = norm1(a + x);  f = feed_forward(h);  y = norm2(f + h)

A tap takes the place of one of these steps for the tokens of the adapter's rows. A side adapter
has no taps: it reads what the layers computed, and puts something in the place of the last.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, final

from torch import Tensor, nn

from polyhead.contracts.config import AdapterConfig
from polyhead.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyhead.batch import Packing
    from polyhead.contracts.shape import EncoderShape

__all__ = ["NO_TAPS", "Adapter", "LayerTaps", "SideAdapter", "SublayerTap", "check_contract"]


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


class SideAdapter(Adapter):
    """An adapter beside the encoder: it reads the layers' hidden states and changes none of them.

    The encoder computes its rows as if they had no adapter. So equal texts under any number of side
    adapters, and under none, go through the encoder once; no gradient flows into it; and what it
    computed can be kept from one epoch of training to the next.

    A head that reads the last layer gets what `read` returns; one that reads layer k gets what
    `read` makes of the layers up to k; for one that reads several, it stands in the place of the
    highest.
    """

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "taps" in cls.__dict__:
            raise ContractError(
                f"{cls.__qualname__} is a SideAdapter and has taps; leave `taps` out, or derive "
                "from Adapter."
            )

    @final
    def taps(self, layer: int) -> LayerTaps:
        """None: it acts in no layer."""
        del layer
        return NO_TAPS

    def reads(self, depth: int) -> Sequence[int]:
        """The layers that `read` looks at in the place of layer `depth`; by default all of them.

        A kind that needs fewer says so: no others are kept between epochs.

        Args:
            depth: The layer in whose place the result stands; 0 for the embeddings.

        Returns:
            Numbers from 0 to `depth`, ascending.
        """
        return range(depth + 1)

    @abstractmethod
    def read(self, layers: tuple[Tensor, ...], packing: Packing) -> Tensor:
        """What stands in the place of the highest of `layers`, for the rows of one batch.

        Args:
            layers: The embeddings and the hidden states of each layer up to the head's, lowest
                first, each (N, D), without gradients. Those that `reads` does not name may be NaN.
                They are shared: never write into them.
            packing: Where each row lies among these tokens. There may be no row at all.

        Returns:
            Shape: (N, D), dtype and device of `layers`.
        """

    @classmethod
    def read_many(
        cls, adapters: Sequence[Self], layers: tuple[Tensor, ...], packing: Packing
    ) -> Sequence[Tensor]:
        """What each of several adapters of this class makes of the same rows.

        By default they read one after the other. A kind whose networks are small computes those of
        one shape together: many tasks on one text then take little more time than one.

        Args:
            adapters: Instances of exactly this class, whose configurations may differ; each once.
            layers: As in `read`; those that no adapter's `reads` names may be NaN.
            packing: As in `read`.

        Returns:
            What `read` of each adapter returns, in their order.
        """
        return [adapter.read(layers, packing) for adapter in adapters]
