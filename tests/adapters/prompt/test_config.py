import pytest

from polyhead.adapters import PromptConfig
from polyhead.contracts import validate_config
from polyhead.errors import ConfigError
from polyhead.registry import registry


def test_fields_default_as_in_the_adapters_library():
    assert PromptConfig().model_dump() == {
        "prompt_length": 10,
        "prompt_init": "random_uniform",
        "prompt_init_text": None,
        "random_uniform_scale": 0.5,
        "combine": "prefix",
        "cls": "token",
        "init_weights_seed": None,
    }
    assert registry().adapter_config("prompt_tuning") == PromptConfig()


def test_a_config_survives_json():
    config = PromptConfig(
        prompt_length=3,
        prompt_init="from_string",
        prompt_init_text="is it good, or bad?",
        combine="prefix_after_bos",
        cls="prompt",
        init_weights_seed=0,
    )
    assert PromptConfig.model_validate_json(config.model_dump_json()) == config


def test_a_config_string_reads_every_field():
    text = (
        "prompt_tuning[prompt_length=3,random_uniform_scale=2,combine=prefix_after_bos,cls=prompt,"
        "init_weights_seed=1]"
    )
    assert registry().adapter_config(text) == PromptConfig(
        prompt_length=3,
        random_uniform_scale=2.0,
        combine="prefix_after_bos",
        cls="prompt",
        init_weights_seed=1,
    )
    text = "prompt[prompt_init=from_string,prompt_init_text='good, or [bad]?']"
    assert registry().adapter_config(text).prompt_init_text == "good, or [bad]?"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt_length", 0),
        ("prompt_length", 10**9),
        ("prompt_length", 1.5),
        ("prompt_length", True),
        ("prompt_init", "zeros"),
        ("prompt_init_text", 5),
        ("prompt_init_text", ""),
        ("prompt_init_text", "a" * 100_000),
        ("random_uniform_scale", 0),
        ("random_uniform_scale", -1.0),
        ("random_uniform_scale", 1e9),
        ("random_uniform_scale", float("inf")),
        ("random_uniform_scale", "wide"),
        ("combine", "suffix"),
        ("cls", "mean"),
        ("init_weights_seed", -1),
        ("init_weights_seed", 2**63),
        ("no_such_field", 1),
    ],
)
def test_a_bad_value_is_refused_by_name(field, value):
    fields = {"prompt_init": "from_string"} if field == "prompt_init_text" else {}
    with pytest.raises(ConfigError, match=field) as caught:
        validate_config(PromptConfig, {**fields, field: value}, "adapter kind 'prompt'")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt_init": "from_string"}, "needs prompt_init_text"),
        ({"prompt_init_text": "good"}, "prompt_init_text needs prompt_init='from_string'"),
    ],
)
def test_a_text_and_a_start_from_it_go_together(fields, message):
    with pytest.raises(ConfigError, match=message):
        validate_config(PromptConfig, fields, "adapter kind 'prompt'")
