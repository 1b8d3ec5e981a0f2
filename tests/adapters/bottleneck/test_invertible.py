import pytest
import torch
from torch import nn
from torch.nn import functional

from polyhead.adapters import BottleneckConfig
from polyhead.adapters.bottleneck.invertible import GlowCoupling, NiceCoupling
from polyhead.batch import Packing
from polyhead.heads import MaskedLMHeadConfig

PACKING = Packing((4, 1, 6))
KINDS = pytest.mark.parametrize("kind", [NiceCoupling, GlowCoupling])


def configured(factor=2):
    return BottleneckConfig(
        mh_adapter=False,
        output_adapter=True,
        reduction_factor=2,
        non_linearity="gelu",
        inv_adapter="nice",
        inv_adapter_reduction_factor=factor,
    )


def filled(kind, width=8, factor=2):
    coupling = kind(configured(factor), width, None)
    torch.manual_seed(0)
    for parameter in coupling.parameters():
        nn.init.normal_(parameter, std=0.5)
    return coupling


def network(subnet, values):
    inner = functional.gelu(values @ subnet.down.weight.T + subnet.down.bias)
    return inner @ subnet.up.weight.T + subnet.up.bias


def test_nice_adds_to_each_half_what_a_network_makes_of_the_other():
    coupling = filled(NiceCoupling)
    values = torch.randn(11, 8)
    left, right = values[:, :4], values[:, 4:]
    left = left + network(coupling.f, right)
    right = right + network(coupling.g, left)
    found, packing = coupling.enter(values, PACKING)
    torch.testing.assert_close(found, torch.cat([left, right], dim=1))
    assert packing is PACKING


def test_glow_scales_each_half_too():
    coupling = filled(GlowCoupling)
    values = torch.randn(11, 8)

    def mapped(subnet, half, other):
        result = network(subnet, other)
        scale = torch.exp(5 * 0.636 * torch.atan(result[:, :4] / 5))
        return scale * half + result[:, 4:]

    left = mapped(coupling.f, values[:, :4], values[:, 4:])
    right = mapped(coupling.g, values[:, 4:], left)
    found, _ = coupling.enter(values, PACKING)
    torch.testing.assert_close(found, torch.cat([left, right], dim=1))


@KINDS
@pytest.mark.parametrize("width", [8, 7, 2])
def test_the_map_can_be_undone_both_ways_round(kind, width):
    coupling = filled(kind, width).double()
    values = torch.randn(11, width, dtype=torch.float64)
    there, _ = coupling.enter(values, PACKING)
    assert (there - values).abs().max() > 0.1
    torch.testing.assert_close(coupling.inverted(there, PACKING), values)
    torch.testing.assert_close(
        coupling.enter(coupling.inverted(values, PACKING), PACKING)[0], values
    )


@KINDS
def test_hidden_states_leave_as_they_are(kind):
    values = torch.randn(11, 8)
    found, packing = filled(kind).leave(values, PACKING)
    assert found is values
    assert packing is PACKING


@KINDS
def test_what_is_given_is_not_written_into(kind):
    coupling = filled(kind)
    values = torch.randn(11, 8)
    kept = values.clone()
    coupling.enter(values, PACKING)
    coupling.inverted(values, PACKING)
    assert torch.equal(values, kept)


@KINDS
def test_no_rows_give_no_tokens(kind):
    coupling, nothing = filled(kind), torch.empty(0, 8)
    assert coupling.enter(nothing, Packing(()))[0].shape == (0, 8)
    assert coupling.inverted(nothing, Packing(())).shape == (0, 8)


@KINDS
def test_every_weight_takes_part_both_ways(kind):
    for way in (lambda tap, values: tap.enter(values, PACKING)[0], kind.inverted):
        coupling = filled(kind)
        values = torch.randn(11, 8)
        result = (
            way(coupling, values) if way is not kind.inverted else way(coupling, values, PACKING)
        )
        result.square().sum().backward()
        assert all(parameter.grad.any() for parameter in coupling.parameters())


@KINDS
def test_gradients_agree_with_finite_differences(kind):
    coupling = filled(kind).double()
    values = torch.randn(2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: coupling.enter(given, PACKING)[0], values)
    assert torch.autograd.gradcheck(lambda given: coupling.inverted(given, PACKING), values)


@KINDS
def test_first_weights_are_small_and_follow_their_generator(kind):
    one, other = (kind(configured(), 512, torch.Generator().manual_seed(3)) for _ in range(2))
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name])
        if name.endswith("bias"):
            assert not weight.any()
        else:
            assert weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_the_scale_of_glow_stays_within_its_limits():
    coupling = filled(GlowCoupling)
    scale, _ = coupling._affine(
        lambda values: torch.cat([values, values], dim=1), torch.tensor([[-1e9, 1e9, 0.0]])
    )
    assert scale[0, 2] == 1
    assert torch.exp(torch.tensor(-5.0)) < scale[0, 0] < 0.007
    assert 147 < scale[0, 1] < torch.exp(torch.tensor(5.0))


def test_each_row_is_mapped_and_mapped_back_by_its_own_adapter(make_model, shake):
    model = make_model()
    texts = (
        "seq_bn_inv",
        "par_bn[inv_adapter=glow,inv_adapter_reduction_factor=2]",
        "seq_bn_inv[mh_adapter=true]",
        "seq_bn",
    )
    for number, text in enumerate(texts):
        model.add_adapter("abcd"[number], text)
        shake(model.adapters["abcd"[number]], seed=number)
    model.add_head("words", MaskedLMHeadConfig(), adapter=None)
    shake(model.heads["words"])
    ids = torch.tensor([[2, 5, 6, 3]] * 6)
    names = ["c", "a", None, "b", "d", "a"]
    with torch.inference_mode():
        mixed = model(input_ids=ids, adapter_names=names, head="words").logits
        alone = [
            model(input_ids=ids[:1], adapter_names=name, head="words").logits[0] for name in names
        ]
    for one, other in zip(mixed, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    assert torch.equal(mixed[1], mixed[5])


def test_a_masked_language_model_reads_what_is_mapped_back(make_model, shake):
    model = make_model()
    model.add_adapter("a", "seq_bn_inv")
    adapter = shake(model.adapters["a"])
    model.add_head("words", MaskedLMHeadConfig(), adapter=None)
    head = shake(model.heads["words"], seed=1)
    ids = torch.tensor([[2, 5, 6, 3]])
    with torch.inference_mode():
        out = model(input_ids=ids, adapter_names="a", head="words")
        states = head.norm(head.activation(head.dense(out.last_hidden_state[0])))
        states = adapter.invertible.inverted(states, Packing((4,)))
        expected = states @ model.encoder.word_embeddings.weight.T + head.bias
    torch.testing.assert_close(out.logits[0], expected, atol=1e-5, rtol=1e-5)
