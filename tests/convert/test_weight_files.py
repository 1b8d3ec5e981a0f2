"""Weight files from unknown hands: what is read, what is refused, and that nothing is run."""

import io
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from polyhead.convert.bin_file import load_bin
from polyhead.convert.weight_files import most_bytes, read_weights, weight_bytes
from polyhead.errors import ArtifactError, ConversionError

MOST = 1 << 20
TENSORS = {"a": torch.arange(6.0).view(2, 3), "b.c": torch.ones(4)}


def saved(path, tensors=TENSORS, **options):
    torch.save(tensors, path, **options)
    return path


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("is_zip", [True, False], ids=["archive", "row of pickles"])
def test_both_layouts_of_torch_are_read(is_zip, tmp_path):
    path = saved(tmp_path / "x.bin", _use_new_zipfile_serialization=is_zip)
    assert_equal(read_weights(path, MOST), TENSORS)


@pytest.mark.parametrize("flavour", ["bin", "safetensors"])
def test_what_is_written_is_read(flavour, tmp_path):
    path = tmp_path / f"x.{flavour}"
    path.write_bytes(weight_bytes(TENSORS, flavour))
    assert_equal(read_weights(path, MOST), TENSORS)


@pytest.mark.parametrize("is_zip", [True, False])
def test_shared_and_strided_tensors_are_read(is_zip, tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    tensors = {"whole": whole, "part": whole[1:], "turned": whole.t(), "again": whole}
    path = saved(tmp_path / "x.bin", tensors, _use_new_zipfile_serialization=is_zip)
    assert_equal(read_weights(path, MOST), tensors)


def test_state_dicts_with_attributes_and_parameters_are_read(tmp_path):
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    path = saved(tmp_path / "x.bin", module.state_dict())
    assert_equal(read_weights(path, MOST), dict(module.state_dict()))
    path = saved(tmp_path / "y.bin", OrderedDict(module.named_parameters()))
    assert_equal(read_weights(path, MOST), dict(module.state_dict()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(dtype, tmp_path):
    path = saved(tmp_path / "x.bin", {"a": torch.tensor([0.5, -2.0], dtype=dtype)})
    assert_equal(read_weights(path, MOST), {"a": torch.tensor([0.5, -2.0])})


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (torch.tensor([0.1], dtype=torch.float64), "float32 cannot"),
        (torch.tensor([1]), "int64"),
        (torch.tensor([True]), "bool"),
    ],
)
def test_what_float32_cannot_hold_is_refused(tensor, told, tmp_path):
    with pytest.raises(ConversionError, match=told):
        read_weights(saved(tmp_path / "x.bin", {"a": tensor}), MOST)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(value, tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.tensor([1.0, value])}, path)
    with pytest.raises(ArtifactError, match="a holds values that are not finite"):
        read_weights(path, MOST)


def test_a_file_beyond_the_bound_is_not_opened(tmp_path):
    path = tmp_path / "x.bin"
    with path.open("wb") as file:
        file.truncate(MOST + 1)  # a hole: it takes no place on disk
    with pytest.raises(ArtifactError, match=r"1,048,577 bytes; nothing that fits"):
        read_weights(path, MOST)


def test_the_bound_grows_with_the_encoder(tiny_model):
    own = sum(weight.nbytes for weight in tiny_model.encoder.state_dict().values())
    assert most_bytes(tiny_model) > 4 * own


@pytest.mark.parametrize("name", ["nowhere.bin", "folder", "x" * 300])
def test_what_is_no_file_is_told(name, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError, match="is not a file"):
        read_weights(tmp_path / name, MOST)


@pytest.mark.parametrize(
    "content",
    [[torch.ones(2)], torch.ones(2), {"a": 1}, {"a": {"b": torch.ones(2)}}, {1: torch.ones(2)}, 3],
    ids=["list", "tensor", "number inside", "nested", "number for a name", "number"],
)
def test_other_content_is_refused(content, tmp_path):
    with pytest.raises(ArtifactError, match="damaged or is not a file of weights"):
        read_weights(saved(tmp_path / "x.bin", content), MOST)


def test_a_plain_pickle_is_refused(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ArtifactError):
        read_weights(path, MOST)


class Hostile:
    """Calls something when it is unpickled."""

    def __init__(self, call, *arguments):
        self.made = (call, arguments)

    def __reduce__(self):
        return self.made


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("call", [eval, bytearray, print, getattr, OrderedDict, torch.Size])
def test_no_call_of_a_pickle_is_run(call, protocol, is_zip, tmp_path):
    marker = tmp_path / "marker"
    arguments = {
        eval: (f"open({str(marker)!r}, 'w')",),
        bytearray: (10**12,),
        getattr: (1, "real"),
        OrderedDict: ({"a": 1},),
        torch.Size: ([1],),
    }.get(call, ("x",))
    path = tmp_path / "x.bin"
    hostile = {"a": torch.ones(2), "b": Hostile(call, *arguments)}
    saved(path, hostile, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ArtifactError):
        read_weights(path, MOST)
    assert not marker.exists()


