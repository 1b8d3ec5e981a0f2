import pytest
from pydantic import ConfigDict, Field, field_serializer, field_validator, model_validator

from polyhead.heads import ClassificationHeadConfig

FROZEN = "test_its_config_is_frozen_and_refuses_unknown_fields"


def with_config(good_head, config_class):
    class Broken(good_head):
        Config = config_class

    return Broken


def test_a_config_that_another_class_has_too_is_found(good_head, fails):
    match = "Broken cannot be registered. .* give it a subclass of its own"
    fails(with_config(good_head, ClassificationHeadConfig), FROZEN, match)


def test_a_config_that_can_be_changed_is_found(good_head, fails):
    class Changing(good_head.Config):
        model_config = ConfigDict(frozen=False)

    match = "Changing can be changed; leave `frozen=True` in its model_config"
    fails(with_config(good_head, Changing), FROZEN, match)


def test_a_config_that_takes_unknown_fields_is_found(good_head, fails):
    class Open(good_head.Config):
        model_config = ConfigDict(extra="ignore")

    class Dropping(good_head.Config):
        @model_validator(mode="before")
        @classmethod
        def _known(cls, fields):
            return {name: value for name, value in fields.items() if name in cls.model_fields}

    for config in (Open, Dropping):
        match = f"{config.__name__} takes fields that it does not have; leave `extra='forbid'`"
        fails(with_config(good_head, config), FROZEN, match)


def test_a_field_without_description_is_found(good_head, fails):
    class Silent(good_head.Config):
        size: int = 1

    match = r"these fields of Silent have no description: size; write Field\(..., description"
    broken = with_config(good_head, Silent)
    fails(broken, "test_every_field_of_its_config_is_described", match)


def test_a_config_that_json_changes_is_found(good_head, fails):
    class Growing(good_head.Config):
        size: int = Field(default=1, description="It grows whenever it is read.")

        @field_validator("size")
        @classmethod
        def _more(cls, size):
            return size + 1

    match = "Growing comes back from JSON as another one: .*size=3.* in place of .*size=2"
    fails(with_config(good_head, Growing), "test_its_config_survives_json", match)


def test_a_config_that_cannot_be_read_again_is_found(good_head, fails):
    class Wordy(good_head.Config):
        size: int = Field(default=1, description="Written as a word.")

        @field_serializer("size")
        def _word(self, size):
            return f"size {size}"

    match = "Wordy cannot be read back from the JSON it is saved as; a validator has to take what"
    fails(with_config(good_head, Wordy), "test_its_config_survives_json", match)


def test_a_config_without_schema_is_found(good_head, fails):
    class Odd(good_head.Config):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        thing: type(iter(())) | None = Field(default=None, description="Nothing JSON knows.")

    match = "Odd has no JSON schema; use types that pydantic describes"
    fails(with_config(good_head, Odd), "test_its_config_survives_json", match)


@pytest.mark.parametrize("value", ["as it is", 7])
def test_a_config_string_that_is_not_understood_is_found(good_head, fails, value):
    class Picky(good_head.Config):
        word: str | int = Field(default="", description="Not to be written in a config string.")

        @field_validator("word")
        @classmethod
        def _changed(cls, word):
            if word == value == 7:
                raise ValueError("not 7 again")
            return 7 if value == 7 else f"{word}!"

    config = Picky.model_construct(labels=("no", "yes"), word=value)
    match = (
        "is not understood; a field's type or validator has to take numbers, texts"
        if value == 7
        else r"the config string \"under_test\[.*word='as it is'.* makes .*word='as it is!'"
    )
    broken = with_config(good_head, Picky)
    fails(broken, "test_its_config_can_be_written_as_a_string", match, config=config)


def test_a_config_string_of_an_adapter_is_read_by_its_kind(good_adapter, check_adapter):
    check_adapter(good_adapter, "test_its_config_can_be_written_as_a_string")
