"""Ways to spoil a folder of another library: each takes a copy of a good one and damages it."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file

FIXTURES = Path(__file__).parents[1] / "fixtures"
HUB = FIXTURES / "adapterhub"
PEFT = FIXTURES / "peft"
LAYER = "distilbert.transformer.layer.0."


class Case(NamedTuple):
    """One damaged folder.

    Attributes:
        name: What is wrong with it.
        source: The good one.
        spoil: Damages a copy; gets the folder, and a place where nothing may appear.
    """

    name: str
    source: Path
    spoil: Callable[[Path, Path], None]


def cases() -> Iterator[Case]:
    """All of them."""
    for make in (flipped, cut_off, reshaped, renamed, hostile, odd_json, absurd, tricky_names):
        yield from make()


# ------------------------------------------------------------------------------- files


WEIGHTS = {
    "adapter.bin": (HUB / "lora/bin", "pytorch_adapter.bin"),
    "adapter.safetensors": (HUB / "lora/safetensors", "adapter.safetensors"),
    "head.bin": (HUB / "lora/bin", "pytorch_model_head.bin"),
    "head.safetensors": (HUB / "heads/tagging", "model_head.safetensors"),
    "fusion.bin": (HUB / "fusion/fusion", "pytorch_model_adapter_fusion.bin"),
    "prefix.bin": (HUB / "mam/bin", "pytorch_adapter.bin"),
    "reft.safetensors": (HUB / "loreft/safetensors", "adapter.safetensors"),
    "peft.safetensors": (PEFT / "lora", "adapter_model.safetensors"),
    "peft_ia3.safetensors": (PEFT / "ia3", "adapter_model.safetensors"),
}


def places_in(path: Path, number: int) -> list[int]:
    """Bytes of a file in which no change can go unnoticed.

    Of an archive those that a checksum covers; of safetensors those of the header's names and
    places: its numbers have no checksum, and any finite number is a good one.
    """
    if path.suffix == ".bin":
        found = []
        with zipfile.ZipFile(path) as archive:
            content = path.read_bytes()
            for entry in archive.infolist():
                start = entry.header_offset
                name, extra = struct.unpack("<2H", content[start + 26 : start + 30])
                first = start + 30 + name + extra
                found += range(first, first + entry.file_size)
    else:
        (length,) = struct.unpack("<Q", path.read_bytes()[:8])
        header = path.read_bytes()[8 : 8 + length]
        end = len(header.rstrip(b" "))
        found = [8 + n for n in range(end) if chr(header[n]).isalnum()]
        marked = header.find(b'"__metadata__"')  # free text, which nobody reads
        if marked >= 0:
            over = header.find(b"}", marked)
            found = [n for n in found if not 8 + marked <= n <= 8 + over]
    step = max(1, len(found) // number)
    return found[step // 2 :: step][:number]


def flipped() -> Iterator[Case]:
    """One bit of a weight file is another one."""
    for label, (source, name) in WEIGHTS.items():
        for place in places_in(source / name, 8):

            def spoil(folder: Path, _: Path, name: str = name, place: int = place) -> None:
                content = bytearray((folder / name).read_bytes())
                content[place] ^= 1 << place % 7
                (folder / name).write_bytes(content)

            yield Case(f"flip {label} {place}", source, spoil)


def cut_off() -> Iterator[Case]:
    """A weight file or a config ends too soon."""
    for label, (source, name) in WEIGHTS.items():
        for part in (0, 7, 0.3, 0.999):

            def spoil(folder: Path, _: Path, name: str = name, part: float = part) -> None:
                content = (folder / name).read_bytes()
                length = part if isinstance(part, int) else int(len(content) * part)
                (folder / name).write_bytes(content[:length])

            yield Case(f"cut {label} {part}", source, spoil)
    for source, name in (
        (HUB / "lora/bin", "adapter_config.json"),
        (HUB / "lora/bin", "head_config.json"),
        (HUB / "fusion/fusion", "adapter_fusion_config.json"),
        (PEFT / "lora", "adapter_config.json"),
    ):
        for part in (0, 0.5):

            def spoil(folder: Path, _: Path, name: str = name, part: float = part) -> None:
                content = (folder / name).read_bytes()
                (folder / name).write_bytes(content[: int(len(content) * part)])

            yield Case(f"cut {source.name} {name} {part}", source, spoil)


# ------------------------------------------------------------------------------- tensors


def with_tensors(change: Callable[[dict], dict], name: str) -> Callable[[Path, Path], None]:
    """Damage done to the tensors of one file."""

    def spoil(folder: Path, _: Path) -> None:
        path = folder / name
        if name.endswith(".bin"):
            torch.save(change(torch.load(path, weights_only=True)), path)
        else:
            save_file(change(load_file(path)), path)

    return spoil


def changed_first(value: Callable[[torch.Tensor], object]) -> Callable[[dict], dict]:
    """The first tensor of two dimensions is another one."""

    def change(held: dict) -> dict:
        key = min(key for key in held if held[key].dim() == 2)
        return {**held, key: value(held[key])}

    return change


def reshaped() -> Iterator[Case]:
    """A tensor is of another shape or type, or holds no numbers."""
    changes = {
        "turned": lambda t: torch.cat([t, t]).t().contiguous(),
        "one more": lambda t: torch.cat([t, t[:1]]),
        "flat": lambda t: t.flatten(),
        "no rows": lambda t: t[:0],
        "single": lambda t: t[0, 0].clone(),
        "whole": lambda t: t.int(),
        "nan": lambda t: t * float("nan"),
        "infinite": lambda t: t / 0.0,
    }
    for label in ("adapter.bin", "head.safetensors", "reft.safetensors", "peft.safetensors"):
        source, name = WEIGHTS[label]
        for what, change in changes.items():
            yield Case(f"{what} {label}", source, with_tensors(changed_first(change), name))


def renamed() -> Iterator[Case]:
    """A tensor is missing, is too much, or is called otherwise."""

    def rename(change: Callable[[str], str]) -> Callable[[dict], dict]:
        def apply(held: dict) -> dict:
            first = min(key for key in held if "layer.0" in key)
            return {(change(key) if key == first else key): held[key] for key in held}

        return apply

    changes = {
        "missing": lambda held: {key: held[key] for key in sorted(held)[1:]},
        "none": lambda held: {},
        "extra": lambda held: {**held, "extra.weight": torch.ones(2)},
        "look-alike": rename(lambda key: key.replace("a", "\u0430", 1)),
        "upper": rename(str.upper),
        "longer": rename(lambda key: key + "x"),
        "endless": rename(lambda key: key + "x" * 5000),
        "path": rename(lambda key: "../../" + key),
        "layer": rename(lambda key: key.replace("layer.0", "layer.-1")),
        "empty": rename(lambda _: ""),
    }
    for label in ("adapter.bin", "adapter.safetensors", "fusion.bin", "peft.safetensors"):
        source, name = WEIGHTS[label]
        for what, change in changes.items():
            yield Case(f"{what} {label}", source, with_tensors(change, name))


# ------------------------------------------------------------------------------- hostile pickles


class Calls:
    """Calls something when it is unpickled."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.made = (call, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.made


