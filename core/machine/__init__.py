"""What of this machine the process may use: processors, memory, threads."""

from polyhead.machine.cores import usable_cores, usable_processors
from polyhead.machine.memory import free_memory, give_back_freed_memory, resident_memory
from polyhead.machine.processor import processor_name
from polyhead.machine.threads import limit_own_threads, limit_threads

__all__ = [
    "free_memory",
    "give_back_freed_memory",
    "limit_own_threads",
    "limit_threads",
    "processor_name",
    "resident_memory",
    "usable_cores",
    "usable_processors",
]
