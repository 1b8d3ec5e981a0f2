r"""Regular expressions of unknown origin, matched in bounded time.

PEFT takes regular expressions for names of modules. Python's own matcher tries one way after the
other and can take years for a hostile one; this one notes where each part can end, so it takes at
most (length of the pattern) * (length of the name) squared steps.

Understood are letters, `.`, `\.` and other escaped signs, `\d`, `\w`, sets such as `[0-5]` and
`[^.]`, groups, `|`, and `*`, `+`, `?`, `{2}`, `{0,3}`, also lazy ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Pattern"]

_LONGEST: Final = 1000
_DEEPEST: Final = 40
_MOST_REPEATS: Final = 24
"""Repetitions of a whole expression: each sign counts once, or as often as it repeats at least."""
_CLASSES: Final[dict[str, Callable[[str], bool]]] = {
    "d": str.isdecimal,
    "D": lambda letter: not letter.isdecimal(),
    "w": lambda letter: letter.isalnum() or letter == "_",
    "W": lambda letter: not (letter.isalnum() or letter == "_"),
    "s": str.isspace,
    "S": lambda letter: not letter.isspace(),
}

Ends = frozenset[int]


class _Matching:
    """One name, and where parts of a pattern can end in it, as far as is known."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.known: dict[tuple[int, int], Ends] = {}

    def ends(self, part: _Part, start: int) -> Ends:
        """Where `part` can end that begins at `start`."""
        key = (id(part), start)
        if key not in self.known:
            self.known[key] = part.ends(self, start)
        return self.known[key]


class _Part:
    """Part of a pattern."""

    def ends(self, matching: _Matching, start: int) -> Ends:
        raise NotImplementedError


@dataclass(eq=False)
class _One(_Part):
    """One letter."""

    accepts: Callable[[str], bool]

    def ends(self, matching: _Matching, start: int) -> Ends:
        text = matching.text
        is_met = start < len(text) and self.accepts(text[start])
        return frozenset([start + 1] if is_met else [])


@dataclass(eq=False)
class _Place(_Part):
    """The start or the end of the name."""

    is_end: bool

    def ends(self, matching: _Matching, start: int) -> Ends:
        wanted = len(matching.text) if self.is_end else 0
        return frozenset([start] if start == wanted else [])


@dataclass(eq=False)
class _Row(_Part):
    """Parts one after the other."""

    parts: list[_Part] = field(default_factory=list)

    def ends(self, matching: _Matching, start: int) -> Ends:
        places = frozenset([start])
        for part in self.parts:
            places = frozenset(end for place in places for end in matching.ends(part, place))
        return places


@dataclass(eq=False)
class _Choice(_Part):
    """One of several parts."""

    parts: list[_Part]

    def ends(self, matching: _Matching, start: int) -> Ends:
        return frozenset(end for part in self.parts for end in matching.ends(part, start))


@dataclass(eq=False)
class _Repeat(_Part):
    """A part several times; without end where `most` is None."""

    part: _Part
    least: int
    most: int | None

    def ends(self, matching: _Matching, start: int) -> Ends:
        places = frozenset([start])
        for _ in range(self.least):
            places = self._next(matching, places)
        found = places
        length = len(matching.text)  # more repetitions end nowhere else
        for _ in range(length if self.most is None else min(self.most - self.least, length)):
            places = self._next(matching, places) - found
            if not places:
                break
            found |= places
        return found

    def _next(self, matching: _Matching, places: Ends) -> Ends:
        return frozenset(end for place in places for end in matching.ends(self.part, place))


