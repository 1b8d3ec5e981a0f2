"""What was computed before, kept up to a bound of bytes and found by what it follows from."""

from polyhead.caches.bounded_cache import BoundedCache
from polyhead.caches.part_digests import PartDigests, digest_of
from polyhead.caches.prefix_cache import PrefixCache
from polyhead.caches.result_cache import ResultCache, WrittenAnswer

__all__ = [
    "BoundedCache",
    "PartDigests",
    "PrefixCache",
    "ResultCache",
    "WrittenAnswer",
    "digest_of",
]
