"""A server's answers in the words that tables show."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["ServerAnswer"]

_SHOWN_NUMBERS: Final = 3
_SHOWN_TOKENS: Final = 3


@dataclass(frozen=True)
class ServerAnswer:
    """An answer of a server, which looks as the prediction does that it was there.

    Attributes:
        fields: As they came.
    """

    fields: Mapping[str, Any]

    def model_dump(self, *, mode: str) -> dict[str, Any]:  # noqa: ARG002 - JSON as it came
        """Its fields."""
        return dict(self.fields)

    def __str__(self) -> str:
        for names, words in _WORDS.items():
            if names <= self.fields.keys():
                return words(self.fields)
        return json.dumps(self.fields, ensure_ascii=False)


Fields = Mapping[str, Any]


def _label(fields: Fields) -> str:
    score = fields.get("score")
    return f"{fields['label']} ({score:.2f})" if isinstance(score, float) else str(fields["label"])


def _labels(fields: Fields) -> str:
    chosen = [f"{label} ({fields['probabilities'][label]:.2f})" for label in fields["labels"]]
    return ", ".join(chosen) or "none"


def _text(fields: Fields) -> str:
    return f"{fields['text'] or 'no answer'} ({fields['score']:.2f})"


def _numbers(fields: Fields) -> str:
    if len(fields["values"]) == 1:
        return f"{fields['score']:.3f}"
    return ", ".join(f"{name} {value:.3f}" for name, value in fields["values"].items())


def _entities(fields: Fields) -> str:
    if fields["entities"]:
        return ", ".join(f"{found['text']} ({found['label']})" for found in fields["entities"])
    if all(tag == "O" for tag in fields["tags"]):
        return "no entities"
    pairs = zip(fields["words"], fields["tags"], strict=True)
    return " ".join(f"{word}/{tag}" for word, tag in pairs)


def _masks(fields: Fields) -> str:
    return "; ".join(
        ", ".join(f"{found['token_str']} ({found['score']:.2f})" for found in mask[:_SHOWN_TOKENS])
        for mask in fields["masks"]
    )


def _vector(fields: Fields) -> str:
    if fields.get("similarity") is not None:
        return f"similarity {fields['similarity']:.3f}"
    first = ", ".join(f"{value:.3f}" for value in fields["embedding"][:_SHOWN_NUMBERS])
    return f"{len(fields['embedding'])} numbers: {first}, ..."


_WORDS: Final[Mapping[frozenset[str], Callable[[Fields], str]]] = {
    frozenset({"entities", "words", "tags"}): _entities,
    frozenset({"masks"}): _masks,
    frozenset({"embedding"}): _vector,
    frozenset({"labels", "probabilities"}): _labels,
    frozenset({"values", "score"}): _numbers,
    frozenset({"choice", "text", "score"}): _text,
    frozenset({"candidates", "text", "score"}): _text,
    frozenset({"label"}): _label,
}
"""By the fields that tell what kind of answer it is."""
