"""Several adapters in one: named, trained and saved as one."""

import pytest
import torch

from polyhead import Stack
from polyhead.adapters import BottleneckConfig, FusionConfig, LoraConfig
from polyhead.composition.union import UnionAdapter
from polyhead.composition.union_config import UnionConfig
from polyhead.contracts import NO_TAPS, AdapterConfig, SideAdapter
from polyhead.errors import ConfigError, UnknownKindError
from polyhead.registry import registry
from polyhead.testing import AdapterConformance
from polyhead.testing.registration import registered

IDS = torch.tensor([[2, 7, 9, 3, 0], [2, 11, 8, 4, 3]])
MASK = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]])


def union(text):
    return registry().adapter_config(text)


class TestUnionAdapter(AdapterConformance):
    adapter = UnionAdapter
    configs = (
        union("prefix_tuning[prefix_length=3,bottleneck_size=8]|par_bn"),
        union("seq_bn[use_gating=true,dropout=0.1]|lora[r=2,alpha=2,use_gating=true]|ia3"),
        union("prompt_tuning[prompt_length=2]|seq_bn_inv[leave_out=(1,)]|loreft"),
        union("lora[r=2]|seq_bn_inv"),
    )


class BesideConfig(AdapterConfig):
    """Of an adapter that only reads."""


class Beside(SideAdapter):
    kind = "beside"
    Config = BesideConfig

    def read(self, layers, packing):
        return layers[-1]


# ---------------------------------------------------------------------------------------- configs


def test_a_string_with_bars_is_a_union_of_its_parts():
    config = union("lora[r=2] | seq_bn[leave_out=(1,)]")
    assert config == UnionConfig(parts=("lora[r=2]", "seq_bn[leave_out=(1,)]"))
    assert [type(part) for part in config.parts] == [LoraConfig, BottleneckConfig]
    assert (config.parts[0].r, config.parts[1].leave_out) == (2, (1,))


def test_parts_are_strings_configs_or_mappings():
    lora = LoraConfig(r=2)
    by_string, by_value, by_fields = (
        UnionConfig(parts=(part, "ia3")) for part in ("lora[r=2]", lora, {"kind": "lora", "r": 2})
    )
    assert by_string == by_value == by_fields


def test_unions_in_unions_are_one():
    flat = union("lora[r=2]|seq_bn|ia3")
    assert UnionConfig(parts=(union("lora[r=2]|seq_bn"), "ia3")) == flat
    assert UnionConfig(parts=("lora[r=2]", "seq_bn|ia3")) == flat
    assert UnionConfig(parts=(flat,)) == flat
    assert len(union("mam|unipelt").parts) == 5
    nested = {"kind": "union", "parts": ["seq_bn", {"kind": "ia3"}]}
    assert UnionConfig(parts=({"kind": "lora", "r": 2}, nested)) == flat


def test_a_union_is_written_with_every_field_and_read_again():
    config = union("mam|lora[rank_pattern={'2.q': 2}]")
    written = config.model_dump(mode="json")
    assert [part["kind"] for part in written["parts"]] == ["prefix", "bottleneck", "lora"]
    assert set(written["parts"][2]) == {"kind", *LoraConfig.model_fields}
    assert UnionConfig.model_validate(written) == config
    assert UnionConfig.model_validate_json(config.model_dump_json()) == config


