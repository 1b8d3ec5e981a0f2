import pytest
from pydantic import ValidationError

from polyhead.train import TrainSettings


def test_defaults_are_those_of_the_command_line():
    assert TrainSettings().model_dump() == {
        "epochs": 3,
        "lr": 1e-3,
        "batch_size": 32,
        "seed": 0,
        "warmup_ratio": 0.1,
        "weight_decay": 0.0,
        "patience": None,
        "max_grad_norm": 1.0,
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
