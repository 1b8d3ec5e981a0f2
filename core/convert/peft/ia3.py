"""(IA)3 of PEFT, in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from polyhead.convert.bundle import AdapterPart
from polyhead.convert.checking import adapter_config, checked_adapter
from polyhead.convert.peft.modules import MODULE_OF_SITE, key_of, module_name
from polyhead.errors import ArtifactError, ConversionError

if TYPE_CHECKING:
    from polyhead.convert.peft.config import PeftConfig
    from polyhead.convert.peft.found import FoundTensors
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["ia3_fields", "ia3_part", "ia3_tensors"]

_PART: Final = "ia3_l"


def ia3_part(
    name: str, config: PeftConfig, found: FoundTensors, model: DistilBertModelWithHeads
) -> tuple[AdapterPart, list[str]]:
    """An IA3 adapter out of a folder's tensors, and notes.

    Where PEFT scales some of the linear layers of a kind and not the same ones in each layer, the
    others get factors of 1.

    Args:
        name: What to call it.
        config: Of the folder.
        found: Its tensors.
        model: What it is for.

    Raises:
        ArtifactError: The tensors are not those that the configuration describes.
    """
    meant = found.check_places(config.targets, model.shape.n_layers)
    tensors: dict[str, Tensor] = {}
    their_names: dict[str, str] = {}
    groups: dict[str, set[str]] = {"outputs": set(), "inputs": set()}
    for place in meant:
        layer, site = place
        key = key_of(found.prefix, layer, site, _PART)
        parts = found.sites[place]
        if parts.keys() != {_PART}:
            odd = next(part for part in (*parts, _PART) if part not in parts or part != _PART)
            raise ArtifactError(
                f"{found.source} has an unexpected tensor: "
                f"{key_of(found.prefix, layer, site, odd)[:150]}."
            )
        is_input = config.targets.feedforward(module_name(found.prefix, *place))
        group = "inputs" if is_input else "outputs"
        groups[group].add(site)
        ours = f"{group}.{site}.{layer}.scale"
        tensors[ours], their_names[ours] = _vector(parts[_PART], key, found, is_input), key
    if found.biases:
        raise ConversionError(
            f"{found.source} holds biases of the encoder that were trained too; the encoder here "
            "is never changed."
        )
    layers = sorted({layer for layer, _ in meant})
    fields = {group: _in_order(sites) for group, sites in groups.items()}
    left_out = tuple(n for n in range(model.shape.n_layers) if n not in layers)
    ours_config = adapter_config("ia3", {**fields, "leave_out": left_out}, config.source)
    n_filled = 0
    for group, sites in fields.items():
        for layer in layers:
            for site in sites:
                size = model.encoder.projection(layer, site).weight.shape[group == "inputs"]
                filled = tensors.setdefault(f"{group}.{site}.{layer}.scale", torch.ones(size))
                n_filled += f"{group}.{site}.{layer}.scale" not in their_names and len(filled) > 0
    part = checked_adapter(
        name, ours_config, tensors, model.shape, found.source, their_names=their_names
    )
    notes = [f"{n_filled} linear layers that it does not scale got factors of 1."]
    return part, notes if n_filled else []


def _in_order(sites: set[str]) -> tuple[str, ...]:
    return tuple(site for site in MODULE_OF_SITE if site in sites)


def _vector(tensor: Tensor, key: str, found: FoundTensors, is_input: bool) -> Tensor:
    """The factors of a row, for inputs, or a column, for outputs."""
    wanted = (1, -1) if is_input else (-1, 1)
    if tensor.ndim != 2 or tensor.shape[wanted.index(1)] != 1:  # noqa: PLR2004 - rows and columns
        raise ArtifactError(
            f"{found.source}: {key[:150]} has the shape {tuple(tensor.shape)}; its configuration "
            f"makes it a {'row' if is_input else 'column'}."
        )
    return tensor.reshape(-1)


def ia3_fields(part: AdapterPart, n_layers: int) -> dict[str, Any]:
    """The settings of PEFT's IA3 that an adapter has.

    Raises:
        ConversionError: It has gates, or scales both sides of one linear layer.
    """
    fields = part.config.model_dump()
    if fields["use_gating"]:
        raise ConversionError(
            f"the adapter {part.name!r} has gates, and PEFT's IA3 has none; there is no equal."
        )
    both = sorted(set(fields["outputs"]) & set(fields["inputs"]))
    if both:
        raise ConversionError(
            f"the adapter {part.name!r} scales what {both[0]} reads and what it writes; PEFT's IA3 "
            "scales one of them."
        )
    layers = [layer for layer in range(n_layers) if layer not in fields["leave_out"]]

    def modules(sites: tuple[str, ...]) -> list[str]:
        if not fields["leave_out"]:
            return [MODULE_OF_SITE[site] for site in sites]
        # IA3 has no layers_to_transform: each linear layer is named
        return [f"layer.{layer}.{MODULE_OF_SITE[site]}" for layer in layers for site in sites]

    return {
        "target_modules": modules((*fields["outputs"], *fields["inputs"])),
        "feedforward_modules": modules(fields["inputs"]),
        "init_ia3_weights": True,
    }


def ia3_tensors(part: AdapterPart, prefix: str) -> dict[str, Tensor]:
    """The tensors of an adapter under PEFT's names."""
    tensors = {}
    for name, tensor in part.tensors.items():
        group, site, layer, _ = name.split(".")
        shape = (1, -1) if group == "inputs" else (-1, 1)
        tensors[key_of(prefix, int(layer), site, _PART)] = tensor.reshape(shape)
    return tensors
