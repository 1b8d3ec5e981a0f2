"""Before the first example comes, the encoder has run, and its pace is known."""

import pytest
import torch

from polyhead.serve.scheduling.pace import Pace
from polyhead.serve.warm_up import warm_up


@pytest.mark.parametrize("most_tokens", [64, 2048])
def test_it_learns_from_passes_of_several_sizes(model, passes, most_tokens):
    pace = Pace()
    before = pace.per_token_s, pace.fixed_s
    warm_up(model, pace, most_tokens)
    assert (pace.per_token_s, pace.fixed_s) != before
    sizes = [sum(rows) for rows in passes]
    assert len(set(sizes)) > 1
    assert max(sizes) <= most_tokens


def test_it_asks_no_head_and_no_adapter(model):
    def fail(*_):
        raise AssertionError("asked")

    for head in model.heads.values():
        head.forward = fail
    for adapter in model.adapters.values():
        adapter.taps = fail
    warm_up(model, Pace(), 2048)


def test_a_model_of_few_positions_is_warmed_up_too(make_model):
    warm_up(make_model(max_position_embeddings=4), Pace(), 64)


def test_a_model_without_tasks_and_without_a_tokenizer_is_warmed_up_too(make_model):
    model = make_model()
    model.tokenizer = None
    warm_up(model, Pace(), 64)


def test_it_leaves_the_mode_of_torch_alone(model):
    warm_up(model, Pace(), 64)
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
