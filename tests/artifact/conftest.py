"""A model whose parts the tests save."""

import pytest


@pytest.fixture
def model(tiny_model, two_labels, three_labels, shake):
    """A model with an adapter, a head, a task with and a task without adapter."""
    tiny_model.add_adapter("legal", "double_seq_bn[reduction_factor=4]")
    tiny_model.add_head("topic", three_labels, adapter=None)
    tiny_model.add_task("mood", head=two_labels)
    tiny_model.add_task("bare", head=two_labels, adapter=None)
    for part in (*tiny_model.adapters.values(), *tiny_model.heads.values()):
        shake(part)
    return tiny_model
