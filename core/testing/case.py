"""What the test classes for heads and for adapters have in common: one test a check and config."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Final

from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    EncoderShape,
    Head,
    HeadConfig,
    TextSettings,
)
from polyhead.errors import shown
from polyhead.model import DistilBertModelWithHeads
from polyhead.testing.bench import Bench
from polyhead.testing.failure import ConformanceError, require
from polyhead.testing.registration import registered

if TYPE_CHECKING:
    import pytest

__all__ = ["Config", "ConformanceCase"]

_LONGEST_NAME: Final = 60

Config = HeadConfig | AdapterConfig


class ConformanceCase(ABC):
    """Base of the classes that plugin authors subclass.

    Its tests are plain methods. pytest calls those that have an argument `config` once with each
    configuration.

    Attributes:
        what: "head" or "adapter".
    """

    what: ClassVar[str]
    _is_checked: ClassVar[bool]

    @classmethod
    @abstractmethod
    def subject(cls) -> type[Head | Adapter]:
        """The class under test."""

    @classmethod
    @abstractmethod
    def all_configs(cls) -> Sequence[Config]:
        """Its configurations, at least one."""

    @classmethod
    @abstractmethod
    def check_attributes(cls) -> None:
        """Fails unless the author's class says all that the tests need."""

    @abstractmethod
    def build(self, config: Config, shape: EncoderShape) -> Head | Adapter:
        """The class under test with fresh weights, in no model."""

    @abstractmethod
    def bench(
        self,
        config: Config,
        *,
        text: TextSettings | None = None,
        model: DistilBertModelWithHeads | None = None,
        is_bare: bool = False,
    ) -> Bench:
        """A tiny model with the class under test.

        Args:
            config: One of `all_configs`.
            text: How texts are read; as the head recommends when None.
            model: Another model than `tiny_model()`, without adapters and heads.
            is_bare: Whether a head under test is on the bare encoder, without adapter.
        """

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Called by pytest: makes a test of each configuration."""
        self._check_once()
        if "config" in metafunc.fixturenames:
            configs = self.all_configs()
            metafunc.parametrize("config", configs, ids=_names_of(configs))

    def setup_method(self) -> None:
        """Called by pytest before each test: makes the class known to polyhead."""
        self._registration = ExitStack()
        self._registration.enter_context(registered(self.subject()))

    def teardown_method(self) -> None:
        """Called by pytest after each test."""
        self._registration.close()

    @classmethod
    def _check_once(cls) -> None:
        """Fails while tests are collected, so that what is missing is one error and not fifty."""
        if "_is_checked" not in vars(cls):
            cls.check_attributes()
            with registered(cls.subject()):
                cls._is_checked = True

    @classmethod
    def name(cls) -> str:
        """The class under test, for messages."""
        return cls.subject().__name__

    @classmethod
    def given(cls, attribute: str, why: str) -> Any:
        """An attribute that the author's class must have.

        Raises:
            ConformanceError: It has not.
        """
        if not hasattr(cls, attribute):
            raise ConformanceError(f"{cls.__name__} must set `{attribute}`, {why}.")
        return getattr(cls, attribute)

    @classmethod
    def check_subject(cls, found: object, base: type[Head | Adapter]) -> None:
        """Fails unless `found` is a complete subclass of `base` and the configs are its own."""
        name = cls.__name__
        if not (isinstance(found, type) and issubclass(found, base)):
            raise ConformanceError(
                f"`{cls.what}` of {name} must be a subclass of polyhead.{base.__name__}, not "
                f"{shown(found)}."
            )
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        require(not inspect.isabstract(found), f"{found.__name__} must define: {missing}.")
        configs = cls.all_configs()
        require(bool(configs), f"`configs` of {name} is empty; give at least one.")
        for config in configs:
            require(
                isinstance(config, found.Config),
                f"a config of {name} must be a {found.Config.__name__}, not {shown(config)}.",
            )


def _names_of(configs: Sequence[Config]) -> list[str]:
    """For the names of tests: the fields in which configs differ."""
    dumps = [config.model_dump(mode="json") for config in configs]
    fields = [name for name in dumps[0] if any(dump.get(name) != dumps[0][name] for dump in dumps)]
    return [
        ",".join(f"{name}={dump.get(name)}" for name in fields)[:_LONGEST_NAME] or "config"
        for dump in dumps
    ]
