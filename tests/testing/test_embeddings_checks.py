import pytest
import torch

from polyhead.batch import Packing
from polyhead.contracts import EmbeddingsTap

LEAVING = "test_leaving_undoes_entering"
INVERTING = "test_inverting_undoes_entering"


def with_prompt(good_sites, **steps):
    """The good adapter with other steps of its embeddings tap, given the good one's result."""

    class Broken(good_sites):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for step, change in steps.items():
                setattr(self.prompt, step, chained(getattr(self.prompt, step), change))

    return Broken


def chained(good, change):
    return lambda values, packing: change(good(values, packing), values, packing)


ENTER = {
    "values alone": (
        lambda found, values, packing: found[0],
        "`enter` of Broken returns Tensor; return the values and the Packing that says where",
    ),
    "a row more": (
        lambda found, values, packing: (
            torch.cat([found[0], values[:1]]),
            Packing((*found[1].lengths, 1)),
        ),
        "`enter` of Broken makes 4 rows of 3; a row may get more tokens, and the rows stay the",
    ),
    "fewer tokens": (
        lambda found, values, packing: (values[: packing.n_rows], Packing((1,) * packing.n_rows)),
        r"`enter` of Broken makes rows of \(1, 1, 1\) tokens of rows of \(2, 5, 1\); keep all",
    ),
    "another number of tokens": (
        lambda found, values, packing: (found[0][1:], found[1]),
        r"`enter` of Broken makes shape \(13, 32\) of shape \(14, 32\); return a vector for each",
    ),
    "another type": (
        lambda found, values, packing: (found[0].double(), found[1]),
        "`enter` of Broken makes torch.float64 of torch.float32; return a vector for each token",
    ),
    "writing": (
        lambda found, values, packing: (
            (found[0], values.mul_(2) and found[1])
            if values.numel() == 1
            else (values.mul_(2), found)[1]
        ),
        "`enter` of Broken writes into `embeddings`, which others read",
    ),
    "no row": (
        lambda found, values, packing: (found[0] / values.abs().max(), found[1]),
        "`enter` of Broken fails on 0 tokens. It raised RuntimeError",
    ),
}
LEAVE = {
    "a value alone": (
        lambda found, hidden, packing: found[0],
        "`leave` of Broken returns Tensor; return the values and the Packing",
    ),
    "the longer packing": (
        lambda found, hidden, packing: (found[0], packing),
        r"`leave` of Broken returns rows of \(4, 7, 3\) tokens, and \(2, 5, 1\) had entered",
    ),
    "a computation": (
        lambda found, hidden, packing: (found[0] * (1 + found[0].is_floating_point()), found[1]),
        "`leave` of Broken changes hidden states; it picks tokens and computes nothing",
    ),
    "floats alone": (
        lambda found, hidden, packing: (found[0] @ torch.eye(32), found[1]),
        "`leave` of Broken fails on numbers of 14 tokens; pick tokens by index_select or by a mask",
    ),
    "too few": (
        lambda found, hidden, packing: (found[0][1:], found[1]),
        r"`leave` of Broken makes shape \(7, 1\) of shape \(8, 1\); return one for each token",
    ),
    "other rows' tokens": (
        lambda found, hidden, packing: (found[0].flip(0), found[1]),
        r"`leave` of Broken takes the tokens \[13, .* take for each token one of its own row",
    ),
    "a token twice": (
        lambda found, hidden, packing: (
            torch.cat([hidden[start : start + 1].repeat(n, 1) for start, n in starts(packing)])
            if packing.n_rows
            else found[0],
            found[1],
        ),
        r"`leave` of Broken takes the tokens \[0, 0, 4, 4, .* and none twice",
    ),
    "the prompt's": (
        lambda found, hidden, packing: (
            torch.cat([hidden[:0], *(hidden[start : start + n] for start, n in starts(packing))]),
            found[1],
        ),
        "`leave` of Broken takes another token than the one .*, for the tokens .1, 3, 4, 5, 6. of",
    ),
}


def starts(packing):
    """Where each longer row starts, and how many tokens are its own."""
    return zip(packing.starts, (length - 2 for length in packing.lengths), strict=False)


@pytest.mark.parametrize("name", ENTER)
def test_what_enters_wrongly_is_found(good_sites, fails, name):
    change, match = ENTER[name]
    fails(with_prompt(good_sites, enter=change), LEAVING, match)


@pytest.mark.parametrize("name", LEAVE)
def test_what_leaves_wrongly_is_found(good_sites, fails, name):
    change, match = LEAVE[name]
    fails(with_prompt(good_sites, leave=change), LEAVING, match)


def test_leaving_that_writes_is_found(good_sites, fails):
    def change(found, hidden, packing):
        return found[0].clone(), found[1] if hidden.zero_() is hidden else None

    match = "`leave` of Broken writes into `hidden`, which others read"
    fails(with_prompt(good_sites, leave=change), LEAVING, match)


def test_an_inverse_that_is_none_is_found(good_sites, fails):
    def change(found, states, packing):
        return 2 * found

    match = "`inverted` of Broken does not map back what `enter` makes of embeddings; leave it out"
    fails(with_inverse(good_sites, change), INVERTING, match)


def test_an_inverse_of_another_form_is_found(good_sites, fails):
    def of_rows(found, states, packing):
        return packing.mean(found)

    def writing(found, states, packing):
        return (found, states.zero_())[0]

    match = r"`inverted` of Broken makes shape \(3, 32\) of shape \(8, 32\); return a state for"
    fails(with_inverse(good_sites, of_rows), INVERTING, match)
    match = "`inverted` of Broken writes into `states`"
    fails(with_inverse(good_sites, writing), INVERTING, match)


def test_an_inverse_that_looks_at_other_rows_is_found(good_sites, fails):
    def change(found, states, packing):
        return found + 5e-5 * packing.n_rows

    match = "`inverted` of Broken makes something else of a row among others than of it alone"
    fails(with_inverse(good_sites, change), INVERTING, match)


def with_inverse(good_sites, change):
    """The good adapter with another inverse, in a class as the encoder looks for it."""

    class Broken(good_sites):
        def __init__(self, config, shape):
            super().__init__(config, shape)

            class Prompt(type(self.prompt)):
                def inverted(self, states, packing):
                    return change(super().inverted(states, packing), states, packing)

            self.prompt = Prompt(shape.width)

    return Broken


def test_a_first_token_may_be_another_of_its_row(good_sites, check_adapter):
    def change(found, hidden, packing):
        values = found[0].clone()
        firsts = found[1].starts[:-1]
        values[list(firsts)] = hidden[list(packing.starts[:-1])]
        return values, found[1]

    good = with_prompt(good_sites, leave=change)
    for name in (LEAVING, INVERTING):
        check_adapter(good, name)


def test_adapters_without_such_a_tap_are_skipped(good_sites, good_adapter, good_side, skips):
    for adapter in (good_adapter, good_side):
        for name in (LEAVING, INVERTING):
            skips(adapter, name, "it leaves the embeddings as they are")

    class OneWay(good_sites):
        def __init__(self, config, shape):
            super().__init__(config, shape)

            class Prompt(type(self.prompt)):
                inverted = EmbeddingsTap.inverted

            self.prompt = Prompt(shape.width)

    skips(OneWay, INVERTING, "it maps nothing back")


def test_good_adapters_pass(good_sites, check_adapter):
    for name in (LEAVING, INVERTING):
        check_adapter(good_sites, name)
