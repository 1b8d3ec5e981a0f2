"""Which layers a head needs of the encoder, under adapters of both sorts."""

import pytest

from polyhead.contracts import AdapterConfig, SideAdapter
from polyhead.heads import ClassificationHead, ClassificationHeadConfig
from polyhead.model import layers_read
from polyhead.model.reading import Reading


class Ends(SideAdapter):
    """Reads the embeddings and the highest layer."""

    kind = "test_ends"
    Config = AdapterConfig

    def reads(self, depth):
        return sorted({0, depth})

    def read(self, layers, packing):
        return layers[0] + layers[-1]


@pytest.fixture
def head_on(tiny_model):
    def make(hidden, kind=ClassificationHead):
        config = ClassificationHeadConfig(labels=("bad", "good"), hidden=hidden)
        return kind(config, tiny_model.shape)

    return make


@pytest.mark.parametrize(
    ("hidden", "bare", "beside"),
    [("last", {3}, {0, 3}), (1, {1}, {0, 1}), (0, {0}, {0}), ("mix", {0, 1, 2, 3}, {0, 1, 2, 3})],
)
def test_a_side_adapter_reads_in_the_place_of_the_heads_highest_layer(
    head_on, tiny_model, hidden, bare, beside
):
    tiny_model.add_adapter("tapped")
    head = head_on(hidden)
    assert layers_read(head, None) == bare
    assert layers_read(head, tiny_model.adapters["tapped"]) == bare
    assert layers_read(head, Ends(AdapterConfig(), tiny_model.shape)) == beside


def test_a_head_that_reads_layers_by_itself_reads_them_all(head_on):
    class Reader(ClassificationHead):
        kind = "test_reader"
        reads_layers = True

    assert layers_read(head_on(1, Reader), None) == {0, 1, 2, 3}


def test_what_a_head_reads_is_said_of_its_rows(head_on):
    reading = Reading.of(head_on(2), range(3), (1, 2))
    assert reading == Reading(range(3), 2, keeps_layers=True, row_counts=(1, 2))
    assert not Reading.of(head_on("last"), ()).keeps_layers
