"""From the padded tensors of a call to rows, and from packed values back to padded ones.

Dimensions: B rows, T tokens of a padded row, N tokens of all rows, D width of the encoder, H
attention heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polyhead.batch import Hidden, Packed, Row
from polyhead.encoder import EncoderOutput
from polyhead.errors import InputError
from polyhead.model.tensors import rows_of
from polyhead.routing import Plan

__all__ = ["EncodedBatch", "PaddedBatch", "packed_batch", "tensor_of"]

_N_DIMENSIONS = 2  # of a padded batch of ids


def tensor_of(value: object, name: str) -> Tensor:
    """`value`, if it is a tensor.

    Args:
        value: What a call gives.
        name: What the argument is called, for the message.

    Raises:
        InputError: It is none.
    """
    if not isinstance(value, Tensor):
        raise InputError(f"{name} must be a tensor, not {type(value).__name__}.")
    return value


@dataclass(frozen=True)
class PaddedBatch:
    """A padded batch as rows.

    Attributes:
        rows: Its rows, masked places left out.
        mask: Which places hold a token, (B, T), bool.
        embeds: What stands in place of word embeddings, or None: the rows' ids are then places in
            it. Shape: (B * T, D).
    """

    rows: Sequence[Row]
    mask: Tensor
    embeds: Tensor | None

    @classmethod
    def of(
        cls,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        inputs_embeds: Tensor | None,
        position_ids: Tensor | None,
    ) -> PaddedBatch:
        """The batch that a call gives.

        Args:
            input_ids: Shape: (B, T).
            attention_mask: 1 for a token, 0 for padding; all tokens when None. Shape: (B, T).
            inputs_embeds: In place of `input_ids`. Shape: (B, T, D).
            position_ids: The position of each token; its column when None. Shape: (B, T) or (T,).

        Raises:
            InputError: The tensors are not of that form, there are no rows or one has no token, or
                not exactly one of `input_ids` and `inputs_embeds` is given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise InputError("give one of input_ids and inputs_embeds, and not both.")
        if inputs_embeds is not None:
            input_ids = _places(inputs_embeds)
        if not isinstance(input_ids, Tensor) or input_ids.ndim != _N_DIMENSIONS:
            form = tuple(input_ids.shape) if isinstance(input_ids, Tensor) else type(input_ids)
            raise InputError(f"input_ids must be a tensor of shape (rows, tokens), not {form}.")
        if not len(input_ids):
            raise InputError("the batch is empty: its tensors have no rows.")
        rows, mask = rows_of(input_ids, attention_mask)
        if position_ids is not None:
            rows = _placed(rows, mask, tensor_of(position_ids, "position_ids"))
        return cls(rows, mask, None if inputs_embeds is None else inputs_embeds.flatten(0, 1))

    @classmethod
    def of_examples(
        cls,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        inputs_embeds: Tensor | None,
        position_ids: Tensor | None = None,
        *,
        always: bool = False,
    ) -> tuple[PaddedBatch, int]:
        """The batch that a call gives, whose tensors may have several rows for each example.

        Args:
            input_ids: Shape: (B, T), or (E, C, T) for E examples of C rows each.
            attention_mask: Shape: likewise.
            inputs_embeds: Shape: (B, T, D) or (E, C, T, D).
            position_ids: Shape: (E, C, T), where there are several rows an example.
            always: Whether the tensors must have a dimension of the examples.

        Returns:
            The batch of all rows, and how many each example has.

        Raises:
            InputError: As in `of`, or an example has no row.
        """
        given = input_ids if inputs_embeds is None else inputs_embeds
        by_row = _N_DIMENSIONS + (inputs_embeds is not None)
        if not always and (not isinstance(given, Tensor) or given.ndim == by_row):
            return cls.of(input_ids, attention_mask, inputs_embeds, position_ids), 1
        tensors = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "position_ids": position_ids,
        }
        rows = {name: _by_row(name, value) for name, value in tensors.items()}
        n_each = 1 if given is None else given.shape[1]
        return cls.of(**rows), n_each


