"""Settings are checked, and what is wrong with them is said."""

import pytest

from polyhead.errors import ConfigError
from polyhead.serve import EngineSettings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"target_s": 0}, "target_s"),
        ({"target_s": float("inf")}, "target_s"),
        ({"max_batch_tokens": 63}, "max_batch_tokens"),
        ({"max_batch_tokens": 70.5}, "max_batch_tokens"),
        ({"max_wait_s": -1}, "max_wait_s"),
        ({"max_wait_s": float("nan")}, "max_wait_s"),
        ({"max_bulk_wait_s": 0}, "max_bulk_wait_s"),
        ({"max_waiting_bytes": 0}, "max_waiting_bytes"),
        ({"stall_s": 0}, "stall_s"),
        ({"failures_to_break": 0}, "failures_to_break"),
        ({"slow_head_s": "long"}, "slow_head_s"),
        ({"break_s": None}, "break_s"),
        ({"max_rows": 3}, "max_rows"),
    ],
)
def test_a_value_out_of_range_is_named(values, said):
    with pytest.raises(ConfigError, match=f"^not settings of an engine: .*{said}"):
        EngineSettings.of(**values)


def test_values_in_range_are_taken():
    assert EngineSettings.of(target_s=0.1, max_batch_tokens=64) == EngineSettings(
        target_s=0.1, max_batch_tokens=64
    )
    assert EngineSettings.of() == EngineSettings()


def test_every_setting_is_described():
    assert all(field.description for field in EngineSettings.model_fields.values())
