"""Sizes as people write them."""

import pytest

from polyhead.cli.sizes import bytes_of
from polyhead.errors import ConfigError


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [
        ("1000", 1000),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("1.5GB", 1_500_000_000),
        ("2GiB", 2 * 1024**3),
        ("64k", 64_000),
        ("1T", 10**12),
        ("7B", 7),
    ],
)
def test_sizes_are_read(size, n_bytes):
    assert bytes_of(size, "--max-body") == n_bytes


@pytest.mark.parametrize("size", ["", "0", "0.0001kB", "-1MB", "much", "1 2", "1XB", "MB", "1e9"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ConfigError, match=r"^--max-body '.*' is no size; give bytes"):
        bytes_of(size, "--max-body")
