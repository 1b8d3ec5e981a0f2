"""What a head is: from examples to rows, from hidden states to typed answers.

For a batch of examples: `encode` makes rows, the encoder makes hidden states of them, `forward`
makes the output, and `loss` (training), `decode` (prediction) or `metrics` (evaluation) read it.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from polyhead.contracts.adapter import check_contract
from polyhead.contracts.config import HeadConfig, explain, validate_config
from polyhead.contracts.examples import Encoded, Example, HeadOutput, Prediction
from polyhead.contracts.layer_mix import LayerMix
from polyhead.contracts.metrics import Metrics
from polyhead.contracts.recipe import Recipe
from polyhead.errors import ConfigError, ContractError, InputError

if TYPE_CHECKING:
    from polyhead.batch import Hidden
    from polyhead.contracts.shape import EncoderShape
    from polyhead.tokenizer import Tokenizer

__all__ = ["Head"]

_Example = Example  # Head.Example hides the name inside the class


class Head(nn.Module, ABC):
    """One task's own parameters on top of the encoder.

    It holds no state of a call: many threads use one head at once.

    Attributes:
        kind: The name it is registered under.
        Config: Its configuration class.
        Example: Its example class; the fields' order is that of a tuple given in its place.
        answers: What it computes an output for: each row, each token, or each example, which may
            have several rows.
        recipe: How such a head is trained where the user does not say.
        reads_layers: Whether it reads `hidden.layers`, all layers' hidden states, by itself.
        config: What this head was built from.
        mix: The learned mix that it reads under `hidden="mix"`, else None.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[HeadConfig]]
    Example: ClassVar[type[Example]]
    answers: ClassVar[Literal["row", "token", "example"]] = "row"
    recipe: ClassVar[Recipe] = Recipe()
    reads_layers: ClassVar[bool] = False
    config: HeadConfig
    mix: LayerMix | None

    def __init__(self, config: HeadConfig, shape: EncoderShape) -> None:
        """Builds the head with fresh weights.

        Args:
            config: An instance of `Config`.
            shape: The sizes of the encoder it will be used with.

        Raises:
            ConfigError: `hidden` is a layer that the encoder does not have.
        """
        super().__init__()
        self.config = config
        self.shape = shape
        if isinstance(config.hidden, int) and config.hidden > shape.n_layers:
            raise ConfigError(
                f"hidden={config.hidden} is no layer of this encoder; it has 1 to "
                f"{shape.n_layers}, and 0 stands for the embeddings."
            )
        self.mix = LayerMix(shape.n_layers + 1) if config.hidden == "mix" else None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        check_contract(cls, HeadConfig)
        if "forward" in cls.__dict__ and "reads_first_only" not in cls.__dict__:
            # what a base says of its own `forward` holds for no other
            cls.reads_first_only = Head.reads_first_only  # type: ignore[method-assign]
        example = getattr(cls, "Example", None)
        if not inspect.isabstract(cls) and not (
            isinstance(example, type) and issubclass(example, Example)
        ):
            raise ContractError(f"{cls.__qualname__} must set `Example`, a subclass of Example.")

    @classmethod
    def configure(cls, options: Mapping[str, Any], examples: Sequence[Any]) -> HeadConfig:
        """The config of a new task: what the user gave, completed from the training examples.

        Raises:
            ConfigError: An option is unknown or out of range.
            InputError: The examples do not make a task of this kind.
        """
        del examples  # nothing to learn from them by default
        return validate_config(cls.Config, options, f"head kind {cls.kind!r}")

    @classmethod
    def parse(cls, value: object) -> _Example:
        """The example that `value` stands for.

        Args:
            value: An example, a mapping of its fields, a tuple of its first fields in order, or the
                first field alone.

        Raises:
            InputError: It is none of these.
        """
        if isinstance(value, cls.Example):
            return value
        if isinstance(value, Mapping):
            fields = dict(value)
        else:
            values = value if isinstance(value, tuple) else (value,)
            fields = dict(zip(cls.Example.model_fields, values, strict=False))
            if len(values) > len(fields):
                most = f"{len(fields)} value{'s' * (len(fields) > 1)}"
                raise InputError(f"an example of {cls.kind!r} takes at most {most}.")
        try:
            return cls.Example.model_validate(fields)
        except ValidationError as error:
            raise InputError(f"not an example of {cls.kind!r}: {explain(error)}.") from None

    # Any, not Example: a subclass names its own example class here
    @abstractmethod
    def encode(self, examples: Sequence[Any], tokenizer: Tokenizer) -> list[Encoded]:
        """Rows of each example, and its target where it is labelled.

        Args:
            examples: Instances of `Example`.
            tokenizer: It holds the task's text settings.

        Raises:
            InputError: A text is empty or too long, or a label is unknown.
        """

    def draw(self, encoded: Sequence[Encoded], generator: torch.Generator) -> Sequence[Encoded]:
        """What is computed of labelled examples in one step: by default, they themselves.

        A head that learns from altered texts (a masked language model) alters them here, anew each
        time in training. Evaluation gives a generator of a fixed seed.

        Args:
            encoded: The examples of a batch.
            generator: The source of randomness, on the CPU; it is advanced.
        """
        del generator
        return encoded

    @property
    def keeps_layers(self) -> bool:
        """Whether it needs hidden states other than the last layer's."""
        return self.reads_layers or self.config.hidden != "last"

    @property
    def reads_first_only(self) -> bool:
        """Whether `forward` reads nothing but `hidden.cls`, each row's first token.

        The encoder's last layer need not be computed for other tokens then. It says so of the last
        layer alone: never for a head with `keeps_layers`. A class with a `forward` of its own says
        so anew.
        """
        return False

    @property
    def depth(self) -> int:
        """The highest layer whose hidden states it reads."""
        is_lower = isinstance(self.config.hidden, int) and not self.reads_layers
        return int(self.config.hidden) if is_lower else self.shape.n_layers

    def select(self, hidden: Hidden) -> Hidden:
        """What `forward` gets of all that the encoder computed, as `config.hidden` says."""
        if self.mix is not None:
            return hidden.with_tokens(self.mix(hidden.layers))
        if isinstance(self.config.hidden, int):
            return hidden.at_layer(self.config.hidden)
        return hidden

    @abstractmethod
    def forward(self, hidden: Hidden) -> HeadOutput:
        """What the head computes from the hidden states of a batch's rows.

        Returns:
            One tensor or several named ones, with a row, a token or an example at each place of the
            first dimension, as `answers` says. `hidden.word_embeddings` may be among them as it is.
        """

    def logits(self, output: HeadOutput) -> Tensor:
        """The output as one tensor, as the tensor call shows it.

        Raises:
            InputError: The output has several parts and none of them is that one.
        """
        if isinstance(output, Tensor):
            return output
        raise InputError(
            f"the output of a {self.kind!r} head has several parts: {', '.join(output)}; read "
            ".outputs."
        )

    def targets(self, labels: Tensor, mask: Tensor) -> Tensor:
        """The targets that a padded batch's `labels` stand for.

        Args:
            labels: As the tensor call takes them; for a head that answers once a row, (B,).
            mask: Which tokens are there. Shape: (B, T), bool.

        Raises:
            InputError: They do not fit the head or the batch.
        """
        if labels.shape[:1] != mask.shape[:1]:
            raise InputError(
                f"labels of shape {tuple(labels.shape)} do not fit a batch of {len(mask)} rows."
            )
        return labels

    @abstractmethod
    def loss(self, output: HeadOutput, targets: Tensor) -> Tensor:
        """The mean loss over the batch. Shape: ()."""

    @abstractmethod
    def decode(self, output: HeadOutput, encoded: Sequence[Encoded]) -> list[Prediction]:
        """One answer an example, in their order."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """A fresh collector."""
