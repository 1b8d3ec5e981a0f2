"""The configuration of a regression head, and what of it the examples tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import torch
from pydantic import BeforeValidator, Field, model_validator

from polyhead.contracts import validate_config
from polyhead.errors import InputError
from polyhead.heads.labels import LabelNames, check_labelled
from polyhead.heads.pooled_layers import PooledHeadConfig
from polyhead.heads.regression.example import RegressionExample, values_of

__all__ = ["RegressionHeadConfig", "configure_from_examples"]

_LEAST_SPREAD = 1e-6
"""Of the values, as a share of their size: float32 tells them apart by 6e-8 of it."""


def _as_tuple(value: object) -> object:
    """One number or one name stands for itself alone, as in `regression[outputs=price]`."""
    is_one = isinstance(value, int | float | str) and not isinstance(value, bool)
    return (value,) if is_one else value


class RegressionHeadConfig(PooledHeadConfig):
    """One number or several, for a text or a pair of texts.

    The layers compute in units of the training labels: `output = layers(text) * target_scale +
    target_mean`. Fresh weights then start near the mean, and every output has the same share of the
    loss whatever its unit. A head made without examples has neither.
    """

    outputs: Annotated[LabelNames, BeforeValidator(_as_tuple)] = Field(
        default=("score",), min_length=1, description="The outputs' names, in their order."
    )
    target_mean: Annotated[tuple[float, ...], BeforeValidator(_as_tuple)] | None = Field(
        default=None,
        description="What is added to each output: the mean of its training labels; None: 0.",
    )
    target_scale: (
        Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_as_tuple)] | None
    ) = Field(
        default=None,
        description="What each output is multiplied by, and its errors are divided by in the loss: "
        "the standard deviation of its training labels; None: 1.",
    )

    @model_validator(mode="after")
    def _one_an_output(self) -> Self:
        for name in ("target_mean", "target_scale"):
            numbers = getattr(self, name)
            if numbers is not None and len(numbers) != len(self.outputs):
                raise ValueError(
                    f"{name} has {len(numbers)} numbers for {len(self.outputs)} outputs"
                )
        return self

    @property
    def mean_and_scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What the outputs are moved and multiplied by, one number each."""
        n_outputs = len(self.outputs)
        return self.target_mean or (0.0,) * n_outputs, self.target_scale or (1.0,) * n_outputs


def configure_from_examples(
    options: Mapping[str, Any], examples: Sequence[RegressionExample]
) -> RegressionHeadConfig:
    """The config that `options` give, completed from labelled examples.

    Outputs that are not given are the names of the examples' values, sorted, where these are
    mappings. `target_mean` and `target_scale` that are not given are the mean and the standard
    deviation of the labels; given as None, 0 and 1, they turn this off.

    Raises:
        ConfigError: An option is unknown or out of range.
        InputError: The examples lack labels, have other outputs, or all have the same value.
    """
    fields = dict(options)
    if fields.get("outputs") is None:
        fields.pop("outputs", None)
        names = _output_names(examples)
        if names:
            fields["outputs"] = names
    config = validate_config(RegressionHeadConfig, fields, "head kind 'regression'")
    learnt = {"target_mean", "target_scale"} - options.keys()
    if not examples and not learnt:
        return config
    mean, scale = _mean_and_scale(config.outputs, examples)
    found = {"target_mean": mean, "target_scale": scale}
    return config.model_copy(update={name: found[name] for name in learnt})


def _output_names(examples: Sequence[RegressionExample]) -> tuple[str, ...]:
    """The names that the labels give; none where these are plain numbers."""
    named = [example.label for example in examples if isinstance(example.label, Mapping)]
    if not named:
        return ()
    for number, example in enumerate(examples):
        if example.label is not None and not isinstance(example.label, Mapping):
            raise InputError(
                f"the label names no outputs, as {len(named)} of {len(examples)} training labels "
                "do; name them everywhere, or say in which order they are with outputs=(...).",
                index=number,
            )
    return tuple(sorted(named[0]))


def _mean_and_scale(
    outputs: Sequence[str], examples: Sequence[RegressionExample]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    labels = [example.label for example in examples]
    check_labelled(labels, "regression")
    rows = []
    for number, label in enumerate(labels):
        try:
            rows.append(values_of(label, outputs))  # type: ignore[arg-type]  # none is None
        except InputError as error:
            raise InputError(error.reason, index=number) from None
    values_BK = torch.tensor(rows, dtype=torch.float64)
    mean_K, scale_K = values_BK.mean(dim=0), values_BK.std(dim=0, correction=0)
    is_flat_K = scale_K <= torch.clamp(_LEAST_SPREAD * values_BK.abs().amax(dim=0), min=1e-30)
    if bool(is_flat_K.any()):
        place = int(is_flat_K.nonzero()[0, 0])
        raise InputError(
            f"all {len(examples)} training examples have the same value of {outputs[place]!r}, or "
            f"nearly: {mean_K[place]:g}; a regression task learns from different ones."
        )
    return tuple(mean_K.tolist()), tuple(scale_K.tolist())
