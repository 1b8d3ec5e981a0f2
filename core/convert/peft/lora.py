"""LoRA of PEFT, in and out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from polyhead.convert.bundle import AdapterPart
from polyhead.convert.checking import adapter_config, checked_adapter
from polyhead.convert.json_files import field
from polyhead.convert.peft.modules import MODULE_OF_SITE, key_of, module_name
from polyhead.convert.peft.targets import matches_end
from polyhead.errors import ArtifactError, ConversionError, shown

if TYPE_CHECKING:
    from polyhead.convert.peft.config import PeftConfig
    from polyhead.convert.peft.found import FoundTensors
    from polyhead.model import DistilBertModelWithHeads

__all__ = ["lora_fields", "lora_part", "lora_tensors"]

_PARTS: Final = {
    "lora_A.weight": "down",
    "lora_B.weight": "up",
    "lora_B.bias": "bias",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
}
_WRITTEN: Final = {
    "down": "lora_A.weight",
    "up": "lora_B.weight",
    "bias": "lora_B.bias",
    "magnitude": "lora_magnitude_vector",
}
_Place = tuple[int, str]


def lora_part(
    name: str, config: PeftConfig, found: FoundTensors, model: DistilBertModelWithHeads
) -> tuple[AdapterPart, list[str]]:
    """A LoRA adapter out of a folder's tensors, and notes.

    Where PEFT changes some of the linear layers of a kind and not the same ones in each layer, the
    others get a change of rank 1 that is 0.

    Args:
        name: What to call it.
        config: Of the folder.
        found: Its tensors.
        model: What it is for.

    Raises:
        ArtifactError: The tensors are not those that the configuration describes.
        ConversionError: Our LoRA has no such setting.
    """
    source = found.source
    meant = found.check_places(config.targets, model.shape.n_layers)
    ranks, alphas = _ranks_and_alphas(config, found, meant)
    sites = [site for site in MODULE_OF_SITE if any(site == other for _, other in meant)]
    layers = sorted({layer for layer, _ in meant})
    holes = [(layer, site) for layer in layers for site in sites if (layer, site) not in meant]
    use_dora = config.flag("use_dora")
    usual_rank, usual_alpha = _usual(ranks), _usual(alphas)
    ours = adapter_config(
        "lora",
        {
            "r": usual_rank,
            "alpha": usual_alpha,
            "modules": tuple(sites),
            "rank_pattern": _pattern({**ranks, **dict.fromkeys(holes, 1)}, usual_rank, layers),
            "alpha_pattern": _pattern(alphas, usual_alpha, layers),
            "use_rslora": config.flag("use_rslora"),
            "use_dora": use_dora,
            "dropout": config.fields.get("lora_dropout", 0.0),
            "leave_out": tuple(n for n in range(model.shape.n_layers) if n not in layers),
            "lora_bias": config.flag("lora_bias") or bool(found.biases),
        },
        config.source,
    )
    fields = ours.model_dump()
    tensors, their_names = _own_tensors(found)
    if config.flag("lora_bias") is not any(key.endswith(".bias") for key in tensors):
        raise ArtifactError(f"{source} and lora_bias in its configuration do not agree.")
    _add_trained_biases(tensors, found, ours, fields, model)
    for layer, site in holes:
        _fill_hole(tensors, layer, site, fields, model)
    part = checked_adapter(name, ours, tensors, model.shape, source, their_names=their_names)
    notes = []
    if holes:
        notes.append(
            f"{len(holes)} linear layers that it does not change, such as "
            f"{module_name(found.prefix, *holes[0])}, got a change of rank 1 that is 0."
        )
    if found.biases:
        notes.append("The encoder's biases that were trained too became biases of B.")
    return part, notes


def _ranks_and_alphas(
    config: PeftConfig, found: FoundTensors, meant: list[_Place]
) -> tuple[dict[_Place, Any], dict[_Place, Any]]:
    """The rank and the alpha of each change, as the configuration has them."""
    fields, source = config.fields, config.source
    rank = field(fields, "r", int, source)
    alpha = field(fields, "lora_alpha", (int, float), source)
    rank_of = matches_end(config.pattern("rank_pattern"), "rank_pattern", source)
    alpha_of = matches_end(config.pattern("alpha_pattern"), "alpha_pattern", source)
    ranks, alphas = {}, {}
    for place in meant:
        module = module_name(found.prefix, *place)
        own_rank, own_alpha = rank_of(module), alpha_of(module)
        ranks[place] = rank if own_rank is None else own_rank
        alphas[place] = alpha if own_alpha is None else own_alpha
        if not _is_number(ranks[place]) or not _is_number(alphas[place]):
            wrong = alphas[place] if _is_number(ranks[place]) else ranks[place]
            raise ArtifactError(f"{source}: {shown(wrong)} is no rank or alpha of {module}.")
        down = found.sites[place].get("lora_A.weight")
        if down is not None and down.ndim > 0 and len(down) != ranks[place]:
            raise ArtifactError(
                f"{found.source}: {module} has a lora_A of rank {len(down)}, and its configuration "
                f"makes that {ranks[place]}."
            )
    return ranks, alphas


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _usual(values: Mapping[_Place, Any]) -> Any:
    """The most frequent value."""
    return Counter(values.values()).most_common(1)[0][0]


def _pattern(values: Mapping[_Place, Any], usual: Any, layers: list[int]) -> dict[str, Any]:
    """The values that are not the usual one, by site where all layers have one value."""
    pattern: dict[str, Any] = {}
    for site in dict.fromkeys(site for _, site in values):
        own = {layer: values[layer, site] for layer in layers if (layer, site) in values}
        if len(set(own.values())) == 1 and len(own) == len(layers):
            if next(iter(own.values())) != usual:
                pattern[site] = next(iter(own.values()))
        else:
            pattern |= {f"{n}.{site}": value for n, value in own.items() if value != usual}
    return pattern


def _own_tensors(found: FoundTensors) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors under our names, and what each is called in the file."""
    tensors: dict[str, Tensor] = {}
    their_names: dict[str, str] = {}
    for (layer, site), parts in found.sites.items():
        for part, tensor in parts.items():
            key = key_of(found.prefix, layer, site, part)
            ours = f"{site}.{layer}.{_PARTS.get(part)}"
            if part not in _PARTS or ours in tensors:
                raise ArtifactError(f"{found.source} has an unexpected tensor: {key[:150]}.")
            # PEFT before 0.9 wrote magnitudes as a column
            flat = tensor.reshape(-1) if _PARTS[part] == "magnitude" else tensor
            tensors[ours], their_names[ours] = flat, key
    return tensors, their_names


