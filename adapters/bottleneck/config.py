"""The configuration of bottleneck adapters.

Fields carry the names and the meaning that the `adapters` library (AdapterHub) gives them, so that
what is known of a setting there holds here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, TypeGuard

from pydantic import AfterValidator, Field, field_validator, model_validator

from polyhead.adapters.bottleneck.hypercomplex_config import HypercomplexFields
from polyhead.adapters.bottleneck.invertible_config import InvertibleFields
from polyhead.adapters.layers import LayerNumbers, check_layers, layers_kept
from polyhead.adapters.seeded_config import SeededConfig
from polyhead.contracts import EncoderShape, check_activation
from polyhead.errors import ConfigError

__all__ = ["BottleneckConfig"]

_DEFAULT: Final = "default"
_WIDEST: Final = 65_536  # far above any use; keeps a mistyped factor from asking for all memory

_Factor = Annotated[float, Field(gt=0)]


class BottleneckConfig(HypercomplexFields, InvertibleFields, SeededConfig):
    """A small network `up(activation(down(z)))` behind, or beside, the sub-layers of the encoder.

    For one layer with input x: `a = attention(x); h = norm1(a + x); f = feed_forward(h);
    y = norm2(f + h)`. A sequential bottleneck reads what the sub-layer computed (a or f), a
    parallel one what the sub-layer read (x or h).
    """

    mh_adapter: bool = Field(
        description="Whether there is a bottleneck at the attention, before norm1."
    )
    output_adapter: bool = Field(
        description="Whether there is a bottleneck at the feed-forward network, before norm2."
    )
    reduction_factor: _Factor | dict[str, _Factor] = Field(
        description="Width of the encoder divided by that of the bottleneck (rounded down, at "
        "least 1). One number, or numbers by layer, counted from 0, with 'default' for the others."
    )
    non_linearity: Annotated[str, AfterValidator(check_activation)] = Field(
        description="Activation between the two projections."
    )
    original_ln_before: bool = Field(
        default=False,
        description="Whether the bottleneck reads norm(f + h), the encoder's own residual and norm "
        "applied first, instead of f alone. For sequential ones only.",
    )
    original_ln_after: bool = Field(
        default=True,
        description="Whether the encoder's residual h is added, and its norm applied, at the end.",
    )
    ln_before: bool = Field(
        default=False,
        description="Whether the bottleneck normalises what it reads, by a norm it learns.",
    )
    ln_after: bool = Field(
        default=False, description="Whether the bottleneck's result goes through a norm it learns."
    )
    init_weights: Literal["bert", "mam_adapter", "houlsby"] = Field(
        default="bert",
        description="Weights at the start: 'bert' N(0, 0.02); 'mam_adapter' uniform down, zero up, "
        "so that the adapter changes nothing yet; 'houlsby' N(0, 0.01) cut off at two deviations.",
    )
    is_parallel: bool = Field(
        default=False,
        description="Whether the bottleneck lies beside the sub-layer, not behind it.",
    )
    scaling: float | Literal["learned", "channel"] = Field(
        default=1.0,
        description="Factor of the bottleneck's result: a number, one learned number, or one "
        "learned number for each channel (both start at 1).",
    )
    use_gating: bool = Field(
        default=False,
        description="Whether a learned gate between 0 and 1, one for each row, scales the result.",
    )
    residual_before_ln: bool | Literal["post_add"] = Field(
        default=True,
        description="What the bottleneck's own residual is where original_ln_before is set: true, "
        "f; 'post_add', f + h; false, norm(f + h).",
    )
    adapter_residual_before_ln: bool = Field(
        default=False, description="Whether that residual is added before the norm of ln_after."
    )
    leave_out: LayerNumbers = Field(
        default=(), description="Layers, counted from 0, that get no bottleneck."
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout of the bottleneck's result in training."
    )
    stochastic_depth: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="The chance of each row, in training, to go without a bottleneck; the results "
        "of the others grow by as much.",
    )

    @field_validator("reduction_factor", mode="before")
    @classmethod
    def _one_factor_or_many(cls, value: object) -> object:
        if isinstance(value, Mapping):
            factors = {str(layer): factor for layer, factor in value.items()}
            odd = [layer for layer in factors if layer != _DEFAULT and not _is_layer(layer)]
            if odd or not factors:
                raise ValueError("keys are layer numbers, counted from 0, and 'default'")
            if not all(_is_number(factor) and factor > 0 for factor in factors.values()):
                raise ValueError("every factor is a number greater than 0")
            return factors
        if not _is_number(value) or value <= 0:
            raise ValueError("give a number greater than 0, or such numbers by layer")
        return value

    @field_validator("scaling", mode="before")
    @classmethod
    def _number_or_word(cls, value: object) -> object:
        if value in ("learned", "channel") or _is_number(value):
            return value
        raise ValueError("give a number, 'learned' or 'channel'")

    @field_validator("residual_before_ln", mode="before")
    @classmethod
    def _truth_or_word(cls, value: object) -> object:
        if value == "post_add" or isinstance(value, bool):
            return value
        raise ValueError("give true, false or 'post_add'")

    @model_validator(mode="after")
    def _check_fields_together(self) -> Self:
        if not (self.mh_adapter or self.output_adapter):
            raise ValueError("at least one of mh_adapter and output_adapter must be true")
        if self.adapter_residual_before_ln and not self.ln_after:
            raise ValueError(
                "adapter_residual_before_ln needs ln_after: there is no norm otherwise"
            )
        if self.phm_layer and self.init_weights != "bert":
            raise ValueError(
                f"init_weights={self.init_weights!r} has no meaning where phm_layer is true: "
                "hypercomplex_nonlinearity says how weights start"
            )
        if self.is_parallel:
            self._check_parallel()
        elif self.residual_before_ln == "post_add" and not self.original_ln_before:
            raise ValueError("residual_before_ln='post_add' needs original_ln_before")
        return self

    def _check_parallel(self) -> None:
        """A parallel bottleneck reads and adds in one way only."""
        unused = {
            "original_ln_before": self.original_ln_before,
            "residual_before_ln": self.residual_before_ln is not True,
            "adapter_residual_before_ln": self.adapter_residual_before_ln,
        }
        given = [name for name, is_given in unused.items() if is_given]
        if given:
            raise ValueError(f"{' and '.join(given)} cannot be changed where is_parallel is true")

    def widths(self, shape: EncoderShape) -> dict[int, int]:
        """The bottleneck's width in each layer that has one.

        Raises:
            ConfigError: A layer that the encoder lacks is named, a layer has no reduction factor,
                no layer is left, or the widths do not go with hypercomplex layers.
        """
        layers = layers_kept(self.leave_out, shape)
        if isinstance(self.reduction_factor, dict):
            named = tuple(int(key) for key in self.reduction_factor if key != _DEFAULT)
            check_layers(named, "reduction_factor", shape)
        widths = {layer: self._width(layer, shape.width) for layer in layers}
        if self.phm_layer:
            self._check_parts(shape.width, widths)
        return widths

    def _check_parts(self, encoder_width: int, widths: dict[int, int]) -> None:
        """Hypercomplex layers are cut into parts of one size."""
        for what, width in [
            ("the encoder has the width", encoder_width),
            *((f"the bottleneck of layer {layer} has", width) for layer, width in widths.items()),
        ]:
            if width % self.phm_dim:
                raise ConfigError(
                    f"phm_dim {self.phm_dim} must divide all widths, and {what} {width}; change "
                    "phm_dim or reduction_factor."
                )
        if self.shared_W_phm and len(set(widths.values())) > 1:
            raise ConfigError(
                "shared_W_phm needs bottlenecks of one width; give one reduction_factor for all "
                "layers."
            )

    def _width(self, layer: int, encoder_width: int) -> int:
        factor = self.reduction_factor
        if isinstance(factor, dict):
            if str(layer) not in factor and _DEFAULT not in factor:
                raise ConfigError(
                    f"reduction_factor has no entry for layer {layer}; add one, or a 'default'."
                )
            factor = factor.get(str(layer), factor.get(_DEFAULT, 1.0))
        if encoder_width / factor > _WIDEST:
            raise ConfigError(
                f"reduction_factor {factor} makes a bottleneck of width "
                f"{encoder_width / factor:,.0f}; the most is {_WIDEST:,}."
            )
        return max(1, int(encoder_width // factor))


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < math.inf  # false for NaN too


def _is_layer(key: str) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key
