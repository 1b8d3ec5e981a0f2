"""LoRA and (IA)3 of the `adapters` library, which are one architecture there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from polyhead.convert.adapterhub.adapter_map import AdapterMap, Place, layer_key
from polyhead.convert.json_files import field, no_others
from polyhead.errors import ConversionError, shown

if TYPE_CHECKING:
    from torch import Tensor

    from polyhead.contracts import EncoderShape
    from polyhead.convert.adapterhub.files import Part

__all__ = ["Ia3Map", "LoraMap"]

_DEFAULTS: Final[Mapping[str, Any]] = {
    "architecture": "lora",
    "selfattn_lora": True,
    "intermediate_lora": False,
    "output_lora": False,
    "leave_out": [],
    "r": 8,
    "alpha": 8,
    "dropout": 0.0,
    "attn_matrices": ["q", "v"],
    "composition_mode": "add",
    "init_weights": "lora",
    "init_weights_seed": None,
    "use_gating": False,
    "use_dora": False,
    "vera_d": None,
    "vera_b": None,
    "dtype": None,
}
_KEYS: Final = {
    "q": "attention.q_lin",
    "k": "attention.k_lin",
    "v": "attention.v_lin",
    "lin1": "ffn.lin1",
    "lin2": "ffn.lin2",
}
_ATTENTION: Final = ("q", "k", "v")


class LoraMap(AdapterMap):
    """The kind `lora`."""

    kind = "lora"

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap."""
        fields = _checked(theirs, part.source)
        _refuse_dora(fields, part.source)
        alpha = fields["alpha"]
        if part.is_before("1.1.0") and not fields["use_gating"]:
            alpha = fields["r"]  # those versions left alpha / r out, so it was trained without
        init = fields["init_weights"]
        return {
            "r": fields["r"],
            "alpha": float(alpha),
            "modules": _sites_in(fields, part.source),
            "dropout": fields["dropout"],
            "use_gating": fields["use_gating"],
            "leave_out": fields["leave_out"] or (),
            "init_weights": init if init in {"lora", "bert"} else "lora",
            "init_weights_seed": fields["init_weights_seed"],
        }

    def notes(self, theirs: Mapping[str, Any], part: Part) -> tuple[str, ...]:
        """See AdapterMap."""
        fields = {**_DEFAULTS, **theirs}
        if not part.is_before("1.1.0") or fields["alpha"] == fields["r"] or fields["use_gating"]:
            return ()
        read = f"it is read with alpha {fields['r']}, as it was trained."
        given = f"{part.source} has alpha {fields['alpha']}"
        return (f"{given}, which the version that wrote it did not heed: {read}",)

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap."""
        for name in ("rank_pattern", "alpha_pattern", "use_rslora", "lora_bias", "use_dora"):
            if getattr(config, name):
                raise ConversionError(
                    f"the adapters library has no LoRA with {name} as it is meant here."
                )
        alpha = int(config.alpha) if config.alpha == int(config.alpha) else config.alpha
        return {
            **_DEFAULTS,
            **_sites_out(config.modules),
            "r": config.r,
            "alpha": alpha,
            "dropout": config.dropout,
            "use_gating": config.use_gating,
            "leave_out": list(config.leave_out),
            "init_weights": config.init_weights,
            "init_weights_seed": config.init_weights_seed,
        }

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap."""
        del config, shape
        site, layer, part = name.split(".", 2)
        key = {"down": "lora_A", "up": "lora_B"}.get(part, part)
        return Place((layer_key(layer, f"{_KEYS[site]}.loras.*.{key}"),))


