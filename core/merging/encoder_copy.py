"""A copy of the encoder with an adapter in its weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.contracts import (
    NO_TAPS,
    PROJECTIONS,
    Adapter,
    FusingAdapter,
    LayerTaps,
    Projection,
    SideAdapter,
)
from polyhead.encoder import Encoder
from polyhead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["merged_encoder"]

_LINEAR_SITES: Final = (*PROJECTIONS, "inner")
_N_PROBES: Final = 5
_REMEDY: Final = (
    "LoRA and IA3 without gates can; save the adapter itself, or convert it to a format that keeps "
    "adapters."
)


def merged_encoder(encoder: Encoder, adapter: Adapter, name: str) -> Encoder:
    """A frozen encoder that computes by itself what `encoder` computes under the adapter.

    Args:
        encoder: Read alone; the copy shares no memory with it.
        adapter: One that changes nothing but linear layers.
        name: Its name, for messages.

    Raises:
        ConfigError: What the adapter does is not a change of the encoder's linear layers.
    """
    if encoder.is_reduced:
        raise ConfigError(
            f"adapters are merged into weights in floating point, and those of this encoder are "
            f"rounded to {encoder.precision}; load it in float32."
        )
    _check_linear(adapter, name, encoder.config.n_layers)
    # without dropout, and where the encoder is; the caller's stays as it is
    adapter = copy.deepcopy(adapter).eval().to(encoder.norm.weight.device)
    weights = {key: weight.detach().clone() for key, weight in encoder.state_dict().items()}
    for layer in range(encoder.config.n_layers):
        if adapter.taps(layer) == NO_TAPS:
            continue
        for site in PROJECTIONS:
            held = _projection(weights, layer, site)
            merged = _merged(adapter, name, layer, site, Projection(*held))
            for own, new in zip(held, merged, strict=True):
                own.copy_(new)  # views into `weights`
    with torch.device("meta"):  # no time spent on random weights
        merged_copy = Encoder(encoder.config)
    merged_copy.load_state_dict(weights, assign=True)
    merged_copy.freeze()
    return merged_copy


@torch.no_grad()
def _merged(adapter: Adapter, name: str, layer: int, site: str, held: Projection) -> Projection:
    """One linear layer with the adapter merged in, compared with what the adapter itself does."""
    projection = Projection(*(part.clone() for part in held))
    try:
        merged = adapter.merged(layer, site, projection)
    except ConfigError as error:
        raise ConfigError(
            f"the adapter {name!r} of kind {adapter.kind!r} cannot be merged into the encoder's "
            f"weights: {error}"
        ) from None
    if merged is None or not _is_same(adapter.taps(layer), site, projection, merged):
        raise ConfigError(_not_mergeable(adapter, name, f"what it does at {site!r}"))
    return merged


def _is_same(taps: LayerTaps, site: str, projection: Projection, merged: Projection) -> bool:
    """Whether a merged linear layer computes what the taps of its place do, for some tokens.

    Parts of a union that act at one place may read what others wrote there, and no sum of their
    changes is then the whole.
    """
    tap = getattr(taps, site)
    inner = taps.inner if site == "lin2" else None
    if tap is None and inner is None:
        return merged is projection or _is_close(merged.weight, projection.weight)
    weight = projection.weight
    generator = torch.Generator().manual_seed(0)
    inputs_NI = torch.randn(_N_PROBES, weight.shape[1], generator=generator).to(weight)
    packing = Packing((_N_PROBES,))
    read_NI = inputs_NI if inner is None else inner(inputs_NI, packing)
    outputs_NO = projection(read_NI)
    if tap is not None:
        outputs_NO = tap(read_NI, outputs_NO, projection, packing)
    return _is_close(merged(inputs_NI), outputs_NO)


def _is_close(one: Tensor, other: Tensor) -> bool:
    """Whether two results differ by no more than rounding."""
    scale = float(other.abs().max()) + 1e-6
    rounding = 100 * torch.finfo(other.dtype).eps * scale
    return float((one - other).abs().max()) <= rounding


def _projection(weights: Mapping[str, Tensor], layer: int, site: str) -> Projection:
    """Views of one linear layer's weights."""
    if site in {"q", "k", "v"}:
        joined = f"layers.{layer}.attention.qkv"
        part = "qkv".index(site)
        return Projection(
            weights[f"{joined}.weight"].chunk(3)[part], weights[f"{joined}.bias"].chunk(3)[part]
        )
    place = f"layers.{layer}.attention.out" if site == "out" else f"layers.{layer}.{site}"
    return Projection(weights[f"{place}.weight"], weights[f"{place}.bias"])


def _check_linear(adapter: Adapter, name: str, n_layers: int) -> None:
    """Refuses an adapter that acts anywhere but behind the linear layers."""
    if isinstance(adapter, SideAdapter | FusingAdapter):
        raise ConfigError(_not_mergeable(adapter, name, "what it computes"))
    if adapter.embeddings_tap() is not None:
        raise ConfigError(_not_mergeable(adapter, name, "what it does to the embeddings"))
    others = [site for site in LayerTaps.sites() if site not in _LINEAR_SITES]
    for layer in range(n_layers):
        taps = adapter.taps(layer)
        site = next((site for site in others if getattr(taps, site) is not None), None)
        if site is not None:
            raise ConfigError(_not_mergeable(adapter, name, f"what it does at {site!r}"))


def _not_mergeable(adapter: Adapter, name: str, what: str) -> str:
    return (
        f"the adapter {name!r} of kind {adapter.kind!r} cannot be merged into the encoder's "
        f"weights, since {what} is no linear layer of the encoder; {_REMEDY}"
    )
