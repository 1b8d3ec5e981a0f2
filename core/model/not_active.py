"""What a method says that would make something active for a whole model."""

from __future__ import annotations

__all__ = ["not_active"]


def not_active(what: str, argument: str) -> str:
    """Why nothing can be made active: for the error of a method that would.

    Args:
        what: "adapter" or "head".
        argument: What a call says in its place.
    """
    return (
        f"no {what} is active for the model as a whole, since many callers share it; name it in "
        f"each call: model(..., {argument})."
    )