def test_presets_are_the_unions_of_the_papers():
    prefix, parallel = union("mam").parts
    assert (prefix.bottleneck_size, prefix.prefix_length) == (800, 30)
    assert parallel == registry().adapter_config("par_bn")
    prefix, bottleneck, lora = union("unipelt").parts
    assert (prefix.prefix_length, prefix.use_gating) == (10, True)
    assert bottleneck == registry().adapter_config("seq_bn[use_gating=true]")
    assert (lora.alpha, lora.use_gating, lora.r) == (2, True, 8)
    assert {"mam", "unipelt"} <= registry().adapter_presets().keys()


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("seq_bn|", UnknownKindError, r"no adapter kind 'seq_bn\|'"),
        ("|seq_bn", ConfigError, "is not a config string"),
        ("seq_bn||lora", ConfigError, "is not a config string"),
        ("|", UnknownKindError, r"no adapter kind '\|'"),
        ("seq_bn|lorra", ConfigError, "Did you mean 'lora'"),
        ("seq_bn|lora[rank=2]", ConfigError, "unknown field 'rank'"),
        ("seq_bn|lora[r=0]", ConfigError, "r: "),
        ("seq_bn|lora[r=2", ConfigError, "is not a config string"),
        ("union", ConfigError, "parts"),
        ("union[parts=()]", ConfigError, "parts"),
        ("union[parts=seq_bn]", ConfigError, "give a list of configurations"),
        ("union[parts=(3,)]", ConfigError, "not int"),
        ("|".join(["ia3"] * 17), ConfigError, "parts"),
        ("lora|union[parts=(" + "ia3," * 16 + ")]", ConfigError, "parts"),
    ],
)
def test_strings_that_make_no_union_are_refused_in_one_sentence(text, error, reason):
    with pytest.raises(error, match=reason) as caught:
        union(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({}, "needs a field 'kind'"),
        ({"r": 2}, "needs a field 'kind'"),
        ({"kind": 3}, "needs a field 'kind'"),
        ({"kind": "lorra"}, "no adapter kind 'lorra'"),
        ({"kind": "lora", "rank": 2}, "unknown field 'rank'"),
        ({"kind": "lora", "r": -1}, "r: "),
        ({"kind": "union", "parts": []}, "parts"),
        (None, "not NoneType"),
        (["lora"], "not list"),
    ],
    ids=str,
)
def test_parts_that_are_none_are_refused_by_name(part, reason):
    with pytest.raises(ValueError, match=reason):
        UnionConfig(parts=("seq_bn", part))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seq_bn|seq_bn[leave_out=(7,)]", "leave_out names layer 7"),
        ("lora|seq_bn[leave_out=(0,1,2)]", "leave at least one"),
    ],
)
def test_a_part_that_does_not_fit_the_encoder_is_refused(tiny_model, text, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny_model.add_adapter("new", text)
    assert not tiny_model.adapters


def test_what_does_not_act_inside_the_encoder_by_itself_is_no_part(tiny_model):
    tiny_model.add_adapter("a")
    tiny_model.add_adapter("b")
    with registered(Beside):
        for part in (BesideConfig(), FusionConfig.dynamic("a", "b")):
            with pytest.raises(ConfigError, match="cannot be part of a union: it does not act"):
                tiny_model.add_adapter("new", UnionConfig(parts=("seq_bn", part)))
    assert list(tiny_model.adapters) == ["a", "b"]


# ----------------------------------------------------------------------------------- what it does


def test_a_union_computes_what_a_stack_of_its_parts_does(tiny_model, shake):
    texts = ["prompt_tuning[prompt_length=2]", "seq_bn_inv", "lora[r=2]", "prefix_tuning_flat"]
    for number, text in enumerate(texts):
        tiny_model.add_adapter(str(number), text)
        shake(tiny_model.adapters[str(number)], seed=number)
    tiny_model.add_adapter("all", "|".join(texts))
    own = tiny_model.adapters["all"].parts
    for number, part in enumerate(own):
        part.load_state_dict(tiny_model.adapters[str(number)].state_dict())
    with torch.no_grad():
        found, expected = (
            tiny_model(IDS, MASK, adapter_names=setup, head=None).last_hidden_state
            for setup in ("all", Stack("0", "1", "2", "3"))
        )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_parts_that_change_nothing_at_first_make_a_union_that_does_not(tiny_model):
    tiny_model.add_adapter("new", "lora[r=2]|par_bn|ia3")
    with torch.no_grad():
        fresh, bare = (
            tiny_model(IDS, MASK, adapter_names=name).last_hidden_state for name in ("new", None)
        )
    torch.testing.assert_close(fresh, bare, atol=1e-6, rtol=0)


def test_its_tensors_are_called_by_the_number_of_the_part(tiny_model):
    tiny_model.add_adapter("new", "lora[r=2,modules=(q,)]|ia3[outputs=(k,)]")
    state = tiny_model.adapters["new"].state_dict()
    assert {name.split(".")[1] for name in state} == {"0", "1"}
    assert "parts.0.q.2.up" in state
    assert all(name.startswith("parts.") for name in state)


def test_a_layer_where_no_part_acts_is_left_alone(tiny_model):
    tiny_model.add_adapter("new", "seq_bn[leave_out=(0,1)]|par_bn[leave_out=(0,2)]")
    taps = [tiny_model.adapters["new"].taps(layer) for layer in range(3)]
    assert taps[0] is NO_TAPS
    assert taps[1].ffn is not None
    assert tiny_model.adapters["new"].embeddings_tap() is None


def test_penalties_of_the_parts_add_up(tiny_model):
    tiny_model.add_adapter("none", "lora|seq_bn")
    assert tiny_model.adapters["none"].penalty() is None

    def penalty(number):
        return lambda: torch.tensor(number)

    first, second = tiny_model.adapters["none"].parts
    first.penalty = penalty(2.0)
    assert tiny_model.adapters["none"].penalty() == 2.0
    second.penalty = penalty(0.5)
    assert tiny_model.adapters["none"].penalty() == 2.5


def test_a_part_starts_from_the_encoders_weights_where_it_needs_them(tiny_model):
    """DoRA's magnitudes are the lengths of the encoder's own rows."""
    tiny_model.add_adapter("new", "seq_bn|dora[r=2,modules=(q,)]")
    magnitude = tiny_model.adapters["new"].state_dict()["parts.1.q.0.magnitude"]
    weight = tiny_model.encoder.projection(0, "q").weight
    torch.testing.assert_close(magnitude, weight.norm(dim=1))


def test_linear_parts_are_merged_one_after_the_other(tiny_model, shake):
    tiny_model.add_adapter("linear", "lora[r=2]|ia3[inputs=()]|lora[r=3,modules=(v,)]")
    shake(tiny_model.adapters["linear"])
    merged = type(tiny_model)(tiny_model.merged_encoder("linear"))
    with torch.no_grad():
        found = merged(IDS, MASK, head=None).last_hidden_state
        expected = tiny_model(IDS, MASK, adapter_names="linear").last_hidden_state
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    tiny_model.add_adapter("mixed", "lora|seq_bn")
    with pytest.raises(ConfigError, match="mixed"):
        tiny_model.merged_encoder("mixed")


def test_a_weights_neutral_value_is_that_of_its_part(tiny_model):
    tiny_model.add_adapter("new", "lora|ia3")
    adapter = tiny_model.adapters["new"]
    assert adapter.neutral("parts.0.q.0.up") == 0.0
    name = next(name for name in adapter.state_dict() if name.startswith("parts.1."))
    assert adapter.neutral(name) == 1.0


def test_unions_are_averaged_where_all_parts_can_be(tiny_model, shake):
    for number, name in enumerate(("a", "b")):
        tiny_model.add_adapter(name, "ia3|seq_bn")
        shake(tiny_model.adapters[name], seed=number)
    tiny_model.average_adapters("mean", {"a": 0.5, "b": 0.5})
    for name, weight in tiny_model.adapters["mean"].state_dict().items():
        both = [tiny_model.adapters[one].state_dict()[name] for one in ("a", "b")]
        torch.testing.assert_close(weight, (both[0] + both[1]) / 2)
    for name in ("c", "d"):
        tiny_model.add_adapter(name, "seq_bn|lora")
    with pytest.raises(ConfigError, match="negative share"):
        tiny_model.average_adapters("less", {"c": 1.0, "d": -1.0})


def test_a_union_comes_back_from_its_file(tiny_model, make_model, tmp_path, shake):
    for name in ("mam", "unipelt"):
        tiny_model.add_adapter(name, name)
        shake(tiny_model.adapters[name])
        path = tiny_model.save_adapter(name, tmp_path / name)
        other = make_model()
        other.load_adapter(path)
        assert other.adapters[name].config == tiny_model.adapters[name].config
        theirs = other.adapters[name].state_dict()
        for key, weight in tiny_model.adapters[name].state_dict().items():
            assert torch.equal(theirs[key], weight)
