"""Bottleneck adapters of the `adapters` library: sequential, parallel, compacter, invertible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from polyhead.convert.adapterhub.adapter_map import AdapterMap, Place, layer_key
from polyhead.convert.json_files import no_others
from polyhead.errors import ConversionError

if TYPE_CHECKING:
    from polyhead.contracts import EncoderShape
    from polyhead.convert.adapterhub.files import Part

__all__ = ["BottleneckMap"]

_HYPERCOMPLEX: Final = {
    "phm_dim": 4,
    "factorized_phm_W": True,
    "shared_W_phm": False,
    "shared_phm_rule": True,
    "factorized_phm_rule": False,
    "phm_c_init": "normal",
    "phm_init_range": 0.0001,
    "learn_phm": True,
    "hypercomplex_nonlinearity": "glorot-uniform",
    "phm_rank": 1,
    "phm_bias": True,
}
_OWN: Final = (
    "mh_adapter",
    "output_adapter",
    "reduction_factor",
    "non_linearity",
    "original_ln_before",
    "original_ln_after",
    "ln_before",
    "ln_after",
    "init_weights",
    "init_weights_seed",
    "is_parallel",
    "scaling",
    "use_gating",
    "residual_before_ln",
    "adapter_residual_before_ln",
    "inv_adapter",
    "inv_adapter_reduction_factor",
    "leave_out",
    "dropout",
    "stochastic_depth",
    "phm_layer",
)
_OF_THE_FIRST_VERSION: Final = ("invertible_adapter", "attention_type", "new_attention_norm")
"""The last two belonged to fusions; each adapter carried them, and nothing read them there."""

_OLD_ACTIVATIONS: Final = {"gelu": "gelu_new", "gelu_orig": "gelu"}
_NETWORKS: Final = {"nice": {"f": "F", "g": "G"}, "glow": {"f": "s2", "g": "s1"}}
_SITES: Final = {"attention": "attention_adapters", "ffn": "output_adapters"}


class BottleneckMap(AdapterMap):
    """The kind `bottleneck`, whose fields carry the library's own names."""

    kind = "bottleneck"

    def fields_in(self, theirs: Mapping[str, Any], part: Part) -> dict[str, Any]:
        """See AdapterMap. Fields that have no effect beside the others are left out."""
        known = {*_OWN, *_HYPERCOMPLEX, "cross_adapter", "architecture"}
        if part.is_unversioned:
            known.update(_OF_THE_FIRST_VERSION)
        no_others(theirs, known, part.source)
        if theirs.get("cross_adapter"):
            raise ConversionError(
                f"{part.source} asks for cross_adapter, an adapter at a decoder's attention to an "
                "encoder; DistilBERT has none."
            )
        fields = {name: theirs[name] for name in (*_OWN, *_HYPERCOMPLEX) if name in theirs}
        if part.is_unversioned:
            _renew(fields, theirs)
        if _lacks_declared(fields, part):
            fields["inv_adapter"] = None
        if fields.get("leave_out", ()) is None:
            del fields["leave_out"]
        _drop_unused(fields)
        return fields

    def notes(self, theirs: Mapping[str, Any], part: Part) -> tuple[str, ...]:
        """See AdapterMap."""
        fields = dict(theirs)
        _renew(fields, theirs)
        if not _lacks_declared(fields, part):
            return ()
        note = (
            "an invertible adapter that was never saved, as old task adapters did; it is left out."
        )
        return (f"{part.source} declares {note}",)

    def fields_out(self, config: Any) -> dict[str, Any]:
        """See AdapterMap."""
        if config.inv_adapter == "glow":
            raise ConversionError(
                "the adapters library cannot compute inv_adapter='glow': its forward pass fails."
            )
        if config.shared_W_phm and not (
            config.factorized_phm_W and isinstance(config.reduction_factor, int | float)
        ):
            raise ConversionError(
                "the adapters library cannot make shared_W_phm without factorized_phm_W, or with "
                "reduction factors by layer."
            )
        fields: dict[str, Any] = config.model_dump(mode="json")
        if not isinstance(fields["scaling"], str):
            fields["scaling"] = float(fields["scaling"])  # a whole number is refused there
        fields["reduction_factor"] = _whole(fields["reduction_factor"])
        return {**_HYPERCOMPLEX, **fields, "cross_adapter": False}

    def place(self, name: str, config: Any, shape: EncoderShape) -> Place:
        """See AdapterMap."""
        del shape
        root, rest = name.split(".", 1)
        if root in _SITES:
            layer, part = rest.split(".", 1)
            front = layer_key(layer, f"{_SITES[root]}.adapters.*.")
            return Place(tuple(front + key for key in _site_keys(part, config)))
        if root == "shared":
            return Place((f"shared_parameters.*.{_shared_key(rest)}",))
        network, layer, tensor = rest.split(".")
        network = _NETWORKS[config.inv_adapter][network]
        number = {"down": 0, "up": 2}[layer]
        return Place((f"invertible_adapters.*.{network}.{number}.{tensor}",))


