"""A card that was made here is told from one that somebody wrote or changed."""

import pytest

from polyhead.artifact.card_seal import is_sealed, sealed

CARD = "# mood\n\nIt tells <!-- something --> of é🙂.\n"


def test_a_sealed_card_is_known_and_reads_the_same():
    assert is_sealed(sealed(CARD))
    assert sealed(CARD).startswith(CARD)
    assert sealed(CARD).splitlines()[-1].startswith("<!-- ")


def test_other_line_ends_are_no_change():
    assert is_sealed(sealed(CARD).replace("\n", "\r\n"))


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.replace("tells", "told"),
        lambda card: "Mine. " + card,
        lambda card: card + "\nAnd more.\n",
        lambda card: card.replace("<!-- Made", "<!-- Written"),
        lambda card: card[:-10],
        lambda card: card.split("<!-- Made")[0],
    ],
)
def test_a_changed_card_is_somebodys(change):
    assert not is_sealed(change(sealed(CARD)))


@pytest.mark.parametrize("card", ["", "# Mine\n", "<!-- Made by polyhead from the manifest: -->\n"])
def test_a_card_that_somebody_wrote_is_somebodys(card):
    assert not is_sealed(card)