def hostile() -> Iterator[Case]:
    """A `.bin` file would write a file, or take all memory, if anything of it were run."""

    def of(make: Callable[[Path], bytes]) -> Callable[[Path, Path], None]:
        def spoil(folder: Path, marker: Path) -> None:
            (folder / "pytorch_adapter.bin").write_bytes(make(marker))

        return spoil

    def saved(content: object, **options: object) -> bytes:
        buffer = io.BytesIO()
        torch.save(content, buffer, **options)
        return buffer.getvalue()

    def touch(marker: Path) -> tuple[object, str]:
        return exec, f"open({str(marker)!r}, 'w').close()"

    good = {"a": torch.ones(2)}
    for protocol in (2, 4):
        for is_zip in (True, False):
            options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": is_zip}
            which = f"{protocol} {'archive' if is_zip else 'row'}"
            yield Case(
                f"value {which}",
                HUB / "lora/bin",
                of(lambda m, o=options: saved({**good, "b": Calls(*touch(m))}, **o)),
            )
            yield Case(
                f"whole {which}",
                HUB / "lora/bin",
                of(lambda m, o=options: saved(Calls(*touch(m)), **o)),
            )
    yield Case("plain pickle", HUB / "lora/bin", of(lambda m: pickle.dumps(Calls(*touch(m)))))
    code = b"cposix\nsystem\n(S'touch %s'\ntR."
    yield Case("text pickle", HUB / "lora/bin", of(lambda m: code % str(m).encode()))
    yield Case(
        "all memory", HUB / "lora/bin", of(lambda _: saved({"a": Calls(bytearray, 1 << 40)}))
    )
    yield Case("getattr", HUB / "lora/bin", of(lambda _: saved({"a": Calls(getattr, 1, "real")})))
    for name, change in {
        "second pickle": lambda held, evil: {**held, "archive/constants.pkl": evil},
        "other pickle": lambda held, evil: {
            key: evil if key.endswith("data.pkl") else value for key, value in held.items()
        },
        "script": lambda held, evil: {**held, "archive/code/x.py": evil},
    }.items():
        yield Case(f"archive with {name}", HUB / "lora/bin", _archive_with(change, touch))


