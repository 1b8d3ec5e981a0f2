"""The tensors of a file of PEFT, sorted by what they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from polyhead.convert.peft.modules import ROOT, encoder_weight, key_of, module_name, place_of
from polyhead.encoder import checkpoint_weights
from polyhead.errors import ArtifactError, ConversionError

if TYPE_CHECKING:
    from polyhead.convert.peft.targets import Targets
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["FoundTensors"]


@dataclass(frozen=True)
class FoundTensors:
    """What lies in one file.

    Attributes:
        prefix: "distilbert." where it was saved from a model with a head, else "".
        sites: By layer and site, the adapter's tensors by what they are called there.
        biases: By layer and site, the linear layer's own bias where it was trained too.
        head: The head's tensors by their names in transformers.
        source: The file.
        notes: What a user should know.
    """

    prefix: str
    sites: Mapping[tuple[int, str], Mapping[str, Tensor]]
    biases: Mapping[tuple[int, str], Tensor]
    head: Mapping[str, Tensor]
    source: Path
    notes: tuple[str, ...]

    @classmethod
    def sort(
        cls,
        tensors: Mapping[str, Tensor],
        source: Path,
        model: DistilBertModelWithHeads,
    ) -> FoundTensors:
        """Sorts the tensors of a file.

        Args:
            tensors: By their names in the file.
            source: The file.
            model: What they are for.

        Raises:
            ArtifactError: One of them belongs nowhere.
            ConversionError: The file holds an encoder's weights that are not the model's.
        """
        sites: dict[tuple[int, str], dict[str, Tensor]] = {}
        biases: dict[tuple[int, str], Tensor] = {}
        head: dict[str, Tensor] = {}
        encoder: dict[str, Tensor] = {}
        prefixes: set[str] = set()
        for key, tensor in tensors.items():
            place = place_of(key)
            name = encoder_weight(key)
            if place is not None and place.part == "base_layer.bias":
                biases[place.layer, place.site] = tensor
            elif place is not None and place.part not in {"weight", "bias", "base_layer.weight"}:
                sites.setdefault((place.layer, place.site), {})[place.part] = tensor
                prefixes.add(place.prefix)
            elif name is not None:
                encoder[key] = tensor
            elif key.startswith(ROOT):
                head[key.removeprefix(ROOT)] = tensor
            else:
                raise ArtifactError(f"{source} has an unexpected tensor: {key[:150]}.")
        if len(prefixes) > 1:
            raise ArtifactError(f"{source} names its layers with and without 'distilbert.'.")
        _check_depth(sites, model.shape.n_layers, source)
        own = {} if not (encoder or biases) else checkpoint_weights(model.encoder)
        notes = _check_encoder(encoder, own, source)
        prefix = next(iter(prefixes), "")
        changed = {}
        for (layer, site), bias in biases.items():
            held = own[f"{module_name('', layer, site)}.bias"].float().cpu()
            if held.shape != bias.shape:
                raise ArtifactError(
                    f"{source}: {key_of(prefix, layer, site, 'base_layer.bias')} has the shape "
                    f"{tuple(bias.shape)}; the backbone makes it {tuple(held.shape)}."
                )
            if not bool((bias == held).all()):
                changed[layer, site] = bias - held
        return cls(prefix, sites, changed, head, source, notes)

    def check_places(self, targets: Targets, n_layers: int) -> list[tuple[int, str]]:
        """The layers and sites that the configuration means, which are those of the file.

        Raises:
            ArtifactError: They differ.
        """
        meant = targets.places(self.prefix, n_layers)
        if not meant:
            raise ArtifactError(
                f"{self.source}: target_modules and its like match no linear layer of the "
                "encoder's layers."
            )
        for problem, places in (
            ("lacks tensors for", [place for place in meant if place not in self.sites]),
            (
                "holds tensors for modules that its configuration does not match:",
                [place for place in self.sites if place not in meant],
            ),
        ):
            if places:
                shown = ", ".join(module_name(self.prefix, *place) for place in places[:3])
                more = ", ..." if len(places) > 3 else ""  # noqa: PLR2004 - as many as are shown
                raise ArtifactError(f"{self.source} {problem} {shown}{more}.")
        return meant


def _check_depth(sites: Mapping[tuple[int, str], object], n_layers: int, source: Path) -> None:
    highest = max((layer for layer, _ in sites), default=0)
    if highest >= n_layers:
        raise ArtifactError(
            f"{source} holds tensors for layer {highest}; the encoder has the layers 0 to "
            f"{n_layers - 1}."
        )


def _check_encoder(
    found: Mapping[str, Tensor], own: Mapping[str, Tensor], source: Path
) -> tuple[str, ...]:
    """Refuses an encoder's weights that differ from ours: they were trained, ours never are."""
    for key, tensor in found.items():
        held = own.get(encoder_weight(key) or "")
        is_same = held is not None and held.shape == tensor.shape
        if not is_same or held is None or not bool((held.float().cpu() == tensor).all()):
            raise ConversionError(
                f"{source} holds {key[:150]}, which is the encoder's own and differs from this "
                "model's: it was trained too, and the encoder here is never changed."
            )
    if not found:
        return ()
    return (f"{len(found)} weights of the encoder itself were left out: they are this model's.",)
