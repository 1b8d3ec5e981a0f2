"""How one kind of adapter is called here and in the `adapters` library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch

from polyhead.contracts import EncoderShape
from polyhead.convert.adapterhub.keys import layers_in
from polyhead.convert.checking import expected_tensors
from polyhead.errors import ArtifactError, BackboneMismatchError, ConversionError

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.convert.adapterhub.files import Part

__all__ = ["AdapterMap", "Place", "check_depth", "check_nothing_left", "layer_key", "taken"]

_SHOWN: Final = 3


def layer_key(layer: int | str, rest: str) -> str:
    """The name there of something in one layer."""
    return f"transformer.layer.{layer}.{rest}"


@dataclass(frozen=True)
class Place:
    """Where one of our tensors lies there.

    Attributes:
        keys: Its names there; where there are several, they hold the same.
        shape: Its shape there; None for ours. Both have the same numbers in the same order.
    """

    keys: tuple[str, ...]
    shape: tuple[int, ...] | None = None


class AdapterMap(ABC):
    """One kind of adapter, in both directions.

    Attributes:
        kind: What it is called here.
    """

    kind: ClassVar[str]

    @abstractmethod
    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """The fields of our config.

        Args:
            theirs: The fields of the config there.
            part: The file, which tells its version; for messages too.

        Raises:
            ArtifactError: A field is damaged.
            ConversionError: One asks for something that is not known here.
        """

    def notes(self, theirs: Mapping[str, Any], part: Part) -> tuple[str, ...]:
        """What a user should know of how that config was read; mostly nothing."""
        del theirs, part
        return ()

    @abstractmethod
    def fields_out(self, config: Any) -> dict[str, Any]:
        """All fields of the config there.

        Raises:
            ConversionError: The library does not have what one of ours asks for.
        """

    @abstractmethod
    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """Where the tensor that is called `name` here lies there."""

    def tensors_in(
        self,
        found: dict[str, Tensor],
        config: Any,
        shape: EncoderShape,
        theirs: Mapping[str, Any],
        part: Part,
    ) -> dict[str, Tensor]:
        """Our tensors, taken out of `found`, whose keys are short; what is left is not ours.

        Args:
            found: The file's tensors.
            config: Ours.
            shape: The encoder's sizes.
            theirs: The fields of the config there.
            part: The file.

        Raises:
            ArtifactError: One is missing or of another shape.
            BackboneMismatchError: They are those of an encoder of another depth.
        """
        del theirs
        expected = expected_tensors(config, shape, part.source)
        places = {name: self.place(name, config, shape) for name in expected}
        check_depth(found, [key for place in places.values() for key in place.keys], shape, part)
        return {
            name: taken(found, place, expected[name], part.source) for name, place in places.items()
        }

    def tensors_out(
        self, tensors: Mapping[str, Tensor], config: Any, shape: EncoderShape
    ) -> dict[str, Tensor]:
        """Their tensors, by short keys."""
        written = {}
        for name, tensor in tensors.items():
            place = self.place(name, config, shape)
            for key in place.keys:
                written[key] = tensor if place.shape is None else tensor.reshape(place.shape)
        return written


def check_depth(
    found: Mapping[str, object], wanted: list[str], shape: EncoderShape, part: Part
) -> None:
    """Refuses weights of another number of layers, in words that say so."""
    theirs, ours = layers_in(found), layers_in(wanted)
    beyond = {layer for layer in theirs if layer >= shape.n_layers}
    if beyond:
        raise BackboneMismatchError(
            f"{part.source} holds weights of layer {max(beyond)}, counted from 0; this backbone "
            f"has {shape.n_layers} layers."
        )
    lacking = ours - theirs
    if lacking:
        raise BackboneMismatchError(
            f"{part.source} holds no weights for layer {min(lacking)}, counted from 0, of the "
            f"{shape.n_layers} of this backbone; it was made for another depth or is damaged."
        )


def taken(found: dict[str, Tensor], place: Place, like: Tensor, source: Path) -> Tensor:
    """The tensor at a place, each of its names taken out of `found`."""
    shape = tuple(like.shape) if place.shape is None else place.shape
    first: Tensor | None = None
    for key in place.keys:
        tensor = found.pop(key, None)
        if tensor is None:
            raise ArtifactError(f"{source} lacks tensors: {key}.")
        if tuple(tensor.shape) != shape:
            raise ArtifactError(
                f"{source}: {key} has the shape {tuple(tensor.shape)}; its config and the "
                f"backbone make it {shape}."
            )
        if first is not None and not torch.equal(first, tensor):
            raise ArtifactError(f"{source}: {key} is to be the same as {place.keys[0]} and is not.")
        first = tensor if first is None else first
    if first is None:
        raise ConversionError(f"{source}: nothing there holds what is wanted here.")
    return first.reshape(like.shape)


def check_nothing_left(found: Mapping[str, object], source: Path) -> None:
    """Refuses tensors that no part of a config explains.

    Raises:
        ArtifactError: There are some.
    """
    if found:
        names = sorted(found)
        more = ", ..." if len(names) > _SHOWN else ""
        raise ArtifactError(
            f"{source} has unexpected tensors: {', '.join(n[:150] for n in names[:_SHOWN])}{more}."
        )
