import pytest
import torch

from polyhead.testing import ConformanceError
from polyhead.testing.outputs import check_same


def values(*numbers):
    return {"logits": torch.tensor([numbers])}


def test_rounding_is_no_difference():
    check_same(values(1.0, -torch.inf), values(1.0 + 5e-6, -torch.inf), "They differ.")
    check_same(values(1000.0), values(1000.005), "They differ.")


def test_what_is_behind_the_expected_values_is_padding():
    check_same(values(1.0, 2.0, 7.0), values(1.0, 2.0), "They differ.")


@pytest.mark.parametrize(
    ("found", "expected", "match"),
    [
        (values(1.0), values(1.1), "They differ. logits differs by up to 1.0e-01"),
        (values(torch.nan), values(1.0), "differs by up to inf"),
        (values(1.0), values(torch.nan), "differs by up to inf"),
        (values(torch.inf), values(-torch.inf), "differs by up to inf"),
        (values(1.0), values(1.0, 2.0), r"shape \(1, 1\) and not a tensor of shape \(1, 2\)"),
        ({"logits": torch.ones(1)}, values(1.0), r"shape \(1,\) and not a tensor of shape \(1, 1"),
    ],
)
def test_differences_are_told_with_their_size(found, expected, match):
    with pytest.raises(ConformanceError, match=match):
        check_same(found, expected, "They differ.")
