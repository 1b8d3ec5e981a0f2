"""HTML that is safe by construction: whatever is not an element already is escaped."""

from __future__ import annotations

from html import escape
from typing import Self

__all__ = ["Markup", "element", "joined"]


class Markup(str):
    """A text that is HTML; only this module makes one."""

    __slots__ = ()

    @classmethod
    def of(cls, content: object) -> Self:
        """`content` itself where it is HTML already, else its text, escaped."""
        return content if isinstance(content, cls) else cls(escape(str(content)))


def element(name: str, *content: object, **attributes: object) -> Markup:
    """An element around `content`.

    Args:
        name: Of the element; never from outside.
        content: Elements, and texts to be escaped.
        attributes: Their names with "_" for "-" and one at the end of a Python keyword; values are
            escaped. One that is None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{joined(*content)}</{name}>")


def joined(*content: object) -> Markup:
    """Elements and texts one after the other, the texts escaped."""
    return Markup("".join(Markup.of(part) for part in content))
