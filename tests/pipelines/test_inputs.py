import pytest

from polyhead.errors import InputError
from polyhead.pipelines.inputs import chunks, read_inputs


class Dataset:
    """As torch's: a length and places, and no IndexError behind the end."""

    def __len__(self):
        return 3

    def __getitem__(self, place):
        return f"text {place}"


@pytest.mark.parametrize("one", ["a", "", b"a", {"text": "a"}], ids=repr)
def test_texts_and_mappings_are_one_input(one):
    found = read_inputs(one)
    assert (list(found.items), found.form) == ([one], "one")


@pytest.mark.parametrize("several", [[], ["a", "b"], ("a", "b")], ids=repr)
def test_lists_and_tuples_are_several(several):
    found = read_inputs(several)
    assert (list(found.items), found.form) == (list(several), "list")


@pytest.mark.parametrize("stream", [iter("ab"), (x for x in "ab"), {"a": 1}.keys(), range(2)])
def test_what_can_be_iterated_over_is_a_stream(stream):
    assert read_inputs(stream).form == "stream"


def test_data_sets_without_iterators_are_streams():
    found = read_inputs(Dataset())
    assert (list(found.items), found.form) == (["text 0", "text 1", "text 2"], "stream")


@pytest.mark.parametrize("odd", [None, 3, 2.5, object()], ids=lambda odd: type(odd).__name__)
def test_anything_else_is_refused(odd):
    with pytest.raises(InputError, match=f"not {type(odd).__name__}"):
        read_inputs(odd)


def test_chunks_are_read_as_they_are_asked_for():
    source = iter(range(5))
    found = chunks(source, 2)
    assert next(found) == [0, 1]
    assert next(source) == 2
    assert list(found) == [[3, 4]]
    assert list(chunks([], 2)) == []
