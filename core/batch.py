"""Rows of tokens packed end to end, and what a head sees of them.

A batch holds no padding: the tokens of its rows lie one after the other, so that every linear
layer, norm and adapter works on (N, D). Only attention and pooling know where a row starts.

Dimensions: B rows, N tokens of all rows, T tokens of the longest row, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Extremes", "Hidden", "Packed", "Packing", "PackingThere", "Row", "lane", "sent"]


def sent(values: Tensor, device: torch.device) -> Tensor:
    """`values`, which lie on the CPU, on a device: work that waits there is not waited for.

    A plain copy to a GPU waits until the GPU has done all that it was given so far. One from pinned
    memory takes its turn there instead; torch keeps that memory until it is done.
    """
    if device.type != "cuda" or values.is_cuda or not values.numel():
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def lane(device: torch.device) -> int:
    """A number for what work on a device is in turn with: its current stream.

    What is kept on a GPU from one pass to another is kept by it, since work in another stream could
    read it before it is there.
    """
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0


@dataclass(frozen=True, slots=True)
class Row:
    """One text, or one pair of texts, as the encoder reads it.

    Attributes:
        ids: Token ids, special tokens included.
        positions: The position of each token; None stands for 0, 1, 2, ...
        offsets: Start and end of each token, in characters of the text it comes from; (0, 0) for
            special tokens. None where offsets were not asked for.
        segments: For each token 0 or 1, the text it comes from, or -1 for special tokens. None
            where offsets were not asked for.
        words: For each token the word of its text that it is a part of, counted from 0, or -1 for
            special tokens. None where offsets were not asked for.
        n_dropped: How many tokens did not fit and were cut off.
        start: In a window of a long text, how many of that text's sub-words lie before it.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...] | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    segments: tuple[int, ...] | None = None
    words: tuple[int, ...] | None = None
    n_dropped: int = 0
    start: int = 0

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Packing:
    """Where each row lies among the packed tokens.

    Attributes:
        lengths: Tokens of each row, in packed order; none is 0.
        whole: Tokens of each row before those at its end were left out; None where none were.
    """

    lengths: tuple[int, ...]
    whole: tuple[int, ...] | None = None

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The first token of each row, and, last, the number of all tokens: B + 1 numbers."""
        return (0, *accumulate(self.lengths))

    @property
    def whole_lengths(self) -> tuple[int, ...]:
        """Tokens of each row, with those that were left out."""
        return self.lengths if self.whole is None else self.whole

    @property
    def n_rows(self) -> int:
        """B."""
        return len(self.lengths)

    @property
    def n_tokens(self) -> int:
        """N."""
        return self.starts[-1]

    @cached_property
    def row_of_token(self) -> Tensor:
        """The row of each token. Shape: (N,), int64, on the CPU."""
        return torch.repeat_interleave(
            torch.arange(self.n_rows), torch.tensor(self.lengths, dtype=torch.long)
        )

    @cached_property
    def column_of_token(self) -> Tensor:
        """The place of each token within its row. Shape: (N,), int64, on the CPU."""
        starts = torch.tensor(self.starts[:-1], dtype=torch.long)
        return torch.arange(self.n_tokens) - starts[self.row_of_token]

    def on(self, device: torch.device) -> PackingThere:
        """Its numbers where the tokens lie; each is sent there once, without waiting."""
        return PackingThere(self, device)

    def kept(self, name: str, device: torch.device, make: Callable[[], Tensor]) -> Tensor:
        """What `make` makes on the CPU, on a device; sent there once for all who ask.

        Args:
            name: Of what is made of this packing.
            device: Where it shall lie.
            make: Called where it was not asked for before.
        """
        key = name, device, lane(device)
        found = self._sent.get(key)
        if found is None:
            with torch.inference_mode(mode=False):  # perhaps it is found again in training
                found = self._sent[key] = sent(make(), device)
        return found

    def rows(self, start: int, stop: int) -> Packing:
        """The packing of the rows from `start` up to but not including `stop`, alone.

        Each is worked out once: adapters ask for their own in every layer.
        """
        found = self._parts.get((start, stop))
        if found is None:
            whole = None if self.whole is None else self.whole[start:stop]
            found = self._parts[start, stop] = Packing(self.lengths[start:stop], whole)
        return found

    def picked(self, rows: Sequence[int]) -> Packing:
        """The packing of some rows alone, in their order; a row may come more than once."""
        lengths = tuple(self.lengths[row] for row in rows)
        if self.whole is None:
            return Packing(lengths)
        return Packing(lengths, tuple(self.whole[row] for row in rows))

    def tokens_of(self, rows: Sequence[int]) -> Tensor:
        """Where the tokens of some rows lie, row by row. Shape: (M,), int64, on the CPU."""
        return self.picked(rows).places([self.starts[row] for row in rows])

    def places(self, starts: Sequence[int]) -> Tensor:
        """Where the tokens of these rows lie among others, row by row. Shape: (N,), int64, CPU.

        Args:
            starts: Where the first token of each row lies there.
        """
        return _numbers(starts)[self.row_of_token] + self.column_of_token

    @cached_property
    def _parts(self) -> dict[tuple[int, int], Packing]:
        return {}

    @cached_property
    def _sent(self) -> dict[tuple[str, torch.device, int], Tensor]:
        return {}

    def tokens(self, start: int, stop: int) -> slice:
        """The tokens of the rows from `start` up to but not including `stop`."""
        return slice(self.starts[start], self.starts[stop])

    def first(self, values: Tensor) -> Tensor:
        """The first token of each row. Shape: (N, D) -> (B, D)."""
        return values.index_select(0, self.on(values.device).starts[:-1])

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the tokens of each row. Shape: (N, D) -> (B, D)."""
        if len(set(self.lengths)) == 1:  # often a single row: one step in place of four
            return values.reshape(self.n_rows, self.lengths[0], -1).mean(dim=1)
        there = self.on(values.device)
        sums = values.new_zeros(self.n_rows, values.shape[1])
        sums = sums.index_add(0, there.row_of_token, values)
        return sums / there.lengths.to(values.dtype).unsqueeze(1)

    def max(self, values: Tensor) -> Tensor:
        """The largest value over the tokens of each row. Shape: (N, D) -> (B, D)."""
        if self.n_rows == 0:
            return values.new_zeros(0, values.shape[1])
        index = self.on(values.device).row_of_token.unsqueeze(1).expand_as(values)
        lowest = values.new_full((self.n_rows, values.shape[1]), -torch.inf)
        return lowest.scatter_reduce(0, index, values, "amax")

    def padded(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """One row below the other, `fill` behind the shorter ones. Shape: (N, D) -> (B, T, D)."""
        longest = max(self.lengths, default=0)
        there = self.on(values.device)
        index = there.row_of_token, there.column_of_token
        padded = values.new_full((self.n_rows, longest, values.shape[1]), fill)
        return padded.index_put(index, values)


@dataclass(frozen=True, slots=True)
class PackingThere:
    """The numbers of a packing on a device.

    Attributes:
        packing: Which.
        device: Where.
    """

    packing: Packing
    device: torch.device

    @property
    def row_of_token(self) -> Tensor:
        """The row of each token. Shape: (N,), int64."""
        return self.packing.kept("row", self.device, lambda: self.packing.row_of_token)

    @property
    def column_of_token(self) -> Tensor:
        """The place of each token within its row. Shape: (N,), int64."""
        return self.packing.kept("column", self.device, lambda: self.packing.column_of_token)

    @property
    def starts(self) -> Tensor:
        """The first token of each row, and, last, the number of all tokens. Shape: (B + 1,)."""
        return self.packing.kept("starts", self.device, lambda: _numbers(self.packing.starts))

    @property
    def lengths(self) -> Tensor:
        """The tokens of each row. Shape: (B,), int64."""
        return self.packing.kept("lengths", self.device, lambda: _numbers(self.packing.lengths))


def _numbers(numbers: Sequence[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.long)


class Extremes(NamedTuple):
    """The numbers of a batch that may lie outside an encoder's embeddings.

    Attributes:
        lowest_id: Among the token ids.
        highest_id: Likewise.
        last_position: The highest position.
    """

    lowest_id: int
    highest_id: int
    last_position: int

    @classmethod
    def of(cls, ids: Tensor, positions: Tensor) -> Extremes:
        """Those of some tokens, at least one. Shape: (N,) each."""
        lowest, highest = ids.aminmax()
        return cls(int(lowest), int(highest), int(positions.max()))


@dataclass(frozen=True)
class Packed:
    """What the encoder reads.

    Attributes:
        ids: Token ids. Shape: (N,), int64.
        positions: Position of each token in its text. Shape: (N,), int64.
        packing: Where each row lies.
        embeds: What stands in place of the word embeddings of `ids`, or None. Shape: (N, D).
        known: Its extremes where they are known; else they are looked up when they are read.
    """

    ids: Tensor
    positions: Tensor
    packing: Packing
    embeds: Tensor | None = None
    known: Extremes | None = None

    @classmethod
    def of(cls, rows: Sequence[Row], device: torch.device | None = None) -> Packed:
        """`rows` packed in their order."""
        packing = Packing(tuple(len(row) for row in rows))
        ids = torch.tensor([token for row in rows for token in row.ids], dtype=torch.long)
        if all(row.positions is None for row in rows):
            positions = packing.column_of_token
        else:
            positions = torch.tensor(
                [place for row in rows for place in row.positions or range(len(row))],
                dtype=torch.long,
            )
        if device is None or device.type == "cpu":
            return cls(ids, positions, packing)
        # looked at here: on a GPU, that would wait for all it has to do
        known = Extremes.of(ids, positions) if len(ids) else None
        sent_ids, sent_positions = sent(torch.stack([ids, positions]), device).unbind()
        return cls(sent_ids, sent_positions, packing, known=known)

    @property
    def extremes(self) -> Extremes:
        """Its extremes, where it has a token."""
        return self.known or Extremes.of(self.ids, self.positions)


@dataclass(frozen=True)
class Hidden:
    """The hidden states of one head's rows, in the order of the head's examples.

    The rows are picked out of the batch when they are asked for, so a head that reads one vector a
    row never copies the others.

    Attributes:
        batch: Last hidden states of the whole batch. Shape: (N_batch, D).
        batch_packing: Where each of the batch's rows lies.
        index: The batch's row that each of this head's rows is.
        batch_layers: The embeddings and every layer's hidden states, each (N_batch, D), or None
            when the head did not ask for them.
        row_counts: How many rows each of the head's examples has; one each when None.
        word_embeddings: The encoder's own matrix, for heads that answer with tokens. It is frozen
            and no part of the head. Shape: (V, D).
        inverses: For each of the batch's rows what takes back what its adapter made of the
            embeddings, as `EmbeddingsTap.inverted` does, or None; None where no row has one. It is
            given hidden states, (N, D), of some rows, and where these lie.
    """

    batch: Tensor
    batch_packing: Packing
    index: tuple[int, ...]
    batch_layers: tuple[Tensor, ...] | None = None
    row_counts: tuple[int, ...] | None = None
    word_embeddings: Tensor | None = None
    inverses: tuple[Callable[[Tensor, Packing], Tensor] | None, ...] | None = None

    @classmethod
    def of_rows(cls, tokens: Tensor, packing: Packing) -> Hidden:
        """Hidden states of a batch that is this head's alone. Shape: tokens (N, D)."""
        return cls(tokens, packing, tuple(range(packing.n_rows)))

    @property
    def n_rows(self) -> int:
        """B, the rows of this head."""
        return len(self.index)

    @cached_property
    def packing(self) -> Packing:
        """Where each of this head's rows lies in `tokens`."""
        if self._is_whole:
            return self.batch_packing  # what it works out is worked out once for all heads
        return self.batch_packing.picked(self.index)

    @cached_property
    def tokens(self) -> Tensor:
        """Last hidden states of this head's rows. Shape: (N, D)."""
        return self._pick(self.batch)

    @cached_property
    def layers(self) -> tuple[Tensor, ...]:
        """The embeddings and every layer's hidden states, each (N, D), lowest first.

        Raises:
            RuntimeError: They were not kept, since the head does not ask for them.
        """
        return tuple(self._pick(layer) for layer in self._kept_layers())

    def at_layer(self, layer: int) -> Hidden:
        """The same rows as one layer left them; 0 stands for the embeddings.

        Raises:
            RuntimeError: The layers were not kept.
        """
        return replace(self, batch=self._kept_layers()[layer])

    def with_tokens(self, tokens: Tensor) -> Hidden:
        """The same rows with other hidden states. Shape: tokens (N, D)."""
        return replace(
            self,
            batch=tokens,
            batch_packing=self.packing,
            index=tuple(range(self.n_rows)),
            batch_layers=None,
            inverses=self._own_inverses,
        )

    def inverted(self, states: Tensor) -> Tensor:
        """What is compared with word embeddings in place of `states`.

        Where a row's adapter maps the embeddings before the encoder reads them, what the encoder
        makes of them is mapped back, by that adapter.

        Args:
            states: Of this head's tokens. Shape: (N, D).

        Returns:
            Shape: (N, D); `states` itself where there is nothing to map back.
        """
        rows_of: dict[Callable[[Tensor, Packing], Tensor], list[int]] = {}
        for row, inverse in enumerate(self._own_inverses or ()):
            if inverse is not None:
                rows_of.setdefault(inverse, []).append(row)
        for inverse, rows in rows_of.items():
            if len(rows) == self.n_rows:
                return inverse(states, self.packing)
            packing = self.packing.picked(rows)
            tokens = sent(self.packing.tokens_of(rows), states.device)
            changed = inverse(states.index_select(0, tokens), packing)
            states = states.index_copy(0, tokens, changed)
        return states

    @property
    def cls(self) -> Tensor:
        """The first token of each row. Shape: (B, D)."""
        starts = torch.tensor(
            [self.batch_packing.starts[row] for row in self.index], dtype=torch.long
        )
        return self.batch.index_select(0, sent(starts, self.batch.device))

    def mean(self) -> Tensor:
        """The mean over the tokens of each row. Shape: (B, D)."""
        return self.packing.mean(self.tokens)

    def max(self) -> Tensor:
        """The largest value over the tokens of each row. Shape: (B, D)."""
        return self.packing.max(self.tokens)

    def padded(self) -> Tensor:
        """One row below the other, zeros behind the shorter ones. Shape: (B, T, D)."""
        return self.packing.padded(self.tokens)

    @property
    def _own_inverses(self) -> tuple[Callable[[Tensor, Packing], Tensor] | None, ...] | None:
        """`inverses` of this head's rows."""
        if self.inverses is None:
            return None
        return tuple(self.inverses[row] for row in self.index)

    def _kept_layers(self) -> tuple[Tensor, ...]:
        if self.batch_layers is None:
            raise RuntimeError(
                "all layers are kept only for heads with `reads_layers = True`, or with a config "
                "whose `hidden` is not 'last'"
            )
        return self.batch_layers

    @property
    def _is_whole(self) -> bool:
        """Whether its rows are all of the batch's, in their order."""
        return self.index == tuple(range(self.batch_packing.n_rows))

    def _pick(self, values: Tensor) -> Tensor:
        if self._is_whole:
            return values
        return values.index_select(0, self._places)

    @cached_property
    def _places(self) -> Tensor:
        """Where its tokens lie in the batch, on the batch's device. Shape: (N,), int64."""
        return sent(self.batch_packing.tokens_of(self.index), self.batch.device)
