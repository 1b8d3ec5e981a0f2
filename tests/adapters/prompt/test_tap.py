import pytest
import torch

from polyhead.adapters import PromptConfig
from polyhead.adapters.prompt.tap import PromptTap
from polyhead.batch import Packing

PACKING = Packing((4, 1, 6))


def tap_of(**fields):
    return PromptTap(PromptConfig(prompt_length=3, **fields), 8, None)


def test_a_prompt_comes_in_front_of_each_row():
    tap, embeddings = tap_of(), torch.randn(11, 8)
    entered, packing = tap.enter(embeddings, PACKING)
    expected = [part for row in embeddings.split(PACKING.lengths) for part in (tap.weight, row)]
    assert packing == Packing((7, 4, 9))
    assert torch.equal(entered, torch.cat(expected))


def test_a_prompt_comes_behind_each_rows_first_token():
    tap, embeddings = tap_of(combine="prefix_after_bos"), torch.randn(11, 8)
    entered, packing = tap.enter(embeddings, PACKING)
    expected = [
        part for row in embeddings.split(PACKING.lengths) for part in (row[:1], tap.weight, row[1:])
    ]
    assert packing == Packing((7, 4, 9))
    assert torch.equal(entered, torch.cat(expected))


@pytest.mark.parametrize("combine", ["prefix", "prefix_after_bos"])
def test_what_entered_leaves_as_it_was(combine):
    tap, embeddings = tap_of(combine=combine), torch.randn(11, 8)
    left, packing = tap.leave(*tap.enter(embeddings, PACKING))
    assert packing == PACKING
    assert torch.equal(left, embeddings)


@pytest.mark.parametrize("combine", ["prefix", "prefix_after_bos"])
def test_heads_may_read_the_prompts_first_row_in_the_place_of_the_first_token(combine):
    tap, embeddings = tap_of(combine=combine, cls="prompt"), torch.randn(11, 8)
    left, packing = tap.leave(*tap.enter(embeddings, PACKING))
    expected = embeddings.clone()
    expected[list(PACKING.starts[:-1])] = tap.weight[0].detach()
    assert packing == PACKING
    assert torch.equal(left, expected)


@pytest.mark.parametrize("cls", ["token", "prompt"])
def test_no_rows_have_no_prompts(cls):
    tap = tap_of(cls=cls)
    entered, packing = tap.enter(torch.zeros(0, 8), Packing(()))
    assert (entered.shape, packing) == ((0, 8), Packing(()))
    left, packing = tap.leave(entered, packing)
    assert (left.shape, packing) == ((0, 8), Packing(()))


def test_gradients_of_all_rows_add_up_in_the_prompt():
    tap = tap_of()
    entered, _ = tap.enter(torch.randn(11, 8), PACKING)
    entered.sum().backward()
    assert torch.equal(tap.weight.grad, torch.full((3, 8), 3.0))


def test_a_random_prompt_lies_within_its_scale():
    torch.manual_seed(0)
    weight = PromptTap(PromptConfig(prompt_length=100, random_uniform_scale=2.0), 8, None).weight
    assert 1.9 < float(weight.detach().abs().max()) <= 2
    assert abs(float(weight.detach().mean())) < 0.2
