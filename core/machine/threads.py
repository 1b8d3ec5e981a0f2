"""As many threads as there are cores for them."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import torch

from polyhead.errors import ConfigError
from polyhead.machine.cores import affinity, n_cores, usable_cores

__all__ = ["limit_own_threads", "limit_threads"]

_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

_limiting = threading.Lock()


def limit_threads(n: int | None = None, *, root: Path = Path("/")) -> int:
    """Lets torch compute with `n` threads, or with no more than there are cores for.

    Torch starts as many as the machine has cores, also in a container that may use two of them.
    Without `n` that is put right, and what somebody chose is left as it is: OMP_NUM_THREADS or
    MKL_NUM_THREADS in the environment, or `torch.set_num_threads` with another number than torch's
    own. It is for the whole process; the command line calls it, importing polyhead does not.

    Args:
        n: How many threads; the number of `usable_cores` when None.
        root: Where `proc` and `sys` lie.

    Returns:
        How many there are now.

    Raises:
        ConfigError: `n` is less than 1.
    """
    if n is not None and n < 1:
        raise ConfigError(f"at least 1 thread is needed, not {n}.")
    wanted = _fitting(torch.get_num_threads(), root) if n is None else n
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)
    return wanted


def limit_own_threads(n: int) -> None:
    """Lets torch compute with `n` threads where this thread calls it, and elsewhere as before.

    Each thread that computes gets helpers of its own. Where several do at once, they are more than
    there are cores, and all of them wait for those that have none.

    Args:
        n: How many threads.
    """
    with _limiting:
        whole = torch.get_num_threads()
        torch.set_num_threads(n)
        # Torch gives threads to come the number that was set last, whoever set it.
        restoring = threading.Thread(target=torch.set_num_threads, args=(whole,))
        restoring.start()
        restoring.join()


def _fitting(current: int, root: Path) -> int:
    """What `current` threads become where nobody chose their number."""
    is_chosen = any(os.environ.get(name) for name in _VARIABLES)
    if is_chosen or current not in _defaults(root):
        return current
    return min(current, usable_cores(root))


def _defaults(root: Path) -> set[int]:
    """The numbers of threads that torch starts with, depending on how it was built."""
    own = affinity()
    return {len(own), n_cores(own, root), os.cpu_count() or 1}
