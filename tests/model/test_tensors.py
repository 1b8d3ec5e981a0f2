"""Padded tensors become rows, labels become each head's targets, or are refused."""

import pytest
import torch

from polyhead.errors import InputError
from polyhead.model.tensors import rows_of

IDS = torch.tensor([[2, 7, 3], [2, 9, 3], [2, 8, 3], [2, 6, 3]])


@pytest.fixture
def model(tiny_model, two_labels, three_labels):
    tiny_model.add_head("mood", two_labels, adapter=None)
    tiny_model.add_head("topic", three_labels, adapter=None)
    return tiny_model


def cross_entropy(output, row, label):
    return -output.rows[row].log_softmax(dim=0)[label]


def test_full_rows_and_right_padding_keep_plain_positions():
    rows, mask = rows_of(torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]]))
    assert [row.ids for row in rows] == [(5, 6, 7), (8, 9)]
    assert [row.positions for row in rows] == [None, None]
    assert mask.tolist() == [[True, True, True], [True, True, False]]


def test_tokens_keep_the_positions_of_their_columns():
    rows, _ = rows_of(torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([[0, 1, 1], [1, 0, 1]]))
    assert [row.ids for row in rows] == [(6, 7), (8, 0)]
    assert [row.positions for row in rows] == [(1, 2), (0, 2)]


@pytest.mark.parametrize(
    ("ids", "mask", "part"),
    [
        ([[1, 2]], None, "input_ids must be a tensor of shape (rows, tokens), not list"),
        (torch.ones(3).long(), None, "not a tensor of shape (3,)"),
        (torch.ones(1, 2, 3).long(), None, "not a tensor of shape (1, 2, 3)"),
        (torch.ones(1, 2), None, "input_ids must hold integers, not torch.float32"),
        (torch.ones(1, 2).bool(), None, "integers, not torch.bool"),
        (
            IDS,
            torch.ones(4, 2),
            "must have the shape of input_ids, (4, 3), not a tensor of shape (4",
        ),
        (IDS, torch.ones(3), "not a tensor of shape (3,)"),
        (IDS, [[1, 1, 1]] * 4, "not list"),
        (IDS, torch.full((4, 3), 2), "must hold only 0 and 1"),
        (IDS, torch.full((4, 3), -1), "must hold only 0 and 1"),
        (IDS, torch.full((4, 3), 0.5), "must hold only 0 and 1"),
        (IDS, torch.full((4, 3), float("nan")), "must hold only 0 and 1"),
        (
            IDS,
            torch.tensor([[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]]),
            "row 1 of the batch has no",
        ),
        (torch.empty(2, 0).long(), None, "row 0 of the batch has no token"),
    ],
)
def test_tensors_of_another_form_are_refused(ids, mask, part):
    with pytest.raises(InputError) as caught:
        rows_of(ids, mask)
    assert part in str(caught.value)


def test_one_tensor_of_labels_is_for_the_only_head(model):
    labels = torch.tensor([0, 1, 1, 0])
    output = model(input_ids=IDS, head="mood", labels=labels)
    expected = torch.stack([cross_entropy(output, row, labels[row]) for row in range(4)]).mean()
    torch.testing.assert_close(output.loss, expected)
    assert output.losses.keys() == {"mood"}


def test_labels_of_rows_without_head_are_not_read(model):
    head = ["mood", None, "mood", None]
    output = model(input_ids=IDS, head=head, labels=torch.tensor([0, -100, 1, -100]))
    expected = (cross_entropy(output, 0, 0) + cross_entropy(output, 2, 1)) / 2
    torch.testing.assert_close(output.loss, expected)


def test_a_list_holds_a_label_for_each_row(model):
    head = ["topic", "mood", "topic", None]
    for labels in ([2, 1, 0, None], [torch.tensor(2), torch.tensor(1), torch.tensor(0), None]):
        output = model(input_ids=IDS, head=head, labels=labels)
        mood = cross_entropy(output, 1, 1)
        topic = (cross_entropy(output, 0, 2) + cross_entropy(output, 2, 0)) / 2
        torch.testing.assert_close(output.losses["mood"], mood)
        torch.testing.assert_close(output.losses["topic"], topic)
        torch.testing.assert_close(output.loss, mood + topic)


def test_a_dict_holds_a_tensor_for_each_head(model):
    head = ["topic", "mood", "topic", "mood"]
    by_head = {"mood": torch.tensor([1, 0]), "topic": torch.tensor([2, 0])}
    output = model(input_ids=IDS, head=head, labels=by_head)
    by_row = model(input_ids=IDS, head=head, labels=[2, 1, 0, 0])
    assert torch.equal(output.loss, by_row.loss)


def test_without_labels_there_is_no_loss(model):
    output = model(input_ids=IDS, head="mood")
    assert output.loss is None
    assert output.losses == {}


MIXED = ["topic", "mood", "topic", "mood"]


@pytest.mark.parametrize(
    ("head", "labels", "part"),
    [
        ("mood", torch.tensor([0, 1]), "a tensor of shape (2,), does not fit 4 rows with 1 heads"),
        ("mood", torch.tensor(1), "a tensor of shape ()"),
        ("mood", torch.tensor([[0], [1], [0], [1]]), "give one number a row"),
        ("mood", torch.tensor([0.0, 1.0, 0.0, 1.0]), "must be whole numbers, not torch.float32"),
        ("mood", torch.tensor([0, 1, 2, 0]), "the label 2 is not one of 0 to 1"),
        ("mood", torch.tensor([0, 1, -100, 0]), "the label -100 is not one of 0 to 1"),
        (
            MIXED,
            torch.tensor([0, 1, 0, 1]),
            "does not fit 4 rows with 2 heads; give a list with one",
        ),
        ("mood", [0, 1, 0], "3 labels are given for 4 rows"),
        ("mood", [0, 1, 0, None], "labels"),
        ("mood", ["good", "bad", "good", "bad"], "labels"),
        ("mood", [0, [1], 0, 0], "labels"),
        ("mood", [0, torch.tensor([1]), 0, 0], "labels"),
        ("mood", [[0], [1], [0], [0, 1]], "labels"),
        ("mood", 3, "labels must be a tensor, a list or a dict, not int"),
        ("mood", "0101", "labels must be a tensor, a list or a dict, not str"),
        (MIXED, {"mood": torch.tensor([1, 0])}, "labels are given for ['mood'] and the batch has"),
        ("mood", {"mood": [0, 1, 0, 1]}, "labels of the head 'mood' must be a tensor, not list"),
        ("mood", {"mood": torch.tensor([0, 1])}, "do not fit a batch of 4 rows"),
        ("mood", {"mood": torch.tensor(1)}, "do not fit a batch of 4 rows"),
        (None, torch.tensor([0, 1, 0, 1]), "labels are given and no row has a head"),
        (None, [0, 1, 0, 1], "labels are given and no row has a head"),
        (None, {}, "labels are given and no row has a head"),
    ],
)
def test_labels_that_do_not_fit_are_refused(model, head, labels, part):
    with pytest.raises(InputError) as caught:
        model(input_ids=IDS, head=head, labels=labels)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
