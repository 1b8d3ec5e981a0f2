import pytest
import torch
from transformers.activations import ACT2FN

from polyhead.contracts import ACTIVATIONS, activation_of, check_activation
from polyhead.errors import ConfigError


@pytest.mark.parametrize("name", sorted(ACTIVATIONS.keys() & ACT2FN.keys()))
def test_a_name_means_what_it_means_in_transformers(name):
    values = torch.linspace(-4, 8, 97)
    torch.testing.assert_close(ACTIVATIONS[name](values), ACT2FN[name](values))


def test_leakyrelu_is_the_name_the_adapters_library_uses():
    values = torch.tensor([-1.0, 2.0])
    assert torch.equal(activation_of("leakyrelu")(values), torch.tensor([-0.01, 2.0]))


def test_names_are_known_in_any_case():
    assert check_activation("GELU_new") == "gelu_new"
    assert activation_of("Swish") is ACTIVATIONS["swish"]


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"activation 'gleu': .*known: gelu, gelu_new") as caught:
        activation_of("gleu")
    assert all(name in str(caught.value) for name in ACTIVATIONS)
