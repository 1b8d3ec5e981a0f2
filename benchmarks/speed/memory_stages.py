"""What one process holds: measured in this one, printed as one JSON object.

`resident`: after loading a backbone, and with many adapters. `batches`: the most it holds while
some texts are answered. Linux tells both in `/proc/self`.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): the most that was resident begins anew
ROW = tuple(range(1000, 1024))
KIND = "seq_bn"


def resident_bytes() -> int:
    """Return what is resident, once what was freed is given back: else it would hide what comes."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)
    return bytes_of("VmRSS")


def bytes_of(field: str) -> int:
    """Return a figure of this process: `VmRSS`, what is resident, or `VmHWM`, the most that was."""
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"this system does not tell {field}")
    return 1024 * int(found[1])


def resident(folder: Path, precision: str, count: int) -> dict[str, int]:
    """Load a backbone, answer once, add adapters, answer with the last of them."""
    stages = {"python": resident_bytes()}
    import torch  # noqa: PLC0415 - what it takes is measured

    import polyhead as ph  # noqa: PLC0415 - likewise

    model = ph.DistilBertModelWithHeads.from_pretrained(folder, precision=precision)
    ids = torch.tensor([ROW])

    def call(adapter: str | None) -> None:
        with torch.inference_mode():
            model(input_ids=ids, adapter_names=adapter)

    call(None)
    stages["backbone"] = resident_bytes()
    for number in range(count):
        model.add_adapter(f"a{number}", KIND)
    stages["adapters"] = resident_bytes()
    call(f"a{count - 1}")
    stages["used"] = resident_bytes()
    stages["weights"] = sum(
        weight.numel() * weight.element_size()
        for adapter in model.adapters.values()
        for weight in adapter.parameters()
    )
    return stages


def batches(folder: Path, precision: str, count: int) -> dict[str, int]:
    """Answer texts of the workload with one adapter, in batches under the token budget."""
    import polyhead as ph  # noqa: PLC0415 - as above
    from polyhead.bench import lengths, rows  # noqa: PLC0415 - as above
    from polyhead.model import BATCH_TOKENS  # noqa: PLC0415 - as above
    from polyhead.model.prediction import Question  # noqa: PLC0415 - as above

    model = ph.DistilBertModelWithHeads.from_pretrained(folder, precision=precision)
    labels = ("negative", "positive")
    task = model.add_task("task", head=ph.ClassificationHeadConfig(labels=labels), adapter=KIND)
    model.eval()
    head = model.heads[task.head]
    texts = rows(lengths(count), model.shape.vocab_size)
    encoded = [ph.Encoded(head.parse("a text"), (row,)) for row in texts]
    model.answer([Question(task, head, encoded[:1])])
    before = resident_bytes()
    CLEAR.write_text(RESET_PEAK, encoding="utf-8")
    model.answer([Question(task, head, encoded)])
    n_tokens = sum(map(len, texts))
    peak = bytes_of("VmHWM")
    return {"before": before, "peak": peak, "tokens": n_tokens, "budget": BATCH_TOKENS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("resident", "batches"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--count", type=int, required=True, help="adapters, or texts")
    given = parser.parse_args(arguments)
    if not STATUS.exists():
        sys.exit("this system has no /proc/self/status, so memory cannot be measured.")
    measure = {"resident": resident, "batches": batches}[given.what]
    print(json.dumps(measure(given.folder, given.precision, given.count)))


if __name__ == "__main__":
    main()
