"""What an adapter is: one named set of weights, tapped into the layers of a frozen encoder.

A tap takes the place of a step of the encoder for the tokens of the adapter's rows. A side adapter
has no taps: it reads what the layers computed, and puts something in the place of the last. A
fusing adapter has none by itself either: it puts together what others do.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, final

from torch import Tensor, nn

from polyhead.contracts.config import AdapterConfig
from polyhead.contracts.taps import NO_TAPS, EmbeddingsTap, LayerTaps
from polyhead.errors import ContractError

if TYPE_CHECKING:
    from polyhead.batch import Packing
    from polyhead.contracts.shape import EncoderShape
    from polyhead.contracts.taps import Projection

__all__ = ["Adapter", "EncoderView", "FusingAdapter", "SideAdapter", "check_contract"]


class EncoderView(Protocol):
    """What fresh weights may depend on of the encoder; to be read alone."""

    def projection(self, layer: int, site: str) -> Projection:
        """One linear layer: "q", "k", "v", "out", "lin1" or "lin2" of a layer, counted from 0."""
        ...

    def embedded(self, text: str) -> Tensor:
        """The word embeddings of a text's sub-words, without special tokens. Shape: (T, D).

        Raises:
            InputError: The model has no tokenizer.
        """
        ...


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
        presets: Configurations with names of their own, to be used in config strings; or config
            strings that name others.
        config: What this adapter was built from.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[AdapterConfig]]
    presets: ClassVar[Mapping[str, AdapterConfig | str]] = {}
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
        if {"taps", "taps_over"} & cls.__dict__.keys() and "is_per_token" not in cls.__dict__:
            # what a base says of its own taps holds for no others
            cls.is_per_token = Adapter.is_per_token  # type: ignore[method-assign]

    @cached_property
    def sort(self) -> Hashable:
        """Equal for adapters of one kind with equal configs: their rows are put side by side."""
        return type(self), self.config.model_dump_json()

    @property
    def is_per_token(self) -> bool:
        """Whether what it makes of a token behind the attention follows from that token alone.

        The sites are "out", "attention", "lin1", "inner", "lin2", "ffn" and "output". If so, the
        last layer need not be computed for tokens that a head does not read; `packing.whole` still
        tells how long rows were, for what depends on a token's place. A gate for each row, say,
        reads all of its tokens. By default False, which is always right; a class with `taps` of its
        own says so anew.
        """
        return False

    @abstractmethod
    def taps(self, layer: int) -> LayerTaps:
        """Where the adapter acts in `layer`, counted from 0; NO_TAPS where it does not act.

        Called once a layer for every batch: return ready-made objects.
        """

    def embeddings_tap(self) -> EmbeddingsTap | None:
        """What acts between the embeddings and the first layer; by default nothing.

        Called for every batch: return a ready-made object.
        """
        return None

    def initialise(self, encoder: EncoderView) -> None:
        """Sets those fresh weights that depend on the encoder's own; by default there are none.

        Called once, when the adapter is added to a model, and never for one that is loaded.
        """
        del encoder

    def penalty(self) -> Tensor | None:
        """What is added to the loss of every training step; by default nothing. Shape: ()."""
        return None

    def merged(self, layer: int, site: str, projection: Projection) -> Projection | None:
        """The linear layer that computes what the adapter makes of one of the encoder's.

        Args:
            layer: Counted from 0.
            site: "q", "k", "v", "out", "lin1" or "lin2"; what the adapter does behind the
                activation is merged into "lin2".
            projection: The encoder's own, perhaps with other adapters merged; to be read alone.

        Returns:
            `projection` itself where the adapter leaves it; None where no linear layer computes
            the same, which is the default.

        Raises:
            ConfigError: None does, for a reason in this adapter's own config.
        """
        del layer, site, projection
        return None

    def neutral(self, weight: str) -> float:
        """The value of a weight under which the adapter changes nothing; by default 0.

        Merging adds up how far each adapter's weights are from it: 1 for a factor.

        Args:
            weight: Its name in the state dict.
        """
        del weight
        return 0.0

    def why_no_sum(self, shares: Sequence[float]) -> str | None:
        """Why the sum of several such adapters' weights is none; by default it is one.

        Args:
            shares: What the weights of each are multiplied with.

        Returns:
            The end of a sentence that starts "cannot be merged so: "; None where it has a meaning.
        """
        del shares
        return None


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


class FusingAdapter(Adapter):
    """An adapter that puts together what other adapters of the model do.

    Its config names them in a field `adapters`. What they do stays theirs: their weights are saved
    on their own, and are trained only where they are asked for.
    """

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if not inspect.isabstract(cls) and "adapters" not in cls.Config.model_fields:
            raise ContractError(
                f"{cls.__qualname__} is a FusingAdapter: its Config needs a field `adapters`, the "
                "names of those that it puts together."
            )

    @property
    def fused(self) -> tuple[str, ...]:
        """The names of the adapters that it puts together."""
        return tuple(self.config.model_dump()["adapters"])

    @final
    def taps(self, layer: int) -> LayerTaps:
        """None by itself: see `taps_over`."""
        del layer
        return NO_TAPS

    @abstractmethod
    def taps_over(self, layer: int, parts: Sequence[LayerTaps]) -> LayerTaps:
        """Where all of them together act in `layer`.

        Args:
            layer: Counted from 0.
            parts: What each of `fused` does in that layer, in their order.

        Raises:
            ConfigError: One of them acts where this kind cannot put things together.
        """
