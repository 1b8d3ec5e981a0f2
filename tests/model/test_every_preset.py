"""Every preset and kind: saved and loaded bit by bit, and no field taken that has no meaning."""

import pytest
import torch
from pydantic import ValidationError

from polyhead.errors import ConfigError
from polyhead.registry import registry

FITTING = {
    "compacter": "compacter[reduction_factor=4]",  # its rank must be divisible by phm_dim
    "compacter++": "compacter++[reduction_factor=4]",
    "adapter_plus": "adapter_plus[reduction_factor=8]",
}
PRESETS = sorted(registry().adapter_presets())
KINDS = [kind for kind in registry().adapter_kinds() if kind not in {"union", "fusion"}]
IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])


def test_all_kinds_of_the_papers_are_there():
    assert {
        *("seq_bn", "double_seq_bn", "par_bn", "scaled_par_bn", "seq_bn_inv", "double_seq_bn_inv"),
        *("compacter", "compacter++", "adapter_plus", "lora", "rslora", "dora", "ia3"),
        *("prefix_tuning", "prefix_tuning_flat", "prompt_tuning", "loreft", "noreft", "direft"),
        *("mam", "unipelt", "pfeiffer", "houlsby", "pfeiffer+inv", "houlsby+inv"),
    } <= set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_back_bit_by_bit(make_model, shake, tmp_path, name):
    model = make_model()
    model.add_adapter("mine", FITTING.get(name, name))
    shake(model.adapters["mine"])
    model.save_adapter("mine", tmp_path)
    other = make_model()
    other.load_adapter(tmp_path)
    own, loaded = model.adapters["mine"], other.adapters["mine"]
    assert loaded.config == own.config
    assert type(loaded) is type(own)
    assert own.state_dict().keys() == loaded.state_dict().keys()
    with torch.no_grad():
        expected = model(IDS, adapter_names="mine", head=None).last_hidden_state
        found = other(IDS, adapter_names="mine", head=None).last_hidden_state
        bare = model(IDS, adapter_names=None, head=None).last_hidden_state
    assert torch.equal(found, expected)
    assert not torch.allclose(expected, bare, atol=1e-3)


@pytest.mark.parametrize("name", PRESETS)
def test_a_field_that_is_not_there_is_refused_by_name(name):
    with pytest.raises(ConfigError, match="unknown field 'no_such_field'"):
        registry().adapter_config(f"{name}[no_such_field=1]")


FIELDS = [(kind, name) for kind in KINDS for name in registry().adapter(kind).Config.model_fields]


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_field_with_nonsense_is_refused_by_name(kind, name):
    config = registry().adapter_config("seq_bn" if kind == "bottleneck" else kind)
    values = [{"no": object()}, float("nan"), float("inf")]
    values += [] if name == "scaling" else [-(2**70)]  # a scaling may be any number
    for nonsense in values:
        with pytest.raises(ValidationError) as caught:
            type(config)(**{**config.model_dump(), name: nonsense})
        assert name in str(caught.value)
