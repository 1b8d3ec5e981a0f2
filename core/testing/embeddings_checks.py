"""Checks of what an adapter does to the embeddings, and of the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from unittest import SkipTest

import torch
from torch import Tensor

from polyhead.batch import Packing
from polyhead.contracts import EmbeddingsTap
from polyhead.testing.adapter_case import AdapterCase
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require
from polyhead.testing.outputs import check_same
from polyhead.testing.sites import PACKINGS, check_form, left_alone, random_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EmbeddingsChecks"]

_TOLERANCE: Final = 1e-4


class EmbeddingsChecks(AdapterCase):
    """What a tap between the embeddings and the first layer has to do."""

    def test_leaving_undoes_entering(self, config: Config) -> None:
        """Rows may get more tokens; those that entered are found again, each in its place."""
        tap, width = self._on_embeddings(config)
        for packing in PACKINGS:
            values = random_tokens(packing, width)
            entered, longer = self._entered(tap, values, packing)
            picked = self._picked(tap, packing, longer, width)
            moved = _moved(tap, values, packing, entered, picked)
            strangers = set(moved) - set(packing.starts)
            require(
                not strangers,
                f"`leave` of {self.name()} takes another token than the one that `enter` made of "
                f"the row's own, for the tokens {sorted(strangers)} of rows of "
                f"{packing.lengths}; only a row's first token may be another of its row.",
            )

    def test_inverting_undoes_entering(self, config: Config) -> None:
        """What `inverted` maps back is what a head compares with embeddings, row by row."""
        tap, width = self._on_embeddings(config)
        if type(tap).inverted is EmbeddingsTap.inverted:
            raise SkipTest("it maps nothing back")
        what = f"`inverted` of {self.name()}"
        for packing in PACKINGS:
            values = random_tokens(packing, width)
            entered, longer = self._entered(tap, values, packing)
            picked = self._picked(tap, packing, longer, width)
            states, own = tap.leave(entered, longer)
            moved = _moved(tap, values, packing, entered, picked)
            kept = [token for token in range(packing.n_tokens) if token not in moved]
            with (
                left_alone({"states": states}, what),
                advising(f"{what} fails on {packing.n_tokens} tokens."),
            ):
                found = tap.inverted(states, own)
            check_form(found, states, what, "return a state for each that is given")
            check_same(
                {"result": found[kept]},
                {"result": values[kept]},
                f"{what} does not map back what `enter` makes of embeddings; leave it out where "
                "nothing can.",
                _TOLERANCE,
            )
            alone = [
                tap.inverted(states[own.tokens(row, row + 1)], own.rows(row, row + 1))
                for row in range(own.n_rows)
            ]
            check_same(
                {"result": found},
                {"result": torch.cat([states[:0], *alone])},
                f"{what} makes something else of a row among others than of it alone.",
            )

    def _on_embeddings(self, config: Config) -> tuple[EmbeddingsTap, int]:
        """The adapter's tap there, if it has one, and the encoder's width."""
        bench = self.bench(config)
        tap = bench.adapter.embeddings_tap()
        if tap is None:
            raise SkipTest("it leaves the embeddings as they are")
        return tap, bench.model.shape.width

    def _entered(
        self, tap: EmbeddingsTap, values: Tensor, packing: Packing
    ) -> tuple[Tensor, Packing]:
        """What `enter` returns, if it is what the first layer can read."""
        what = f"`enter` of {self.name()}"
        with (
            left_alone({"embeddings": values}, what),
            advising(f"{what} fails on {packing.n_tokens} tokens."),
        ):
            found = tap.enter(values, packing)
        entered, longer = self._pair(found, what)
        require(
            longer.n_rows == packing.n_rows,
            f"{what} makes {longer.n_rows} rows of {packing.n_rows}; a row may get more tokens, "
            "and the rows stay the same, in their order.",
        )
        require(
            all(map(int.__ge__, longer.lengths, packing.lengths)),
            f"{what} makes rows of {longer.lengths} tokens of rows of {packing.lengths}; keep all "
            "tokens of a row: heads read each of them.",
        )
        like = values.new_empty(longer.n_tokens, values.shape[1])
        check_form(entered, like, what, "return a vector for each token that its packing counts")
        return entered, longer

    def _picked(
        self, tap: EmbeddingsTap, packing: Packing, longer: Packing, width: int
    ) -> Sequence[int]:
        """Which of the longer rows' tokens `leave` takes, if it does nothing but take them."""
        what = f"`leave` of {self.name()}"
        numbers = torch.arange(longer.n_tokens).unsqueeze(1)
        with advising(
            f"{what} fails on numbers of {longer.n_tokens} tokens; pick tokens by index_select or "
            "by a mask, whatever their width and type: what attends to what is picked likewise."
        ):
            found, own = self._pair(tap.leave(numbers, longer), what)
        require(
            own.lengths == packing.lengths,
            f"{what} returns rows of {own.lengths} tokens, and {packing.lengths} had entered; "
            "return the rows as they were.",
        )
        like = numbers.new_empty(packing.n_tokens, 1)
        check_form(found, like, what, "return one for each token that had entered")
        picked: list[int] = found.squeeze(1).tolist()
        rows = longer.row_of_token.tolist()
        is_own = [
            0 <= place < len(rows) and rows[place] == row
            for place, row in zip(picked, packing.row_of_token.tolist(), strict=True)
        ]
        require(
            all(is_own) and len(set(picked)) == len(picked),
            f"{what} takes the tokens {picked} out of rows of {longer.lengths}; take for each "
            "token one of its own row, and none twice.",
        )
        hidden = random_tokens(longer, width)
        with left_alone({"hidden": hidden}, what):
            states, _ = self._pair(tap.leave(hidden, longer), what)
        require(
            torch.equal(states, hidden[picked]),
            f"{what} changes hidden states; it picks tokens and computes nothing.",
        )
        return picked

    def _pair(self, found: object, what: str) -> tuple[Tensor, Packing]:
        if isinstance(found, tuple) and len(found) == len(("values", "packing")):
            values, packing = found
            if isinstance(values, Tensor) and isinstance(packing, Packing):
                return values, packing
        require(
            holds=False,
            message=f"{what} returns {type(found).__name__}; return the values and the Packing "
            "that says where the rows lie among them, as a tuple.",
        )
        raise AssertionError  # for mypy: never reached


def _moved(
    tap: EmbeddingsTap,
    values: Tensor,
    packing: Packing,
    entered: Tensor,
    picked: Sequence[int],
) -> list[int]:
    """The tokens that are not taken from where they were put.

    Where a token was put is seen by what changes when it alone is another.
    """
    moved = []
    for token, place in enumerate(picked):
        other = values.clone()
        other[token] += 1
        is_changed = (tap.enter(other, packing)[0] != entered).any(dim=1)
        if bool(is_changed.any()) and not bool(is_changed[place]):
            moved.append(token)
    return moved
