"""The linear layers of a head, as the `adapters` library counts them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HeadLayers"]


@dataclass(frozen=True)
class HeadLayers:
    """How many linear layers a head has there, and what stands between them.

    Attributes:
        number: Of the linear layers.
        activation: Its name, or None for none.
    """

    number: int
    activation: str | None

    def names(self) -> dict[str, str]:
        """For each of our tensors its name there: a place in a row, dropouts counted too."""
        step = 2 if self.activation is None else 3
        places = {f"dense.{n}": 1 + step * n for n in range(self.number - 1)}
        places["out"] = 1 + step * (self.number - 1)
        return {
            f"{ours}.{tensor}": f"{place}.{tensor}"
            for ours, place in places.items()
            for tensor in ("weight", "bias")
        }
