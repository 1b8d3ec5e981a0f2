import math
import sys

import pytest
import torch

from polyhead.contracts import Encoded
from polyhead.errors import InputError
from polyhead.heads import MaskedLMExample
from polyhead.heads.masked_lm.metrics import MaskedLMMetrics


def metrics():
    """Over outputs that are the logits of all tokens."""
    return MaskedLMMetrics(lambda output, places: output[places])


def batch(*targets):
    example = MaskedLMExample(text="any")
    return [Encoded(example, (), torch.tensor(target)) for target in targets]


def test_only_asked_tokens_count():
    logits = torch.tensor([[9.0, 0.0], [2.0, 0.0], [0.0, 9.0], [0.0, 1.0]])
    found = metrics()
    found.update(logits, batch([-100, 0], [-100, 0]))
    loss = -(logits[1].log_softmax(0)[0] + logits[3].log_softmax(0)[0]).item() / 2
    assert found.compute() == {
        "perplexity": pytest.approx(math.exp(loss), rel=1e-5),
        "loss": pytest.approx(loss, rel=1e-5),
        "accuracy": 0.5,
    }


def test_the_batches_are_weighed_by_their_tokens():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 5, generator=generator)
    targets = torch.tensor([4, 0, 1, -100, 2, 3])
    whole, parts = metrics(), metrics()
    whole.update(logits, batch(targets.tolist()))
    parts.update(logits[:1], batch(targets[:1].tolist()))
    parts.update(logits[1:], batch(targets[1:3].tolist(), targets[3:].tolist()))
    assert parts.compute() == pytest.approx(whole.compute())


def test_more_tokens_than_are_read_at_once_are_all_read():
    read = []

    def project(output, places):
        read.append(len(places))
        return output[places]

    found = MaskedLMMetrics(project)
    logits = torch.zeros(2500, 2)
    logits[:, 1] = 1
    found.update(logits, batch([0] * 500 + [1] * 2000))
    assert sum(read) == 2500
    assert max(read) < 2500
    assert found.compute()["accuracy"] == 0.8


def test_a_perplexity_beyond_the_numbers_is_the_largest_of_them():
    found = metrics()
    found.update(torch.tensor([[0.0, 5000.0]]), batch([0]))
    assert found.compute()["perplexity"] == sys.float_info.max
    assert found.compute()["loss"] == 5000


def test_a_lower_perplexity_is_better():
    assert MaskedLMMetrics.primary == "perplexity"
    assert not MaskedLMMetrics.higher_is_better


@pytest.mark.parametrize("targets", [[], [[-100, -100]]])
def test_without_an_asked_token_there_is_nothing_to_measure(targets):
    found = metrics()
    if targets:
        found.update(torch.zeros(2, 3), batch(*targets))
    with pytest.raises(InputError, match="no words to evaluate on"):
        found.compute()
