import pytest
import torch
from safetensors.torch import load_file, save_file

from polyhead.errors import ArtifactError, OutputExistsError, WriteError
from polyhead.heads.embedding.index_file import IndexedTexts, read_index, write_index

HELD = IndexedTexts(("a", "b"), ("one", "two \ud800"), torch.eye(2))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "index.safetensors"
    write_index(path, HELD, overwrite=False)
    return path


def test_what_is_written_is_read_again(path):
    found = read_index(path)
    assert (found.ids, found.texts) == (HELD.ids, HELD.texts)
    assert torch.equal(found.vectors, HELD.vectors)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_empty_index_stays_empty(path):
    write_index(path, IndexedTexts(), overwrite=True)
    assert read_index(path) == IndexedTexts()


def test_a_file_is_not_replaced_unasked(path):
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="exists; choose another place"):
        write_index(path, IndexedTexts(), overwrite=False)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_reported(path):
    with pytest.raises(WriteError, match=r"could not be written: .* Nothing was changed"):
        write_index(path.parent / "missing" / "index", HELD, overwrite=False)


def damage(path, **tensors):
    held = {**load_file(path), **tensors}
    save_file({name: tensor for name, tensor in held.items() if tensor is not None}, path)


def as_bytes(text):
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"records": None}, "is not an index"),
        ({"other": torch.zeros(1)}, "is not an index"),
        ({"records": as_bytes("{")}, "is damaged"),
        ({"records": as_bytes("[]")}, "is damaged"),
        ({"records": as_bytes('{"ids": ["a"]}')}, "is damaged"),
        ({"records": torch.full((3,), 1000.0)}, "is damaged"),
        ({"vectors": torch.eye(3)}, "is damaged: 2 ids are given for 3"),
        ({"vectors": torch.zeros(2)}, "is damaged: vectors must have the shape"),
        ({"vectors": torch.full((2, 2), torch.nan)}, "is damaged: .*NaN"),
        (
            {"records": as_bytes('{"ids": ["a", "a"], "texts": ["b", "c"]}')},
            "is damaged: .*twice: 'a'",
        ),
        ({"records": as_bytes('{"ids": ["a", "b"], "texts": ["b"]}')}, "is damaged: 2 ids"),
        ({"records": as_bytes('{"ids": ["a", "b"], "texts": ["b", 1]}')}, "is damaged: .* no text"),
    ],
)
def test_a_damaged_file_is_refused(path, tensors, message):
    damage(path, **tensors)
    with pytest.raises(ArtifactError, match=message):
        read_index(path)


def test_what_is_no_safetensors_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="damaged or is not a safetensors file"):
        read_index(path)
    with pytest.raises(ArtifactError, match="is not a file"):
        read_index(path.parent)
