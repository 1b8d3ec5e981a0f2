"""The fields of a bottleneck's configuration that make hypercomplex layers of its projections."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from polyhead.contracts import AdapterConfig

__all__ = ["HypercomplexFields"]

_MOST_PARTS: Final = 128  # a rule has their cube of numbers
_MOST_RANK: Final = 1024


class HypercomplexFields(AdapterConfig):
    """Whether both projections are put together of small matrices, and how."""

    phm_layer: bool = Field(
        default=False,
        description="Whether the projections are hypercomplex layers: sums of Kronecker products "
        "of rules and blocks, far fewer numbers than their matrices have.",
    )
    phm_dim: int = Field(
        default=4,
        ge=1,
        le=_MOST_PARTS,
        description="How many rules and blocks a hypercomplex layer has, and how many rows and "
        "columns a rule. Divides the widths of the encoder and of the bottleneck.",
    )
    factorized_phm_W: bool = Field(  # noqa: N815 - the name that files and people know
        default=True, description="Whether each block is the product of two thin matrices."
    )
    shared_W_phm: bool = Field(  # noqa: N815
        default=False,
        description="Whether all layers of the encoder share one set of blocks for the projections "
        "down and one for those up.",
    )
    shared_phm_rule: bool = Field(
        default=True, description="Whether all hypercomplex layers share their rules."
    )
    factorized_phm_rule: bool = Field(
        default=False, description="Whether each rule is a column times a row."
    )
    phm_c_init: Literal["normal", "uniform"] = Field(
        default="normal",
        description="Rules at the start: 'normal' N(0, phm_init_range), or 'uniform' from -1 to 1; "
        "where they are not shared, N(0, 0.01) or from -0.01 to 0.01.",
    )
    phm_init_range: float = Field(
        default=1e-4,
        gt=0,
        description="Standard deviation of shared rules at the start, and of blocks where "
        "hypercomplex_nonlinearity is 'normal'.",
    )
    learn_phm: bool = Field(default=True, description="Whether training changes the rules.")
    hypercomplex_nonlinearity: Literal["glorot-uniform", "glorot-normal", "normal"] = Field(
        default="glorot-uniform",
        description="Distribution that blocks, or their thin matrices, are drawn from.",
    )
    phm_rank: int = Field(
        default=1,
        ge=1,
        le=_MOST_RANK,
        description="Rank of each block where factorized_phm_W is set.",
    )
    phm_bias: bool = Field(default=True, description="Whether hypercomplex layers have a bias.")

    @model_validator(mode="after")
    def _check_hypercomplex_fields(self) -> Self:
        fields = HypercomplexFields.model_fields
        if not self.phm_layer:
            given = [name for name in fields if getattr(self, name) != fields[name].default]
            if given:
                raise ValueError(f"{' and '.join(given)} cannot be changed without phm_layer")
        if self.phm_rank != fields["phm_rank"].default and not self.factorized_phm_W:
            raise ValueError("phm_rank cannot be changed without factorized_phm_W")
        return self