def _add_trained_biases(
    tensors: dict[str, Tensor],
    found: FoundTensors,
    ours: Any,
    fields: Mapping[str, Any],
    model: DistilBertModelWithHeads,
) -> None:
    """What training added to the encoder's own biases, as biases of B, which are scaled."""
    if not fields["lora_bias"]:
        return
    for layer, site in found.sites:
        bias = tensors.setdefault(f"{site}.{layer}.bias", torch.zeros(_written(model, layer, site)))
        if (layer, site) in found.biases:
            tensors[f"{site}.{layer}.bias"] = bias + found.biases[layer, site] / ours.scale(
                layer, site
            )
    strange = [place for place in found.biases if place not in found.sites]
    if strange:
        raise ConversionError(
            f"{found.source} holds a trained bias of {module_name(found.prefix, *strange[0])}, "
            "which LoRA does not change; the encoder here is never changed."
        )


def _fill_hole(
    tensors: dict[str, Tensor],
    layer: int,
    site: str,
    fields: Mapping[str, Any],
    model: DistilBertModelWithHeads,
) -> None:
    weight = model.encoder.projection(layer, site).weight.detach().float().cpu()
    written, read = weight.shape
    tensors[f"{site}.{layer}.down"] = torch.zeros(1, read)
    tensors[f"{site}.{layer}.up"] = torch.zeros(written, 1)
    if fields["lora_bias"]:
        tensors[f"{site}.{layer}.bias"] = torch.zeros(written)
    if fields["use_dora"]:
        tensors[f"{site}.{layer}.magnitude"] = torch.linalg.vector_norm(weight, dim=1)


def _written(model: DistilBertModelWithHeads, layer: int, site: str) -> int:
    return len(model.encoder.projection(layer, site).bias)


def lora_fields(part: AdapterPart, n_layers: int) -> dict[str, Any]:
    """The settings of PEFT's LoRA that an adapter has.

    Raises:
        ConversionError: It has gates.
    """
    fields = part.config.model_dump()
    if fields["use_gating"]:
        raise ConversionError(
            f"the adapter {part.name!r} has gates, and PEFT's LoRA has none; there is no equal."
        )
    return {
        "r": fields["r"],
        "lora_alpha": _plain(fields["alpha"]),
        "lora_dropout": fields["dropout"],
        "use_rslora": fields["use_rslora"],
        "use_dora": fields["use_dora"],
        "lora_bias": fields["lora_bias"],
        "rank_pattern": _their_pattern(fields["rank_pattern"]),
        "alpha_pattern": _their_pattern(fields["alpha_pattern"]),
        "target_modules": [MODULE_OF_SITE[site] for site in fields["modules"]],
        "layers_to_transform": (
            [layer for layer in range(n_layers) if layer not in fields["leave_out"]]
            if fields["leave_out"]
            else None
        ),
        "layers_pattern": None,
        "bias": "none",
        "init_lora_weights": True,
    }


def _their_pattern(pattern: Mapping[str, Any]) -> dict[str, Any]:
    """Keys as PEFT has them; it takes the first that matches, so those of one layer go first."""
    keys = sorted(pattern, key=lambda key: "." not in key)
    named = {}
    for key in keys:
        layer, _, site = key.rpartition(".")
        module = MODULE_OF_SITE[site].replace(".", r"\.")
        named[rf"layer\.{layer}\.{module}" if layer else module] = _plain(pattern[key])
    return named


def _plain(number: float) -> float:
    """A whole number as an int, as PEFT writes them."""
    return int(number) if float(number).is_integer() else number


def lora_tensors(part: AdapterPart, prefix: str) -> dict[str, Tensor]:
    """The tensors of an adapter under PEFT's names."""
    tensors = {}
    for name, tensor in part.tensors.items():
        site, layer, own = name.split(".")
        tensors[key_of(prefix, int(layer), site, _WRITTEN[own])] = tensor
    return tensors
