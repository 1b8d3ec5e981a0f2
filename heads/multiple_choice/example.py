"""What a user writes for a choice among several texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from polyhead.contracts import Example
from polyhead.errors import InputError, listing, shown

__all__ = ["MultipleChoiceExample"]

_MOST_DIGITS = 9


def _as_choices(value: object) -> object:
    # before pydantic's own checks, whose messages speak of tuples
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of texts")  # noqa: TRY004 - pydantic reads ValueError
    if not value:
        raise ValueError("there are no choices; give at least one")
    return value


def _not_blank(text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise ValueError("must not be empty or white space only")
    return text


def _as_label(value: object) -> object:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if value is None or is_number or (isinstance(value, str) and value):
        return value
    raise ValueError("a label is the number of the right choice, counted from 0, or its text")


class MultipleChoiceExample(Example):
    """A text, what may follow it, and which of that is right where it is known."""

    text: Annotated[str | None, AfterValidator(_not_blank)] = Field(
        default=None,
        description="What the choices follow or answer; without it they are read alone.",
    )
    choices: Annotated[
        tuple[Annotated[str, AfterValidator(_not_blank)], ...], BeforeValidator(_as_choices)
    ] = Field(
        description="The texts to choose from, one or more; each example may have its own.",
        examples=[["one choice", "another"]],
    )
    label: Annotated[int | str | None, BeforeValidator(_as_label)] = Field(
        default=None,
        description="The right choice, for training and evaluation: its number, counted from 0, or "
        "its text. Digits that are no choice's text are a number.",
    )

    def right_choice(self) -> int | None:
        """The number of the right choice, counted from 0; None where it is not known.

        Raises:
            InputError: The label is neither the number of a choice nor the text of exactly one.
        """
        if not isinstance(self.label, str):
            return self._checked(self.label)
        found = [number for number, choice in enumerate(self.choices) if choice == self.label]
        if len(found) > 1:
            raise InputError(
                f"the label {shown(self.label)} is the text of {len(found)} choices; give the "
                "number of the right one, counted from 0."
            )
        if found:
            return found[0]
        if self.label.isdecimal() and len(self.label) <= _MOST_DIGITS:
            return self._checked(int(self.label))
        raise InputError(
            f"the label {shown(self.label)} is none of the choices: {listing(self.choices)}."
        )

    def _checked(self, number: int | None) -> int | None:
        if number is not None and not 0 <= number < len(self.choices):
            raise InputError(
                f"the label {number} is not the number of a choice; they are counted from 0 to "
                f"{len(self.choices) - 1}."
            )
        return number
