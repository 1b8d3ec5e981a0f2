"""The cards that go with a push: made from manifests, unless somebody wrote one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyhead.artifact import TASK_FILE, CardDetails, details_of, is_sealed, tasks_card
from polyhead.hub.contents import Contents
from polyhead.hub.layout import CARD_FILE, layout_of
from polyhead.hub.target import Target

__all__ = ["Card", "cards_for"]


@dataclass(frozen=True)
class Card:
    """One card.

    Attributes:
        path: Its path in the repository.
        text: What it says.
        is_kept: Whether the one that is there was written by hand and stays.
    """

    path: str
    text: str
    is_kept: bool


def cards_for(
    contents: Mapping[str, Contents], target: Target, details: CardDetails, *, overwrite: bool
) -> list[Card]:
    """A card for each folder, and one for the repository where none of them is its root.

    Args:
        contents: What is pushed, by folder.
        target: Where to.
        details: What their owner adds; what a card that was made here has already, it keeps.
        overwrite: Whether a card that somebody wrote on the hub may be replaced.
    """
    address = target.listing.address
    cards = [
        _card(
            address.path(f"{folder}/{CARD_FILE}" if folder else CARD_FILE),
            held,
            address.within(folder).rstrip("/"),
            target,
            details,
            overwrite=overwrite,
        )
        for folder, held in contents.items()
    ]
    if CARD_FILE not in {card.path for card in cards}:
        cards += _root_card(contents, target, details)
    return cards


def _card(
    path: str,
    held: Contents,
    address: str,
    target: Target,
    details: CardDetails,
    *,
    overwrite: bool,
) -> Card:
    there = target.text(path) if path in target.files else None
    is_ours = there is None or is_sealed(there)
    if there is not None and is_ours:
        details = details.over(details_of(there))
    text = held.make_card(address, details) if held.own_card is None else held.own_card
    return Card(path, text, is_kept=not (is_ours or overwrite or there == text))


def _root_card(
    contents: Mapping[str, Contents], target: Target, details: CardDetails
) -> list[Card]:
    """The card that lists the folders of tasks; none where somebody else's card is there."""
    there = target.text(CARD_FILE) if CARD_FILE in target.files else None
    if there is not None and not is_sealed(there):
        return []
    if there is not None:
        details = details.over(details_of(there))
    address = target.listing.address
    pushed = {address.path(f"{folder}/{TASK_FILE}".lstrip("/")) for folder in contents}
    layout = layout_of({*target.files, *pushed})
    if layout.kind != "tasks":
        return []
    return [
        Card(
            CARD_FILE,
            tasks_card(layout.folders, address=address.repo_id, details=details),
            is_kept=False,
        )
    ]
