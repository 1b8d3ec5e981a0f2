from unittest import SkipTest

import pytest

from polyhead.errors import ContractError
from polyhead.testing import ConformanceError
from polyhead.testing.failure import advising, require


def test_what_holds_is_no_failure():
    require(holds=True, message="never said")
    with pytest.raises(ConformanceError, match="it must be so"):
        require(holds=False, message="it must be so")


def test_a_failure_is_an_assertion_that_fails():
    assert issubclass(ConformanceError, AssertionError)


def test_advice_stands_in_front_of_what_was_raised():
    with pytest.raises(ConformanceError) as caught, advising("Do it otherwise."):
        raise ValueError("two\n  lines")
    assert str(caught.value) == "Do it otherwise. It raised ValueError: two lines"
    assert isinstance(caught.value.__cause__, ValueError)


def test_the_authors_own_error_is_told_in_the_place_of_ours():
    blamed = ContractError("forward failed. Report it to those who wrote it.")
    blamed.__cause__ = KeyError("x")
    with pytest.raises(ConformanceError, match=r"It raised KeyError: 'x'$"), advising("Mind it."):
        raise blamed


@pytest.mark.parametrize("error", [ConformanceError("as it is"), SkipTest("as it is")])
def test_failures_and_skips_pass_through(error):
    with pytest.raises(type(error), match=r"^as it is$"), advising("Not this."):
        raise error


def test_an_interrupt_is_no_failure_of_the_class():
    with pytest.raises(KeyboardInterrupt), advising("Not this."):
        raise KeyboardInterrupt