class Pattern:
    """A regular expression."""

    def __init__(self, text: str) -> None:
        """Reads it.

        Args:
            text: The expression.

        Raises:
            ValueError: It is longer than a name needs, damaged, or uses what is not understood.
        """
        if len(text) > _LONGEST:
            raise ValueError(f"it has {len(text):,} letters, more than {_LONGEST:,}")
        self._root = _Reader(text).whole()

    def is_whole(self, name: str) -> bool:
        """Whether it describes the whole name, as `re.fullmatch` has it."""
        return len(name) in _Matching(name).ends(self._root, 0)

    def is_tail(self, name: str) -> bool:
        """Whether it describes the name, or what follows one of its dots to the end."""
        matching = _Matching(name)
        starts = [0, *(place + 1 for place, letter in enumerate(name) if letter == ".")]
        return any(len(name) in matching.ends(self._root, start) for start in starts)


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0
        self.n_repeats = 0

    def whole(self) -> _Part:
        part = self.choice()
        if self.place < len(self.text):
            raise ValueError("a bracket is closed that was not opened")
        return part

    def peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def take(self) -> str:
        letter = self.peek()
        if not letter:
            raise ValueError("it ends in the middle")
        self.place += 1
        return letter

    def takes(self, wanted: str) -> bool:
        """Whether `wanted` comes next; it is then taken."""
        is_next = self.text.startswith(wanted, self.place)
        self.place += len(wanted) * is_next
        return is_next

    def choice(self) -> _Part:
        rows = [self.row()]
        while self.takes("|"):
            rows.append(self.row())
        return rows[0] if len(rows) == 1 else _Choice(rows)

    def row(self) -> _Part:
        row = _Row()
        while self.peek() and self.peek() not in "|)":
            row.parts.append(self.repeated(self.single()))
        return row

    def single(self) -> _Part:
        letter = self.take()
        if letter in "*+?{":
            raise ValueError(f"{letter!r} repeats nothing")
        if letter == "(":
            return self.group()
        if letter in "^$":
            return _Place(is_end=letter == "$")
        return _One(self.letter_of(letter))

    def letter_of(self, letter: str) -> Callable[[str], bool]:
        """What a sign that stands for one letter accepts."""
        match letter:
            case "[":
                return self.letters()
            case ".":
                return lambda one: one != "\n"
            case "\\":
                return self.escaped()
            case _:
                return letter.__eq__

    def group(self) -> _Part:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError("its groups are too deep")
        if self.takes("?P<"):
            while self.take() != ">":
                pass
        elif self.takes("?") and not self.takes(":"):
            raise ValueError("it looks ahead or behind, which is not understood here")
        part = self.choice()
        if not self.takes(")"):
            raise ValueError("a bracket is not closed")
        self.depth -= 1
        return part

    def escaped(self) -> Callable[[str], bool]:
        letter = self.take()
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter.isalnum():
            raise ValueError(f"it uses '\\{letter}', which is not understood here")
        return letter.__eq__

    def letters(self) -> Callable[[str], bool]:
        """A set in brackets."""
        is_negative = self.takes("^")
        tests: list[Callable[[str], bool]] = []
        while not tests or self.peek() != "]":
            letter = self.take()
            if letter == "\\":
                tests.append(self.escaped())
            elif self.peek() == "-" and self.text[self.place + 1 : self.place + 2] not in {"", "]"}:
                self.take()
                last = self.take()
                if last == "\\":
                    raise ValueError("a range ends in an escaped sign, which is not understood")
                tests.append(lambda one, low=letter, high=last: low <= one <= high)  # type: ignore[misc]
            else:
                tests.append(letter.__eq__)
        self.take()
        return lambda one: any(test(one) is True for test in tests) is not is_negative

    def repeated(self, part: _Part) -> _Part:
        least: int
        most: int | None
        match self.peek():
            case "*":
                least, most = 0, None
            case "+":
                least, most = 1, None
            case "?":
                least, most = 0, 1
            case "{":
                least, most = self.counts()
            case _:
                return part
        self.take()
        self.takes("?")  # lazy: the same names are described
        if self.peek() and self.peek() in "*+?{":
            raise ValueError("a repetition is repeated")
        self.n_repeats += max(least, 1)
        if self.n_repeats > _MOST_REPEATS:
            raise ValueError(f"it repeats more than {_MOST_REPEATS} times")
        return _Repeat(part, least, most)

    def counts(self) -> tuple[int, int | None]:
        """The numbers in braces; their end is left to be taken."""
        end = self.text.find("}", self.place)
        low, comma, high = self.text[self.place + 1 : max(end, 0)].partition(",")
        if end < 0 or not all(number.isdecimal() for number in (low, high or "0") if number):
            raise ValueError("the braces of a repetition hold no numbers")
        self.place = end
        least = int(low or 0)
        most = None if comma and not high else int(high or low or 0)
        if most is not None and most < least:
            raise ValueError("a repetition has numbers in the wrong order")
        return least, most
