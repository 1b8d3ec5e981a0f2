from polyhead.heads import ClassificationHead
from polyhead.heads.builtin import polyhead_register_heads


def test_the_hook_registers_the_classification_head_and_nothing_else():
    found = []
    polyhead_register_heads(found.append)
    assert found == [ClassificationHead]
