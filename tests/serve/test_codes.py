"""Every error has a code and a status."""

import pytest

from polyhead import errors
from polyhead.serve import code_of, status_of

EXPECTED = {
    errors.InputError("x"): ("invalid_input", 422),
    errors.DataError("a.jsonl", "x"): ("invalid_input", 422),
    errors.UnknownTaskError("a", [], ""): ("unknown_task", 404),
    errors.OverloadedError("x"): ("overloaded", 429),
    errors.UnavailableError("x"): ("unavailable", 503),
    errors.BrokenTaskError("x"): ("task_broken", 503),
    errors.ExpiredError("x"): ("expired", 504),
    errors.CancelledError("x"): ("cancelled", 499),
    errors.NonFiniteError("x"): ("non_finite", 500),
    errors.ContractError("x"): ("head_failed", 500),
    errors.ArtifactError("x"): ("damaged_task", 503),
    errors.BackboneMismatchError("x"): ("damaged_task", 503),
    errors.EngineError("x"): ("failed", 500),
    errors.UnknownAdapterError("a", [], ""): ("failed", 500),
    errors.PolyheadError("x"): ("failed", 500),
}


@pytest.mark.parametrize(("error", "expected"), EXPECTED.items(), ids=lambda it: type(it).__name__)
def test_an_error_has_the_code_and_the_status_of_its_kind(error, expected):
    assert (code_of(error), status_of(error)) == expected


def test_every_error_of_polyhead_has_a_code():
    kinds = [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.PolyheadError)
    ]
    assert len(kinds) > 30
    for kind in kinds:
        new = OSError.__new__ if issubclass(kind, OSError) else kind.__new__
        assert code_of(new(kind)).isidentifier()
