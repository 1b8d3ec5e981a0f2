"""What the tests of a head start from: the author's class, configurations and examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from pydantic import ValidationError

from polyhead.contracts import EncoderShape, Example, Head, HeadConfig, TextSettings, explain
from polyhead.model import DistilBertModelWithHeads
from polyhead.testing.bench import Bench, make_bench
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import ConformanceError, advising, require

__all__ = ["HeadCase"]

_FEWEST: Final = 4


class HeadCase(ConformanceCase):
    """Base of the checks that heads alone have to pass.

    Attributes:
        head: The class under test.
        config: Its configuration; or, for several, `configs`.
        configs: Its configurations; `config` alone when empty.
        examples: Labelled examples, at least four: instances, mappings or tuples.
        questions: What it is to answer, where these cannot be the examples without their labels:
            for a language model, texts with gaps.
        refused: Examples that it must refuse, if there are such.
    """

    what = "head"
    head: ClassVar[type[Head]]
    config: ClassVar[HeadConfig]
    configs: ClassVar[Sequence[HeadConfig]] = ()
    examples: ClassVar[Sequence[Any]]
    questions: ClassVar[Sequence[Any]] = ()
    refused: ClassVar[Sequence[Any]] = ()

    @classmethod
    def subject(cls) -> type[Head]:
        """The class under test."""
        return cls.head

    @classmethod
    def all_configs(cls) -> Sequence[HeadConfig]:
        """Its configurations."""
        return cls.configs or (cls.given("config", "an instance of the head's Config"),)

    @classmethod
    def check_attributes(cls) -> None:
        """Fails unless head, config and examples are there and go together."""
        cls.check_subject(cls.given("head", "the class to be tested"), Head)
        examples = cls.given("examples", f"at least {_FEWEST} labelled examples")
        require(
            len(examples) >= _FEWEST,
            f"{cls.__name__} has {len(examples)} examples; give at least {_FEWEST}.",
        )
        cls.labelled()
        cls.asked()

    @classmethod
    def labelled(cls) -> list[Example]:
        """The examples, read as the head reads them."""
        with advising(f"`examples` of {cls.__name__} cannot be read by {cls.name()}.parse."):
            return [cls.head.parse(value) for value in cls.examples]

    @classmethod
    def asked(cls) -> list[Example]:
        """What the head is to answer."""
        if not cls.questions:
            return [cls.without_targets(example) for example in cls.labelled()]
        with advising(f"`questions` of {cls.__name__} cannot be read by {cls.name()}.parse."):
            return [cls.head.parse(value) for value in cls.questions]

    @classmethod
    def without_targets(cls, example: Example) -> Example:
        """The example without what is to be predicted."""
        targets = type(example).target_fields
        fields = example.model_dump(exclude=set(targets))
        try:
            return type(example).model_validate(fields)
        except ValidationError as error:
            raise ConformanceError(
                f"{type(example).__name__} cannot be made without its target_fields, "
                f"{', '.join(targets)}: {explain(error)}. They are not there in prediction; give "
                "each of them a default."
            ) from None

    def build(self, config: Config, shape: EncoderShape) -> Head:
        """The head with fresh weights."""
        assert isinstance(config, HeadConfig)  # noqa: S101 - check_attributes saw to it
        return self.head(config, shape)

    def bench(
        self,
        config: Config,
        *,
        text: TextSettings | None = None,
        model: DistilBertModelWithHeads | None = None,
        is_bare: bool = False,
    ) -> Bench:
        """A new tiny model with the head in a task, on an adapter or on the bare encoder."""
        assert isinstance(config, HeadConfig)  # noqa: S101 - check_attributes saw to it
        with advising(f"{self.name()} cannot be built from {config!r}."):
            return make_bench(
                config,
                None if is_bare else "seq_bn",
                is_head=True,
                examples=self.labelled(),
                questions=self.asked(),
                text=text,
                model=model,
            )
