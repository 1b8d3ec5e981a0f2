import torch

from polyhead.encoder.tensor_writes import n_writes


def test_writes_in_place_are_counted():
    tensor = torch.zeros(2)
    before = n_writes(tensor)
    tensor.add_(1)
    tensor[0] = 3
    assert n_writes(tensor) == before + 2


def test_of_tensors_made_in_inference_mode_none_are():
    with torch.inference_mode():
        tensor = torch.zeros(2).add_(1)
    assert n_writes(tensor) == 0
