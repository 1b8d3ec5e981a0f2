"""JSON schemas of what a kind of head is asked and answers."""

from __future__ import annotations

import inspect
import re
import sys
from functools import lru_cache
from typing import Any, TypeGuard

from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from polyhead.contracts import Head, Prediction

__all__ = ["schemas_of"]

_LIST = re.compile(r"list\[([\w.]+)\]", re.IGNORECASE)


@lru_cache(maxsize=256)
def schemas_of(head_class: type[Head]) -> dict[str, Any]:
    """The schema of an "example", and of a "prediction" where the class tells what that is."""
    found = {"example": head_class.Example, "prediction": _prediction_class(head_class)}
    schemas = {}
    for what, cls in found.items():
        try:
            if cls is not None:
                schemas[what] = cls.model_json_schema()
        except (PydanticInvalidForJsonSchema, PydanticUserError):
            continue  # a plugin's own types, which JSON schema cannot say
    return schemas


def _prediction_class(head_class: type[Head]) -> type[Prediction] | None:
    """The class that `decode` says it returns a list of, or the only one where it is defined."""
    owner = next(cls for cls in head_class.__mro__ if "decode" in cls.__dict__)
    module = sys.modules.get(owner.__module__)
    annotation = inspect.get_annotations(owner.__dict__["decode"]).get("return")
    named = _LIST.fullmatch(str(annotation))
    found = getattr(module, named[1].rpartition(".")[2], None) if named else None
    if _is_own(found):
        return found
    for place in (module, sys.modules.get(owner.__module__.rpartition(".")[0])):
        known = [] if place is None else [one for one in vars(place).values() if _is_own(one)]
        if known:
            return known[0] if len(known) == 1 else None
    return None


def _is_own(found: object) -> TypeGuard[type[Prediction]]:
    is_prediction = isinstance(found, type) and issubclass(found, Prediction)
    return is_prediction and found is not Prediction
