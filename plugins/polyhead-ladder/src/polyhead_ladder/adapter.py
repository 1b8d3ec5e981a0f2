"""The kind of adapter `ladder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

import polyhead as ph
from polyhead_ladder.config import PRESETS, LadderConfig
from polyhead_ladder.network import side_network, weight_shapes

__all__ = ["LadderAdapter"]


class LadderAdapter(ph.SideAdapter):
    """A small network beside the encoder, which reads the hidden states of some of its layers.

    Fresh, it changes nothing: a head reads what the bare encoder computed.

    Source: Sung et al. 2022, arXiv:2206.06522. Their side network starts as a pruned copy of the
    encoder; here it starts at random, and at zero in the projection up.
    """

    kind = "ladder"
    Config = LadderConfig
    presets = PRESETS
    config: LadderConfig

    def __init__(self, config: LadderConfig, shape: ph.EncoderShape) -> None:
        """Builds the side network with fresh weights.

        Args:
            config: What it looks like.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: The configuration does not fit that encoder.
        """
        super().__init__(config, shape)
        self.rungs = config.rungs(shape)
        shapes = weight_shapes(config, len(self.rungs), shape.width, config.width(shape))
        for name, size in shapes.items():
            weight = torch.zeros(size)
            if not name.endswith("_bias") and name not in {"gate", "up"}:
                nn.init.normal_(weight, std=size[-2] ** -0.5)
            self.register_parameter(name, nn.Parameter(weight))

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Its weights by name; see `weight_shapes`."""
        # not named_parameters: with many ladders to a text it would take as long as some of them
        return {name: weight for name, weight in self._parameters.items() if weight is not None}

    def reads(self, depth: int) -> Sequence[int]:
        """The rungs up to `depth`, and the layer itself."""
        return sorted({depth, *(rung for rung in self.rungs if rung <= depth)})

    def read(self, layers: tuple[Tensor, ...], packing: ph.Packing) -> Tensor:
        """See `side_network`. Shape: each of `layers` (N, D) -> (N, D)."""
        [output] = self.read_many([self], layers, packing)
        return output

    @classmethod
    def read_many(
        cls, adapters: Sequence[Self], layers: tuple[Tensor, ...], packing: ph.Packing
    ) -> Sequence[Tensor]:
        """What each of several ladders makes of the same rows; those of one shape run together."""
        groups: dict[tuple[LadderConfig, bool], list[int]] = {}
        for number, adapter in enumerate(adapters):
            groups.setdefault((adapter.config, adapter.training), []).append(number)
        outputs: dict[int, Tensor] = {}
        for (config, is_training), numbers in groups.items():
            found = side_network(
                config,
                [adapters[number].weights for number in numbers],
                adapters[numbers[0]].rungs_of(layers),
                layers[-1],
                packing,
                is_training=is_training,
            )
            outputs |= zip(numbers, found, strict=True)
        return [outputs[number] for number in range(len(adapters))]

    def rungs_of(self, layers: tuple[Tensor, ...]) -> Sequence[Tensor]:
        """The rungs among the layers up to the head's.

        For a head below the lowest rung, its own layer stands in for that one.
        """
        return [layers[rung] for rung in self.rungs if rung < len(layers)] or layers[-1:]
