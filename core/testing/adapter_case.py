"""What the tests of an adapter start from: the author's class, and texts of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from polyhead.contracts import (
    Adapter,
    AdapterConfig,
    EncoderShape,
    FusingAdapter,
    TextSettings,
)
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.testing.bench import Bench, make_bench, plain_head
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import advising
from polyhead.testing.tiny_model import tiny_model
from polyhead.train import seeded

__all__ = ["AdapterCase"]

_EXAMPLES: Final = (
    ("a good day", "yes"),
    ("the weather was bad, and the food was worse", "no"),
    ("good", "yes"),
    ("nobody liked it", "no"),
    ("we all had a good time at the lake", "yes"),
    ("a bad day", "no"),
)


class AdapterCase(ConformanceCase):
    """Base of the checks that adapters alone have to pass.

    Attributes:
        adapter: The class under test.
        config: Its configuration; or, for several, `configs`.
        configs: Its configurations; `config` alone when empty.
        is_neutral_at_first: Whether a fresh adapter is meant to change nothing.
        fused: For a kind that fuses others, what each of those is in the tests: a config, or a
            string. They have the names that its `configs` have for them.
    """

    what = "adapter"
    adapter: ClassVar[type[Adapter]]
    config: ClassVar[AdapterConfig]
    configs: ClassVar[Sequence[AdapterConfig]] = ()
    is_neutral_at_first: ClassVar[bool] = False
    fused: ClassVar[str | AdapterConfig] = "seq_bn"

    @classmethod
    def subject(cls) -> type[Adapter]:
        """The class under test."""
        return cls.adapter

    @classmethod
    def all_configs(cls) -> Sequence[AdapterConfig]:
        """Its configurations."""
        return cls.configs or (cls.given("config", "an instance of the adapter's Config"),)

    @classmethod
    def check_attributes(cls) -> None:
        """Fails unless adapter and config are there and go together."""
        cls.check_subject(cls.given("adapter", "the class to be tested"), Adapter)

    def build(self, config: Config, shape: EncoderShape) -> Adapter:
        """The adapter with fresh weights."""
        assert isinstance(config, AdapterConfig)  # noqa: S101 - check_attributes saw to it
        return self.adapter(config, shape)

    def bench(
        self,
        config: Config,
        *,
        text: TextSettings | None = None,
        model: DistilBertModelWithHeads | None = None,
        is_bare: bool = False,
    ) -> Bench:
        """A new tiny model with the adapter in a task, under a built-in head."""
        del is_bare  # without its adapter there is nothing to test
        assert isinstance(config, AdapterConfig)  # noqa: S101 - check_attributes saw to it
        model = tiny_model() if model is None else model
        if issubclass(self.adapter, FusingAdapter):
            self._add_fused(model, config)
        parse = registry().head("classification").parse
        with advising(f"{self.name()} cannot be built from {config!r}."):
            return make_bench(
                plain_head(),
                config,
                is_head=False,
                examples=[parse({"text": text, "label": label}) for text, label in _EXAMPLES],
                questions=[parse(text) for text, _ in _EXAMPLES],
                text=text,
                model=model,
            )

    def _add_fused(self, model: DistilBertModelWithHeads, config: AdapterConfig) -> None:
        """What a kind that fuses others needs first."""
        for seed, name in enumerate(config.model_dump()["adapters"]):
            if name not in model.adapters:
                with seeded(seed), advising(f"what {self.name()} is to fuse cannot be built."):
                    model.add_adapter(name, self.fused)
