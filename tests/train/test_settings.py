import pytest
from pydantic import ValidationError

from polyhead.contracts import Recipe
from polyhead.errors import ConfigError
from polyhead.train import TrainSettings


def test_defaults_are_those_of_the_command_line():
    assert TrainSettings().model_dump() == {
        "epochs": 3,
        "lr": 1e-3,
        "head_lr": None,
        "batch_size": 32,
        "seed": 0,
        "warmup_ratio": 0.1,
        "weight_decay": 0.0,
        "patience": None,
        "max_grad_norm": 1.0,
        "activation_cache": 2.0,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"lr": 0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"batch_size": 0},
        {"seed": -1},
        {"seed": 2**63},
        {"warmup_ratio": 1.1},
        {"weight_decay": -0.1},
        {"patience": 0},
        {"max_grad_norm": 0},
        {"activation_cache": -0.5},
        {"learning_rate": 1e-3},
    ],
)
def test_a_setting_out_of_bounds_is_refused(wrong):
    with pytest.raises(ValidationError):
        TrainSettings(**wrong)


def test_every_setting_is_described():
    assert all(field.description for field in TrainSettings.model_fields.values())


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        TrainSettings().epochs = 5


def test_a_recipe_gives_what_is_not_given():
    recipe = Recipe(epochs=7, lr=2e-3, head_lr=1e-2, batch_size=8)
    assert TrainSettings.of(recipe, lr=None, seed=3) == TrainSettings(
        epochs=7, lr=2e-3, head_lr=1e-2, batch_size=8, seed=3
    )
    assert TrainSettings.of(recipe, epochs=1).epochs == 1


def test_a_setting_that_is_out_of_range_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"the training settings: epochs: .* \(got 0\)"):
        TrainSettings.of(Recipe(), epochs=0)
