"""Times that tests decide."""

from collections.abc import Callable, Iterable

import pytest


@pytest.fixture
def times(monkeypatch) -> Callable[[str, Iterable[float]], None]:
    """Lets a module of polyhead.bench measure these seconds; what it times still runs."""

    def decide(module: str, seconds: Iterable[float]) -> None:
        left = iter(seconds)

        def seconds_of(work: Callable[[], object]) -> float:
            work()
            return next(left)

        monkeypatch.setattr(f"polyhead.bench.{module}.seconds_of", seconds_of)

    return decide