def _archive_with(
    change: Callable[[dict, bytes], dict], touch: Callable[[Path], tuple[object, str]]
) -> Callable[[Path, Path], None]:
    def spoil(folder: Path, marker: Path) -> None:
        path = folder / "pytorch_adapter.bin"
        with zipfile.ZipFile(path) as archive:
            held = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        # one tensor is lacking besides: harmless additions alone may be read
        held = {key: value for key, value in held.items() if not key.endswith("/data/0")}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in change(held, pickle.dumps(Calls(*touch(marker)))).items():
                archive.writestr(name, content)

    return spoil


# ------------------------------------------------------------------------------- configs


def with_json(name: str, change: Callable[[dict], object]) -> Callable[[Path, Path], None]:
    """Damage done to one JSON file."""

    def spoil(folder: Path, _: Path) -> None:
        changed = change(json.loads((folder / name).read_text()))
        (folder / name).write_text(changed if isinstance(changed, str) else json.dumps(changed))

    return spoil


def inner(**fields: object) -> Callable[[dict], dict]:
    """Other fields of the config inside."""
    return lambda held: {**held, "config": {**held["config"], **fields}}


def odd_json() -> Iterator[Case]:
    """A config is no config."""
    changes: dict[str, Callable[[dict], object]] = {
        "list": lambda held: [held],
        "no config": lambda held: {k: v for k, v in held.items() if k != "config"},
        "config of text": lambda held: {**held, "config": "seq_bn"},
        "config of a list": lambda held: {**held, "config": [1]},
        "nan": lambda held: json.dumps(held).replace("8", "NaN", 1),
        "twice": lambda held: json.dumps(held)[:-1] + ', "name": "b"}',
        "deep": lambda held: '{"a":' * 50_000,
        "huge number": lambda held: json.dumps(held).replace("8", "8" * 5000, 1),
        "megabytes": lambda held: {**held, "more": "x" * (2 << 20)},
        "no name": lambda held: {k: v for k, v in held.items() if k != "name"},
        "name of numbers": lambda held: {**held, "name": 5},
        "version of numbers": lambda held: {**held, "version": 5},
        "no version": lambda held: {**held, "version": "adapters.one"},
        "other encoder": lambda held: {**held, "model_type": "roberta"},
        "width of text": lambda held: {**held, "hidden_size": "32"},
        "other width": lambda held: {**held, "hidden_size": 768},
    }
    for what, change in changes.items():
        yield Case(f"json {what}", HUB / "lora/bin", with_json("adapter_config.json", change))
    for what in ("list", "nan", "twice", "deep", "huge number", "megabytes"):
        if what != "megabytes":  # there unknown fields of the outside are nothing special
            yield Case(
                f"peft json {what}",
                PEFT / "lora",
                with_json("adapter_config.json", changes[what]),
            )