def _whole(factor: Any) -> Any:
    """Numbers without a fraction as whole ones: the library makes sizes of them."""
    if isinstance(factor, Mapping):
        return {layer: _whole(number) for layer, number in factor.items()}
    return int(factor) if factor == int(factor) else factor


def _site_keys(part: str, config: Any) -> tuple[str, ...]:
    """The names there of one tensor of one bottleneck."""
    module, _, rest = part.partition(".")
    match module:
        case "down":
            return (f"adapter_down.{int(config.ln_before)}.{_linear_key(rest, config)}",)
        case "up":
            return (f"adapter_up.{_linear_key(rest, config)}",)
        case "norm_before":  # it stands in two places of the module there
            return (f"adapter_norm_before.{rest}", f"adapter_down.0.{rest}")
        case "norm_after":
            return (f"adapter_norm_after.{rest}",)
        case "gate":
            return (f"gate.{rest}",)
        case "scale":
            return ("scaling",)
        case _:
            raise ConversionError(f"the adapters library has no place for {part!r}.")


def _linear_key(rest: str, config: Any) -> str:
    """The name there of one tensor of a projection."""
    if not config.phm_layer:
        return rest
    if rest == "bias":
        return "b"
    matrices, which = rest.split(".")
    return _matrices_key({"blocks": "W", "rule": "phm_rule"}[matrices], which)


def _shared_key(rest: str) -> str:
    """The name there of what hypercomplex layers share."""
    matrices, which = rest.split(".")
    return _matrices_key({"rule": "phm_rule", "down": "W_down", "up": "W_up"}[matrices], which)


def _matrices_key(name: str, which: str) -> str:
    return name if which == "whole" else f"{name}_{which}"


def _lacks_declared(fields: Mapping[str, Any], part: Part) -> bool:
    """Whether it is a task adapter of old that names an invertible one and does not hold it."""
    is_old_task = part.outer.get("type") == "text_task" and bool(fields.get("inv_adapter"))
    return is_old_task and not any("invertible" in key for key in part.tensors)


def _renew(fields: dict[str, Any], theirs: Mapping[str, Any]) -> None:
    """Says in today's words what the first version said."""
    activation = fields.get("non_linearity")
    if isinstance(activation, str):
        fields["non_linearity"] = _OLD_ACTIVATIONS.get(activation, activation)
    nested = theirs.get("invertible_adapter")
    if isinstance(nested, Mapping) and nested:
        fields["inv_adapter"] = nested.get("block_type")
        fields["inv_adapter_reduction_factor"] = nested.get("reduction_factor")


def _drop_unused(fields: dict[str, Any]) -> None:
    """Takes out what has no effect there beside the other fields, and is refused here."""
    unused: list[str] = []
    if not fields.get("phm_layer"):
        unused += _HYPERCOMPLEX
    elif not fields.get("factorized_phm_W", True):
        unused.append("phm_rank")
    if fields.get("phm_layer"):  # hypercomplex_nonlinearity says how they start
        unused.append("init_weights")
    if not fields.get("inv_adapter"):
        unused.append("inv_adapter_reduction_factor")
    if fields.get("is_parallel"):
        unused += ["original_ln_before", "residual_before_ln", "adapter_residual_before_ln"]
    elif not fields.get("ln_after"):
        unused.append("adapter_residual_before_ln")
    for name in unused:
        fields.pop(name, None)
