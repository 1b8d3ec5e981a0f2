"""What plugins raise becomes an error of polyhead, told in one line."""

import weakref

import pytest

from polyhead.errors import ContractError, DataError, EngineError, InputError, NonFiniteError
from polyhead.serve.failures import FAILURES, told


@pytest.mark.parametrize("error", [ContractError("x"), NonFiniteError("x")])
def test_errors_of_polyhead_are_told_as_they_are(error):
    assert told("a", error) is error


@pytest.mark.parametrize("error", [InputError("too long", index=4), DataError("a.txt", "too long")])
def test_an_input_error_counts_no_examples(error):
    found = told("a", error)
    assert type(found) is InputError
    assert (found.reason, found.index) == (error.reason, None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("x"), "the task 'a' could not be computed: KeyError: 'x'"),
        (MemoryError(), "the task 'a' could not be computed: MemoryError"),
        (SystemExit(2), "the task 'a' could not be computed: SystemExit: 2"),
        (ValueError("two\nlines"), "the task 'a' could not be computed: ValueError: two lines"),
    ],
)
def test_others_are_told_in_one_line(error, said):
    assert isinstance(error, FAILURES)
    found = told("a", error)
    assert type(found) is EngineError
    assert str(found) == said


def test_what_ends_a_thread_is_no_failure_of_a_plugin():
    assert not isinstance(KeyboardInterrupt(), FAILURES)
    assert not isinstance(GeneratorExit(), FAILURES)


def test_an_error_that_is_kept_holds_nothing_of_where_it_was_raised():
    class Big:
        """As a batch's tensors are."""

    def fail():
        big = Big()
        held.append(weakref.ref(big))
        raise KeyError(1)

    held = []
    try:
        try:
            fail()
        except KeyError as cause:
            raise ContractError("x") from cause
    except ContractError as error:
        kept = told("a", error)
    assert isinstance(kept.__cause__, KeyError)
    assert held[0]() is None