def absurd() -> Iterator[Case]:
    """A config asks for what cannot be."""
    for kind, fields in {
        "lora/bin": [
            {"r": 10**9},
            {"r": -1},
            {"r": 0},
            {"r": 1e308},
            {"r": "4"},
            {"r": True},
            {"alpha": 0},
            {"alpha": "x"},
            {"dropout": 2},
            {"dropout": -1},
            {"leave_out": [10**9]},
            {"leave_out": [-1]},
            {"leave_out": "all"},
            {"attn_matrices": "qv"},
            {"attn_matrices": []},
            {"selfattn_lora": "yes"},
            {"architecture": "\uff4cora"},
            {"architecture": ["lora"]},
            {"\uff52": 4},
            {"__class__": "x"},
        ],
        "seq_bn": [
            {"reduction_factor": 1e-300},
            {"reduction_factor": 0},
            {"reduction_factor": {"0": 1e-9}},
            {"reduction_factor": {str(n): 1 for n in range(5000)}},
            {"non_linearity": "__import__('os')"},
            {"non_linearity": None},
            {"inv_adapter": "nice", "inv_adapter_reduction_factor": 1e-300},
            {"phm_layer": True, "phm_dim": 10**6},
            {"scaling": "endless"},
            {"leave_out": [0, 1, 2]},
        ],
        "prefix_tuning": [
            {"prefix_length": 10**12},
            {"bottleneck_size": 10**12},
            {"prefix_length": -5},
        ],
        "prompt_tuning/bin": [{"prompt_length": 10**12}, {"combine": "suffix"}],
        "loreft/bin": [{"r": 10**9}, {"layers": [99]}, {"layers": "some"}],
        "mam/bin": [{"configs": []}, {"configs": [{}] * 100}, {"configs": "x"}],
    }.items():
        for number, own in enumerate(fields):
            name = f"absurd {kind} {number} {next(iter(own))}"
            yield Case(name, HUB / kind, with_json("adapter_config.json", inner(**own)))
    for head, fields in {
        "classification": [
            {"num_labels": 10**12},
            {"num_labels": -1},
            {"layers": 10**9},
            {"layers": 0},
            {"dropout_prob": 7},
            {"head_type": ["x"]},
            {"activation_function": {"a": 1}},
        ],
        "masked_lm": [{"vocab_size": 10**12}, {"embedding_size": 10**9}],
    }.items():
        for number, own in enumerate(fields):
            name = f"absurd head {head} {number} {next(iter(own))}"
            yield Case(name, HUB / "heads" / head, with_json("head_config.json", inner(**own)))
    for number, own in enumerate(
        [
            {"r": 10**9},
            {"r": -1},
            {"lora_alpha": "x"},
            {"target_modules": []},
            {"rank_pattern": {"q_lin": 10**9}},
            {"peft_type": "MAGIC"},
        ]
    ):
        name = f"absurd peft {number} {next(iter(own))}"
        change = with_json("adapter_config.json", lambda held, own=own: {**held, **own})
        yield Case(name, PEFT / "lora", change)


def tricky_names() -> Iterator[Case]:
    """A name would lead elsewhere, or looks like another one."""

    def called(name: str) -> Callable[[Path, Path], None]:
        def spoil(folder: Path, _: Path) -> None:
            path = folder / "adapter_config.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "name": name}))
            (folder / "head_config.json").unlink()
            weights = folder / "adapter.safetensors"
            held = load_file(weights)
            save_file({k.replace(".a.", f".{name}."): v for k, v in held.items()}, weights)

        return spoil

    for name in (
        "",
        ".",
        "..",
        "../x",
        "/etc/x",
        "a.b",
        "a/b",
        "a\\b",
        " a",
        "a\n",
        "-a",
        "\u0430",
        "\uff41",
        "a\u200b",
        "x" * 500,
        "con:",
    ):
        yield Case(f"name {name[:20]!r}", HUB / "seq_bn", called(name))
    for name in ("../a", "/etc", "..", "", "a/../a", "a\0", "x" * 400):

        def spoil(folder: Path, _: Path, name: str = name) -> None:
            child = {"type": "single", "children": [name]}
            setup = {"adapter_setup": {"type": "Stack", "children": [child]}, "head_setup": None}
            (folder / "adapter_setup.json").write_text(json.dumps(setup))

        yield Case(f"setup {name[:20]!r}", HUB / "stack", spoil)
