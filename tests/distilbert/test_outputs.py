"""Outputs are read by attribute, by name and by place."""

import pytest
import torch

from polyhead.distilbert import BaseModelOutput, QuestionAnsweringModelOutput

LAST, STATES = torch.ones(1, 2, 3), (torch.zeros(1, 2, 3),)


def test_values_that_are_none_have_no_place():
    output = BaseModelOutput(LAST, None, STATES)
    assert output[0] is LAST
    assert output[1] is STATES
    assert output[-1] is STATES
    assert output[:2] == (LAST, STATES)
    assert output.to_tuple() == (LAST, STATES)
    assert len(output) == 2
    assert output.hidden_states is None
    with pytest.raises(IndexError):
        output[2]


def test_names_are_those_of_a_dict():
    output = BaseModelOutput(LAST, attentions=STATES)
    assert output["attentions"] is STATES
    assert list(output) == output.keys() == ["last_hidden_state", "attentions"]
    assert "attentions" in output
    assert "hidden_states" not in output
    assert output.get("attentions") is STATES
    assert output.get("hidden_states", 3) == 3
    assert [value is not None for value in output.values()] == [True, True]
    assert dict(**output).keys() == dict(output.items()).keys()
    with pytest.raises(KeyError):
        output["hidden_states"]


def test_a_loss_comes_first_where_there_is_one():
    logits = torch.ones(1, 2)
    without = QuestionAnsweringModelOutput(None, logits, logits)
    assert without[0] is logits
    loss = torch.tensor(1.0)
    found, start, end = QuestionAnsweringModelOutput(loss, logits, logits)[:3]
    assert found is loss
    assert start is end is logits