def packed_batch(plan: Plan, embeds: Tensor | None, like: Tensor) -> Packed:
    """What the encoder reads of a plan, where and as it reads it.

    Args:
        plan: Of the batch's rows.
        embeds: `PaddedBatch.embeds`.
        like: A weight of the encoder.
    """
    packed = plan.packed(like.device)
    return packed if embeds is None else replace(packed, embeds=embeds.to(like)[packed.ids])


def _by_row(name: str, values: Tensor | None) -> Tensor | None:
    """The rows of all examples one after the other. Shape: (E, C, ...) -> (E * C, ...)."""
    if values is None:
        return None
    has_width = name == "inputs_embeds"
    n_dimensions = _N_DIMENSIONS + 1 + has_width
    if not isinstance(values, Tensor) or values.ndim != n_dimensions:
        form = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(
            f"{name} must have the dimensions (examples, choices, tokens"
            f"{', width' if has_width else ''}), not {form}."
        )
    if len(values) and not values.shape[1]:
        raise InputError(f"{name} has no choices: its second dimension is 0.")
    return values.flatten(0, 1)


def _places(embeds: Tensor) -> Tensor:
    """A number for each token of embeddings. Shape: (B, T, D) -> (B, T)."""
    if not isinstance(embeds, Tensor) or embeds.ndim != _N_DIMENSIONS + 1:
        form = tuple(embeds.shape) if isinstance(embeds, Tensor) else type(embeds).__name__
        raise InputError(
            f"inputs_embeds must be a tensor of shape (rows, tokens, width), not {form}."
        )
    n_rows, length, _ = embeds.shape
    return torch.arange(n_rows * length, device=embeds.device).view(n_rows, length)


def _placed(rows: Sequence[Row], mask: Tensor, position_ids: Tensor) -> list[Row]:
    """The rows with the positions that the call gives."""
    is_whole = not (position_ids.is_floating_point() or position_ids.dtype == torch.bool)
    fits = position_ids.shape in {mask.shape, mask.shape[1:], (1, *mask.shape[1:])}
    if not is_whole or not fits or bool((position_ids < 0).any()):
        raise InputError(
            f"position_ids must be whole numbers from 0 of the shape {tuple(mask.shape)}, not "
            f"{tuple(position_ids.shape)} of {position_ids.dtype}."
        )
    places = position_ids.expand(mask.shape).to(mask.device)
    return [
        replace(row, positions=tuple(places[number][mask[number]].tolist()))
        for number, row in enumerate(rows)
    ]


@dataclass(frozen=True)
class EncodedBatch:
    """What the encoder made of a padded batch.

    Attributes:
        hidden: The last hidden states, in the order of the batch, and all layers' where they were
            asked for.
        mask: Which places hold a token. Shape: (B, T), bool, where the encoder lies.
        output: All that the encoder computed, in the order of the pass.
        places: The row of the pass that each row of the batch is.
    """

    hidden: Hidden
    mask: Tensor
    output: EncoderOutput
    places: tuple[int, ...] = ()

    def padded(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Values of the batch's tokens, `fill` where a place is masked.

        Shape: (N, ...) -> (B, T, ...).
        """
        padded = values.new_full((*self.mask.shape, *values.shape[1:]), fill)
        return padded.index_put(self.mask.nonzero(as_tuple=True), values)

    @property
    def last_hidden_state(self) -> Tensor:
        """Shape: (B, T, D)."""
        return self.padded(self.hidden.tokens)

    @property
    def hidden_states(self) -> tuple[Tensor, ...] | None:
        """The embeddings and each layer's hidden states, if asked for, each (B, T, D)."""
        if self.hidden.batch_layers is None:
            return None
        return tuple(self.padded(layer) for layer in self.hidden.layers)

    @property
    def attentions(self) -> tuple[Tensor, ...] | None:
        """Each layer's attention weights, if they were kept, each (B, H, T, T)."""
        if self.output.attentions is None:
            return None
        return tuple(maps.padded(self.places, self.mask) for maps in self.output.attentions)
