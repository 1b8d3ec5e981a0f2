import pytest
from pydantic import Field

from polyhead.errors import ConfigError
from polyhead.pipelines.options import PipelineOptions, TokenizerOptions, read_options


class Options(PipelineOptions):
    """Some."""

    top_k: int = Field(default=3, gt=0, description="How many.")


def test_options_tell_what_was_given():
    assert read_options(Options, {}, "it").has("top_k") is False
    given = read_options(Options, {"top_k": 3}, "it")
    assert given.has("top_k")
    assert given.top_k == 3


def test_unknown_options_are_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"^it takes no 'top_n'; it takes: top_k\. Did you mean"):
        read_options(Options, {"top_n": 2}, "it")


@pytest.mark.parametrize("value", [0, 2.0, "2", True, None], ids=repr)
def test_values_are_checked(value):
    with pytest.raises(ConfigError, match="top_k"):
        read_options(Options, {"top_k": value}, "it")


def test_arguments_of_the_tokenizer_are_those_given():
    options = read_options(TokenizerOptions, {"truncation": True, "max_length": None}, "it")
    assert options.arguments() == {"truncation": True, "max_length": None}


def test_arguments_are_not_mixed_with_other_options():
    class Both(TokenizerOptions):
        """More."""

        top_k: int = Field(default=3, description="How many.")

    options = read_options(Both, {"top_k": 2, "padding": True}, "it")
    assert options.arguments() == {"padding": True}
