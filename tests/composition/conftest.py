"""Taps that do something plain, each in its own way, so that order and weights show."""

from types import SimpleNamespace

import pytest
import torch

from polyhead.batch import Packing
from polyhead.contracts import Change, EmbeddingsTap, Prefixes, Projection

PACKING = Packing((3, 1, 4))
WIDTH = 4


class Doubling:
    """At a projection: doubles what comes, and adds the sum of what was read."""

    def __init__(self, share=1.0):
        self.share = share
        self.seen = []

    def __call__(self, inputs, outputs, projection, packing):
        self.seen.append(packing.lengths)
        return outputs * 2 + self.share * inputs.sum(dim=1, keepdim=True) + projection.bias


class Mean:
    """At a token's step: adds a share of the mean of its row, so that it matters what a row is."""

    def __init__(self, share):
        self.share = share
        self.seen = []

    def __call__(self, values, packing):
        self.seen.append(packing.lengths)
        return values + self.share * packing.mean(values)[packing.row_of_token]


class Network:
    """At a sub-layer: adds a share of the square of what it reads.

    It reads the sub-layer's output, or what the sub-layer read; it keeps the output, or the output
    and the residual, or nothing; and it ends the sub-layer with the norm or without.
    """

    def __init__(self, share, *, reads="output", keeps="output", is_normed=True, gate=None):
        self.share, self.reads, self.keeps, self.is_normed = share, reads, keeps, is_normed
        self.gate = gate
        self.seen = []

    def change(self, output, residual, norm, packing):
        self.seen.append(packing.lengths)
        read = output if self.reads == "output" else residual
        skip = {"output": output, "both": output + residual, "nothing": None}[self.keeps]
        raw = self.share * read.square()
        if self.gate is None:
            return Change(read, skip, raw)
        return Change(read, skip, raw * self.gate, raw)

    def close(self, changed, residual, norm):
        return norm(changed + residual) if self.is_normed else changed

    def __call__(self, output, residual, norm, packing):
        found = self.change(output, residual, norm, packing)
        return self.close(found.output, residual, norm)


class Opaque:
    """At a sub-layer: a tap that cannot be put together with others."""

    def __init__(self, by=1.0):
        self.by = by

    def __call__(self, output, residual, norm, packing):
        return norm(output + residual) + self.by


class Prefix:
    """As many keys and values as it is long, which depend on the row."""

    def __init__(self, length, number=1.0):
        self.length, self.number = length, number

    def __call__(self, inputs, packing):
        means = packing.mean(inputs)[:, :2].unsqueeze(1).unsqueeze(1)  # of 1 head, 2 wide
        steps = torch.arange(1.0, self.length + 1).view(1, -1, 1, 1)
        keys = self.number * steps * means
        return Prefixes.of_rows(keys, keys + 1)


class Scale(EmbeddingsTap):
    """On the embeddings: multiplies them, and can take that back."""

    def __init__(self, factor):
        self.factor = factor

    def enter(self, embeddings, packing):
        return embeddings * self.factor, packing

    def inverted(self, states, packing):
        return states / self.factor


class Front(EmbeddingsTap):
    """On the embeddings: a token of one number in front of each row."""

    def __init__(self, number):
        self.number = number

    def enter(self, embeddings, packing):
        rows = embeddings.split(packing.lengths)
        new = torch.full((1, embeddings.shape[1]), self.number)
        longer = Packing(tuple(length + 1 for length in packing.lengths))
        return torch.cat([part for row in rows for part in (new, row)]), longer

    def leave(self, hidden, packing):
        rows = hidden.split(packing.lengths)
        return torch.cat([row[1:] for row in rows]), Packing(tuple(n - 1 for n in packing.lengths))


def norm(values):
    return values * 2 + 1


@pytest.fixture
def taps():
    """The classes of taps above."""
    return SimpleNamespace(
        Doubling=Doubling,
        Mean=Mean,
        Network=Network,
        Opaque=Opaque,
        Prefix=Prefix,
        Scale=Scale,
        Front=Front,
    )


@pytest.fixture
def given():
    """What the encoder gives to taps: of rows with 3, 1 and 4 tokens."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return SimpleNamespace(
        inputs=draw(PACKING.n_tokens, 5),
        outputs=draw(PACKING.n_tokens, WIDTH),
        output=draw(PACKING.n_tokens, WIDTH),
        residual=draw(PACKING.n_tokens, WIDTH),
        projection=Projection(draw(WIDTH, 5), draw(WIDTH)),
        norm=norm,
        packing=PACKING,
    )


@pytest.fixture
def at(given):
    """Calls the tap of any site with what the encoder gives there."""

    def call(taps, site):
        tap = getattr(taps, site)
        if site in ("attention", "ffn"):
            return tap(given.output, given.residual, given.norm, given.packing)
        if site in ("inner", "output"):
            return tap(given.output, given.packing)
        if site == "prefix":
            return tap(given.output, given.packing)
        return tap(given.inputs, given.outputs, given.projection, given.packing)

    return call


@pytest.fixture
def unchanged(given):
    """What the encoder itself computes at any site where tokens lie."""

    def value(site):
        if site in ("attention", "ffn"):
            return given.norm(given.output + given.residual)
        return given.output if site in ("inner", "output") else given.outputs

    return value
