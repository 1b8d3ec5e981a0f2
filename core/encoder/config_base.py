"""The fields of a DistilBERT configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from polyhead.contracts import EncoderShape, explain
from polyhead.encoder.config_types import (
    ActivationField,
    AttentionName,
    DtypeField,
    LabelNames,
    LabelNumbers,
    ProblemType,
    with_labels,
)
from polyhead.errors import ConfigError, shown

__all__ = ["EPS", "ConfigFields"]

EPS: Final = 1e-12
"""Of DistilBERT's layer norms: in the code of transformers, not in its config."""

_MOST: Final = 2**24  # far above any use; keeps the sizes of a damaged file from overflowing
_UNKNOWN: Final = {"extra_forbidden", "no_such_attribute"}


def _other_name(field: str) -> Any:
    return property(
        lambda config: getattr(config, field),
        lambda config, value: setattr(config, field, value),
        doc=f"Another name of `{field}`.",
    )


class ConfigFields(BaseModel):
    """The fields of `DistilBertConfig`: checked in the constructor and whenever one is set."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        validate_assignment=True,
        arbitrary_types_allowed=True,
    )
    model_type: ClassVar[str] = "distilbert"
    attribute_map: ClassVar[Mapping[str, str]] = {
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    }
    other_names: ClassVar[Mapping[str, str]] = {
        **attribute_map,
        "torch_dtype": "dtype",
        "_name_or_path": "name_or_path",
    }

    vocab_size: int = Field(default=30522, gt=0, le=_MOST, description="Number of token ids.")
    max_position_embeddings: int = Field(
        default=512, gt=0, le=_MOST, description="Most tokens of one row."
    )
    sinusoidal_pos_embds: bool = Field(
        default=False,
        description="Whether fresh position embeddings are sinusoidal; these are never trained.",
    )
    n_layers: int = Field(default=6, gt=0, le=_MOST, description="Number of transformer layers.")
    n_heads: int = Field(default=12, gt=0, description="Number of attention heads of a layer.")
    dim: int = Field(default=768, gt=0, le=_MOST, description="Size of a hidden state.")
    hidden_dim: int = Field(
        default=3072,
        gt=0,
        le=_MOST,
        description="Size of the hidden layer of the feed-forward network.",
    )
    dropout: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Behind the embeddings and each feed-forward network of an encoder that is "
        "itself trained, a frozen one has none; and of the token classification head.",
    )
    attention_dropout: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Of the attention weights of an encoder that is itself trained.",
    )
    activation: ActivationField = Field(
        default="gelu",
        description="Of the feed-forward network: a name, or a function, which no file can hold.",
    )
    initializer_range: float = Field(
        default=0.02, gt=0, description="Standard deviation of fresh weights."
    )
    qa_dropout: float = Field(
        default=0.1, ge=0, le=1, description="Of the question answering head."
    )
    seq_classif_dropout: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Of the sequence classification and multiple choice heads.",
    )
    pad_token_id: int | None = Field(default=0, ge=0, description="Id that stands for no token.")
    bos_token_id: int | None = Field(default=None, description="Kept for other programs.")
    eos_token_id: int | list[int] | None = Field(
        default=None, description="Kept for other programs."
    )
    tie_word_embeddings: bool = Field(
        default=True,
        description="Whether the masked language model's output is its input embeddings.",
    )
    id2label: LabelNames = Field(default_factory=dict, description="The labels' names.")
    label2id: LabelNumbers = Field(default_factory=dict, description="The labels' numbers.")
    problem_type: ProblemType | None = Field(
        default=None,
        description="What sequence classification learns; None: told by the labels.",
    )
    output_hidden_states: bool = Field(
        default=False, description="Whether calls return every layer's hidden states."
    )
    output_attentions: bool = Field(
        default=False, description="Whether calls return the attention weights."
    )
    return_dict: bool = Field(
        default=True, description="Whether calls return named values, not plain tuples."
    )
    dtype: DtypeField = Field(
        default=None, description="Floating-point type of the weights in a checkpoint."
    )
    architectures: list[str] | None = Field(
        default=None, description="The classes that a checkpoint was written by."
    )
    name_or_path: str = Field(default="", description="Where it came from; not saved.")
    transformers_version: str | None = Field(
        default=None, description="As a file has it; nothing depends on it."
    )
    attn_implementation: AttentionName | None = Field(
        default=None,
        description="How attention is computed; when None, 'sdpa', on a GPU in half precision "
        "'flash_attention_2'; not saved.",
    )
    layer_norm_eps: float = Field(
        default=EPS, gt=0, description="Of every layer norm; 1e-12 in DistilBERT."
    )

    hidden_size = _other_name("dim")
    num_attention_heads = _other_name("n_heads")
    num_hidden_layers = _other_name("n_layers")
    torch_dtype = _other_name("dtype")
    use_return_dict = _other_name("return_dict")

    if not TYPE_CHECKING:  # type checkers shall see the fields as its arguments

        def __init__(self, **fields: Any) -> None:
            """Makes a configuration.

            Raises:
                ConfigError: A field is unknown or out of range.
            """
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise ConfigError(_refusal(error)) from None
            # not when a field is set: the other one may be about to be
            if self.dim % self.n_heads:
                raise ConfigError(
                    f"DistilBertConfig: n_heads ({self.n_heads}) must divide dim ({self.dim})."
                )

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise ConfigError(_refusal(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _under_own_names(cls, fields: object) -> object:
        if not isinstance(fields, Mapping):
            return fields  # one field is being set
        named: dict[str, Any] = {}
        for key, value in fields.items():
            name = cls.other_names.get(key, key)
            if name in named and named[name] != value:
                raise ValueError(f"{name} is given twice, once as {shown(key)}")
            named[name] = value
        return with_labels(named)

    @property
    def shape(self) -> EncoderShape:
        """What heads and adapters need to know of it."""
        return EncoderShape(
            width=self.dim,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            ffn_width=self.hidden_dim,
            max_positions=self.max_position_embeddings,
            vocab_size=self.vocab_size,
        )


def _refusal(error: ValidationError) -> str:
    """One sentence; where a field is unknown, with those there are."""
    known = ""
    if any(problem["type"] in _UNKNOWN for problem in error.errors()):
        names = [name for name in ConfigFields.model_fields if name != "layer_norm_eps"]
        known = f" Its fields are: {', '.join(names)}."
    return f"DistilBertConfig: {explain(error)}.{known}"