def rezipped(path, change, compression=zipfile.ZIP_STORED, comment=b""):
    """The archive with other entries: `change` gets a dict of them and returns one."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.comment = comment
        for name, content in change(entries).items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda held: {k: v for k, v in held.items() if not k.endswith("/data/0")},
        lambda held: {k: v[:-4] if k.endswith("/data/0") else v for k, v in held.items()},
        lambda held: {k: v + b"more" if k.endswith("/data/0") else v for k, v in held.items()},
        lambda held: {k: v for k, v in held.items() if not k.endswith("data.pkl")},
        lambda held: {**held, "other/data.pkl": b""},
        lambda held: {k: b"big" if k.endswith("byteorder") else v for k, v in held.items()},
    ],
    ids=["no numbers", "too few", "too many", "no pickle", "two pickles", "byte order"],
)
def test_archives_that_contradict_themselves_are_refused(change, tmp_path):
    with pytest.raises(ArtifactError):
        read_weights(rezipped(saved(tmp_path / "x.bin"), change), MOST)


def test_an_archive_written_anew_is_read(tmp_path):
    assert_equal(read_weights(rezipped(saved(tmp_path / "x.bin"), dict), MOST), TENSORS)


@pytest.mark.parametrize(
    ("compression", "comment"),
    [(zipfile.ZIP_DEFLATED, b""), (zipfile.ZIP_BZIP2, b""), (zipfile.ZIP_STORED, b"x")],
)
def test_archives_as_torch_never_writes_them_are_refused(compression, comment, tmp_path):
    path = rezipped(saved(tmp_path / "x.bin"), dict, compression, comment)
    with pytest.raises(ArtifactError):
        read_weights(path, MOST)


@pytest.mark.parametrize("extra", [b"PK\x03\x04", b"\0" * 10])
def test_bytes_in_front_of_an_archive_or_behind_it_are_refused(extra, tmp_path):
    content = saved(tmp_path / "x.bin").read_bytes()
    for odd in (extra + content, content + extra):
        (tmp_path / "y.bin").write_bytes(odd)
        with pytest.raises(ArtifactError):
            read_weights(tmp_path / "y.bin", MOST)


def test_bytes_behind_a_row_of_pickles_are_refused(tmp_path):
    path = saved(tmp_path / "x.bin", _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match="something follows"):
        read_weights(path, MOST)


def pickled_tensor(size, shape, strides, offset=0):
    """A tensor as a pickle tells of it, with numbers of our own."""
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        held = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    name = next(name for name in held if name.endswith("data.pkl"))

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            kind = torch.FloatStorage
            return ("storage", kind, "0", "cpu", size) if isinstance(value, Storage) else None

    class Rebuilt:
        def __reduce__(self):
            fields = (Storage(), offset, shape, strides, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, fields

    out = io.BytesIO()
    Pickler(out, 2).dump({"a": Rebuilt()})
    held[name] = out.getvalue()
    return held


@pytest.mark.parametrize(
    ("size", "shape", "strides", "offset"),
    [
        (10**12, (10**12,), (1,), 0),  # numbers that are not there
        (1, (10**6, 10**6), (0, 0), 0),  # one number, repeated without end
        (1, (2,), (1,), 0),
        (1, (1,), (1,), 1),
        (1, (1,), (1,), -1),
        (1, (1,) * 9, (1,) * 9, 0),
        (1, (1, 1), (1,), 0),
        (-1, (1,), (1,), 0),
    ],
)
def test_tensors_that_the_file_does_not_hold_are_refused(size, shape, strides, offset, tmp_path):
    path = saved(tmp_path / "x.bin")
    entries = pickled_tensor(size, shape, strides, offset)
    with pytest.raises(ArtifactError):
        read_weights(rezipped(path, lambda _: entries), MOST)


def test_such_a_tensor_is_read_where_the_file_holds_it(tmp_path):
    path = saved(tmp_path / "x.bin")
    entries = pickled_tensor(1, (1,), (1,))
    assert_equal(load_bin(rezipped(path, lambda _: entries)), {"a": torch.zeros(1)})


@pytest.mark.parametrize("is_zip", [True, False])
def test_no_flipped_bit_leads_to_another_error_than_ours(is_zip, tmp_path):
    whole = saved(tmp_path / "x.bin", _use_new_zipfile_serialization=is_zip).read_bytes()
    path = tmp_path / "y.bin"
    told = []
    for place in range(0, len(whole), 5):
        odd = bytearray(whole)
        odd[place] ^= 1 << place % 8
        path.write_bytes(odd)
        try:
            read_weights(path, MOST)
        except (ArtifactError, ConversionError) as error:
            told.append(str(error))
    assert len(told) > 50
    assert not any("\n" in sentence for sentence in told)


def test_no_cut_off_file_is_read(tmp_path):
    for number, is_zip in enumerate((True, False)):
        whole = saved(tmp_path / "x.bin", _use_new_zipfile_serialization=is_zip).read_bytes()
        path = tmp_path / f"y{number}.bin"
        for length in range(0, len(whole), 37):
            path.write_bytes(whole[:length])
            with pytest.raises(ArtifactError):
                read_weights(path, MOST)
