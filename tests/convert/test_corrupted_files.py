"""Hundreds of damaged and hostile files: each is refused in one line, and nothing comes of it."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from polyhead.convert.converting import load_foreign
from polyhead.errors import PolyheadError
from polyhead.model import DistilBertModelWithHeads

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"


def corrupt():
    spec = importlib.util.spec_from_file_location("corrupt", HERE / "corrupt.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = list(corrupt().cases())


@pytest.fixture(scope="module")
def models():
    """A model for each library's folders; a damaged one leaves them as they are."""
    return {
        name: DistilBertModelWithHeads.from_pretrained(FIXTURES / name / "backbone")
        for name in ("adapterhub", "peft")
    }


def test_there_are_at_least_two_hundred_different_ones():
    assert len({case.name for case in CASES}) == len(CASES) >= 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_damaged_file_is_refused_in_one_line_and_leaves_nothing(case, models, tmp_path):
    model = models["peft" if "peft" in case.source.parts else "adapterhub"]
    fingerprint = model.encoder.fingerprint()
    folder, marker = tmp_path / "copy", tmp_path / "marker"
    shutil.copytree(case.source, folder)
    before = sorted(tmp_path.rglob("*"))
    case.spoil(folder, marker)
    with pytest.raises(PolyheadError) as told:
        load_foreign(model, folder)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 1200
    assert not marker.exists()
    assert [*model.adapters, *model.heads, *model.tasks] == []
    assert model.encoder.fingerprint() == fingerprint
    assert {path.parent for path in tmp_path.rglob("*")} <= {path.parent for path in before}


BOMBS = """
import io, json, pickle, resource, struct, sys, zipfile
from collections import OrderedDict
from pathlib import Path
import torch
from polyhead.convert.converting import load_foreign
from polyhead.errors import PolyheadError
from polyhead.model import DistilBertModelWithHeads

source, scratch = map(Path, sys.argv[1:])
model = DistilBertModelWithHeads.from_pretrained(source.parent.parent / "backbone")
load_foreign(model, source, name="good")
model.delete_task("good")

BIG = 256 << 20
good = (source / "pytorch_adapter.bin").read_bytes()


def entries():
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def packed(held):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in held.items():
            if isinstance(content, int):  # so many zeros, packed
                entry = zipfile.ZipInfo(name)
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w") as file:
                    for _ in range(content >> 20):
                        file.write(bytes(1 << 20))
            else:
                archive.writestr(name, content)
    return out.getvalue()


def bomb_of_zeros():
    held = entries()
    held[next(name for name in held if name.endswith("/data/0"))] = BIG
    return packed(held)


def bomb_in_the_pickle():
    held = entries()
    held[next(name for name in held if name.endswith("data.pkl"))] = BIG
    return packed(held)


def lie_in_the_directory():
    content = bytearray(good)
    place = content.rfind(b"PK\\x01\\x02")
    while place >= 0:
        struct.pack_into("<LL", content, place + 20, BIG, BIG)
        place = content.rfind(b"PK\\x01\\x02", 0, place)
    return bytes(content)


class Storage:
    pass


def tensor_of(size, shape, strides, is_zip):
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            found = ("storage", torch.FloatStorage, "0", "cpu", size)
            found = found if is_zip else (*found, None)
            return found if isinstance(value, Storage) else None

    class Rebuilt:
        def __reduce__(self):
            fields = (Storage(), 0, shape, strides, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, fields

    out = io.BytesIO()
    Pickler(out, 2).dump({"a": Rebuilt()})
    if is_zip:
        held = entries()
        held[next(name for name in held if name.endswith("data.pkl"))] = out.getvalue()
        return packed(held)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    front = [pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*front, out.getvalue(), pickle.dumps(["0"], 2), struct.pack("<q", size)])


def nested_keys():
    # a pair of twice the same pair of twice the same ...: to find its place in a dict takes ages
    made = b"\\x80\\x02}X\\x01\\x00\\x00\\x00aq\\x00"
    for number in range(60):
        made += b"h%c\\x86q%c" % (number, number + 1)  # BINGET, TUPLE2, BINPUT
    return packed({"x/data.pkl": made + b"K\\x01s."})


def call_of(function, *arguments):
    class Calls:
        def __reduce__(self):
            return function, arguments

    held = entries()
    name = next(name for name in held if name.endswith("data.pkl"))
    held[name] = pickle.dumps({"a": Calls()}, 2)
    return packed(held)


def safetensors(header, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


HUGE = {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
FILES = {
    "zeros.bin": bomb_of_zeros(),
    "pickle.bin": bomb_in_the_pickle(),
    "lie.bin": lie_in_the_directory(),
    "numbers.bin": tensor_of(1 << 34, (1 << 34,), (1,), True),
    "numbers_row.bin": tensor_of(1 << 34, (1 << 34,), (1,), False),
    "repeated.bin": tensor_of(128, (1 << 17, 1 << 17), (0, 0), True),
    "keys.bin": nested_keys(),
    "bytearray.bin": call_of(bytearray, BIG * 8),
    "text.bin": call_of(str, "x"),
    "shape.safetensors": safetensors(HUGE),
    "length.safetensors": safetensors(b"{}", 1 << 60),
    "long.safetensors": safetensors(b"{}", BIG),
}
told = {}
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, content in FILES.items():
    for old in scratch.iterdir():
        old.unlink()
    (scratch / "adapter_config.json").write_bytes((source / "adapter_config.json").read_bytes())
    weights = "pytorch_adapter.bin" if name.endswith(".bin") else "adapter.safetensors"
    (scratch / weights).write_bytes(content)
    try:
        load_foreign(model, scratch)
    except PolyheadError as error:
        told[name] = str(error)
for name in ("hole.bin", "hole.safetensors", "hole.json"):
    for old in scratch.iterdir():
        old.unlink()
    (scratch / "adapter_config.json").write_bytes((source / "adapter_config.json").read_bytes())
    (scratch / "pytorch_adapter.bin").write_bytes(good)
    target = {"hole.bin": "pytorch_adapter.bin", "hole.json": "adapter_config.json"}
    with (scratch / target.get(name, "adapter.safetensors")).open("ab") as file:
        file.truncate(1 << 36)  # a hole: it takes no place on disk
    try:
        load_foreign(model, scratch, source_format="adapterhub")
    except PolyheadError as error:
        told[name] = str(error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
print(json.dumps({"told": told, "grown_kb": grown, "left": [*model.adapters, *model.heads]}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units there")
def test_bombs_take_no_memory(tmp_path):
    source = FIXTURES / "adapterhub" / "lora" / "bin"
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, str(source), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(found["told"]) == 15
    assert all("\n" not in sentence for sentence in found["told"].values())
    assert found["left"] == []
    assert found["grown_kb"] < 48 << 10
