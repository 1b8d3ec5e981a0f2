"""The configuration of a tagging head, and what of it the examples tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from polyhead.contracts import HeadConfig, check_activation, validate_config
from polyhead.contracts.config import HiddenSource
from polyhead.errors import InputError, listing
from polyhead.heads.labels import LabelNames, LabelWeights
from polyhead.heads.tagging.aggregation import Strategy
from polyhead.heads.tagging.example import TaggingExample
from polyhead.heads.tagging.scheme import (
    OUTSIDE,
    Scheme,
    described,
    is_tag_of,
    scheme_of,
    tags_of_types,
)

__all__ = ["TaggingHeadConfig", "WordTagHeadConfig", "configure_from_examples"]

_OPEN: Final = (None, "auto")


def _left_open() -> Any:
    """What the validator replaces; a factory, since it is no scheme by itself."""
    return "auto"


class WordTagHeadConfig(HeadConfig):
    """Base of the configurations of heads that give each word of a text a tag."""

    labels: LabelNames = Field(min_length=2, description="The tags, in the order of the logits.")
    scheme: Scheme = Field(
        default_factory=_left_open,
        description="What the tags say about entities: 'bio' (B-type, I-type, O), 'bioes' (E-type "
        "and S-type too) or 'plain' (nothing); without it, what all tags agree with.",
    )
    hidden: HiddenSource = Field(
        default="mix",
        description="What the head reads: the last layer, one layer by its number (0 for the "
        "embeddings), or 'mix', a learned mix of all of them.",
    )
    layers: int = Field(
        default=2, ge=1, le=16, description="Linear layers; all but the last keep the width."
    )
    context: int = Field(
        default=1,
        ge=0,
        le=16,
        description="Tokens on each side whose states the first layer reads beside a token's own.",
    )
    activation: Annotated[str, AfterValidator(check_activation)] = Field(
        default="gelu", description="Activation behind each layer but the last."
    )
    dropout: float = Field(
        default=0.4, ge=0, lt=1, description="Dropout in front of each layer, in training."
    )
    bias: bool = Field(default=True, description="Whether the last layer has a bias.")
    overlap: int = Field(
        default=32,
        ge=0,
        description="Sub-words that the windows of a long text share; at most half a window.",
    )
    follows_scheme: bool = Field(
        default=True,
        description="Whether the tags of a text follow one another as the scheme has it (no I-type "
        "but behind a B-type or I-type): the best ones that do are answered.",
    )

    @field_validator("scheme", mode="before")
    @classmethod
    def _scheme_of_labels(cls, scheme: object, fields: ValidationInfo) -> object:
        if scheme in _OPEN:
            return scheme_of(fields.data.get("labels", ()))
        return scheme

    @model_validator(mode="after")
    def _labels_of_scheme(self) -> Self:
        odd = next((tag for tag in self.labels if not is_tag_of(tag, self.scheme)), None)
        if odd is not None:
            raise ValueError(
                f"the tag {odd!r} is not of the scheme {self.scheme!r}, whose tags are "
                f"{described(self.scheme)}"
            )
        return self


class TaggingHeadConfig(WordTagHeadConfig):
    """One tag for each word of a text."""

    class_weights: LabelWeights | None = Field(
        default=None, description="Weight of each tag in the loss, in the order of the labels."
    )
    label_all: bool = Field(
        default=True,
        description="Whether every sub-word of a word learns its tag, and not the first alone.",
    )
    aggregation: Strategy = Field(
        default="average",
        description="How the sub-words of a word make its tag: by the 'first', their "
        "'average' probabilities or the one with the 'max' probability; 'simple' and 'none' "
        "tag sub-words, 'none' without entities.",
    )

    @model_validator(mode="after")
    def _one_weight_a_label(self) -> Self:
        if self.class_weights is not None and len(self.class_weights) != len(self.labels):
            raise ValueError(
                f"there are {len(self.class_weights)} class_weights for {len(self.labels)} labels"
            )
        return self


ConfigT = TypeVar("ConfigT", bound=WordTagHeadConfig)


def configure_from_examples(
    config_class: type[ConfigT],
    kind: str,
    options: Mapping[str, Any],
    examples: Sequence[TaggingExample],
) -> ConfigT:
    """The config that `options` give, completed from labelled examples.

    A scheme that is not given is the one that all tags follow, or "bio" where examples have
    entities alone. Labels that are not given are all tags of the scheme for the types of entities
    that occur, or the tags that occur where they are plain. Class weights given as "balanced"
    become n / (k * count), and 1 for tags that do not occur.

    Raises:
        ConfigError: An option is unknown or out of range.
        InputError: The examples lack tags, have only one, or have one that does not fit.
    """
    fields = dict(options)
    is_given = fields.get("labels") is not None
    found = _Found() if is_given and not examples else _Found.in_examples(examples)
    if not is_given:
        if fields.get("scheme") in _OPEN:
            fields["scheme"] = found.scheme()
        fields["labels"] = found.labels(fields["scheme"])
    is_balanced = fields.get("class_weights") == "balanced"
    if is_balanced:
        fields["class_weights"] = None
    config = validate_config(config_class, fields, f"head kind {kind!r}")
    found.check(config)
    if not is_balanced:
        return config
    return config.model_copy(update={"class_weights": found.balanced(config.labels)})


class _Found:
    """The tags and the types of entities in training examples.

    Attributes:
        tags: How many words have each tag.
        places: The first example with each tag or, for one with entities, with each type.
        entity_types: The types of entities that are given as such.
        has_entities: Whether any example has entities in place of tags.
    """

    def __init__(self) -> None:
        self.tags = Counter[str]()
        self.places: dict[str, int] = {}
        self.entity_types: set[str] = set()
        self.has_entities = False

    @classmethod
    def in_examples(cls, examples: Sequence[TaggingExample]) -> _Found:
        """What there is in `examples`, each of which must be labelled."""
        n_unlabelled = sum(item.tags is None and item.entities is None for item in examples)
        if n_unlabelled:
            raise InputError(
                f"{n_unlabelled} of {len(examples)} training examples have neither tags nor "
                "entities; a tagging task learns from them."
            )
        if not examples:
            raise InputError("there are no training examples to take tags from.")
        found = cls()
        for number, example in enumerate(examples):
            types = {entity.label for entity in example.entities or ()}
            found.has_entities |= example.entities is not None
            found.entity_types |= types
            found.tags.update(example.tags or ())
            for name in {*types, *(example.tags or ())}:
                found.places.setdefault(name, number)
        return found

    def scheme(self) -> Scheme:
        """The one that all tags follow."""
        if not self.tags or (self.has_entities and set(self.tags) == {OUTSIDE}):
            return "bio"
        try:
            return scheme_of(self.tags)
        except ValueError as error:
            odd = next(tag for tag in self.tags if not is_tag_of(tag, "bioes"))
            raise InputError(f"{error}.", index=self.places[odd]) from None

    def labels(self, scheme: object) -> tuple[str, ...]:
        """What the head shall tell apart; just the tags where `scheme` is no scheme."""
        if scheme not in {"bio", "bioes"}:
            names = tuple(sorted(self.tags))
        else:
            found: Scheme = "bioes" if scheme == "bioes" else "bio"
            self._check_scheme(found)
            types = {tag.partition("-")[2] for tag in self.tags} - {""}
            names = tags_of_types(self.entity_types | types, found)
        if len(names) <= 1:
            what = f"have the tag {names[0]!r} alone" if names else "have no tags"
            raise InputError(
                f"the training examples {what}; a tagging task needs at least two different ones."
            )
        return names

    def check(self, config: WordTagHeadConfig) -> None:
        """Refuses tags and types that a head of this config could not answer."""
        self._check_scheme(config.scheme)
        if self.entity_types and config.scheme == "plain":
            first = min(self.places[name] for name in self.entity_types)
            raise InputError(
                "the example has entities, which need scheme='bio' or scheme='bioes'.", index=first
            )
        wanted = {tag: tag for tag in self.tags}
        wanted |= {f"B-{name}": name for name in self.entity_types}
        missing = sorted(tag for tag in wanted if tag not in config.labels)
        if missing:
            raise InputError(
                f"the tag {missing[0]!r} is not among the given ones: {listing(config.labels)}.",
                index=self.places[wanted[missing[0]]],
            )

    def balanced(self, labels: Sequence[str]) -> tuple[float, ...]:
        """A weight for each tag with which every tag has the same share of the loss."""
        if self.has_entities:
            raise InputError(
                "class_weights='balanced' counts the tags of words, and examples with entities "
                "have none yet; give the weights as numbers, or tokens with tags."
            )
        n_found = sum(bool(self.tags[label]) for label in labels)
        return tuple(
            self.tags.total() / (n_found * self.tags[label]) if self.tags[label] else 1.0
            for label in labels
        )

    def _check_scheme(self, scheme: Scheme) -> None:
        odd = next((tag for tag in self.tags if not is_tag_of(tag, scheme)), None)
        if odd is not None:
            raise InputError(
                f"the tag {odd!r} is not of the scheme {scheme!r}, whose tags are "
                f"{described(scheme)}.",
                index=self.places[odd],
            )