class Ia3Map(AdapterMap):
    """The kind `ia3`, whose factors of lin1 stand in front of the activation there."""

    kind = "ia3"

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap."""
        fields = _checked(theirs, part.source)
        _refuse_dora(fields, part.source)
        if fields["r"] != 1 or fields["dropout"]:
            raise ConversionError(
                f"{part.source} multiplies with r={fields['r']} and dropout={fields['dropout']}; "
                "the library itself takes 1 and 0 alone."
            )
        return {
            "outputs": _sites_in(fields, part.source),
            "inputs": (),
            "use_gating": fields["use_gating"],
            "leave_out": fields["leave_out"] or (),
        }

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap."""
        if config.inputs:
            raise ConversionError(
                f"the adapters library does not scale what {', '.join(config.inputs)} reads: its "
                "IA3 scales what linear layers compute, lin1 in front of its activation."
            )
        return {
            **_DEFAULTS,
            **_sites_out(config.outputs),
            "r": 1,
            "alpha": 1,
            "composition_mode": "scale",
            "init_weights": "ia3",
            "use_gating": config.use_gating,
            "leave_out": list(config.leave_out),
        }

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap."""
        del config
        _, site, layer, part = name.split(".", 3)
        width = shape.ffn_width if site == "lin1" else shape.width
        front = layer_key(layer, f"{_KEYS[site]}.loras.*.")
        return Place((f"{front}lora_B",), (width, 1)) if part == "scale" else Place((front + part,))

    def tensors_in(
        self,
        found: dict[str, Tensor],
        config: Any,
        shape: EncoderShape,
        theirs: Mapping[str, Any],
        part: Part,
    ) -> dict[str, Tensor]:
        """See AdapterMap; alpha is a further factor there, where no gate stands in its place."""
        tensors = super().tensors_in(found, config, shape, theirs, part)
        fields = _checked(theirs, part.source)
        if fields["use_gating"] or part.is_before("1.1.0"):
            return tensors
        return {
            name: tensor * fields["alpha"] if name.endswith(".scale") else tensor
            for name, tensor in tensors.items()
        }


def _checked(theirs: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """All fields, those that are not given as the library has them, and each of its type."""
    no_others(theirs, _DEFAULTS, source)
    fields = {**_DEFAULTS, **theirs}
    for name in ("selfattn_lora", "intermediate_lora", "output_lora", "use_gating", "use_dora"):
        field(fields, name, bool, source)
    for name in ("r", "alpha", "dropout"):
        field(fields, name, (int, float), source)
    field(fields, "attn_matrices", list, source)
    if fields["dtype"] not in {None, "float32"}:
        raise ConversionError(f"{source} asks for dtype {shown(fields['dtype'])}, not float32.")
    return fields


def _refuse_dora(fields: Mapping[str, Any], source: Path) -> None:
    if fields["vera_d"] is not None or fields["vera_b"] is not None:
        raise ConversionError(f"{source} is a VeRA adapter, a kind that there is not here.")
    if fields["use_dora"]:
        raise ConversionError(
            f"{source} is a DoRA adapter of the adapters library, which scales the encoder's "
            "bias too and leaves alpha / r out of the norm; no kind here computes that."
        )


def _sites_in(fields: Mapping[str, Any], source: Path) -> tuple[str, ...]:
    """Which linear layers are changed."""
    sites = []
    if fields["selfattn_lora"]:
        odd = [letter for letter in fields["attn_matrices"] if letter not in _ATTENTION]
        if odd:
            raise ConversionError(
                f"{source}: attn_matrices names {shown(odd[0])}; there are q, k and v."
            )
        sites += [letter for letter in _ATTENTION if letter in fields["attn_matrices"]]
    if fields["intermediate_lora"]:
        sites.append("lin1")
    if fields["output_lora"]:
        sites.append("lin2")
    return tuple(sites)


def _sites_out(sites: tuple[str, ...]) -> dict[str, Any]:
    if "out" in sites:
        raise ConversionError(
            "the adapters library does not change the attention's own output projection, 'out'."
        )
    letters = [letter for letter in _ATTENTION if letter in sites]
    return {
        "selfattn_lora": bool(letters),
        "attn_matrices": letters,
        "intermediate_lora": "lin1" in sites,
        "output_lora": "lin2" in sites,
    }
