import pytest

from polyhead.errors import InputError
from polyhead.heads import TextExample
from polyhead.train.encoding import encode_labelled


def test_examples_become_rows_and_targets_under_the_tasks_own_settings(task_model):
    model = task_model()
    example = TextExample(text="the cat " * 40, label="good")
    [encoded] = encode_labelled(model, model.task("mood"), [example], "training")
    assert len(encoded.rows[0]) == 24
    assert encoded.target.tolist() == [1]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "there are no training examples for the task 'mood'"),
        ([TextExample(text="a", label="good"), TextExample(text="b")], "training example 2 of"),
        ([TextExample(text="a", label="ugly")], "training examples: .*'ugly'"),
        (
            [TextExample(text="\0", label="good")],
            "examples: example 1: the text has no words",
        ),
    ],
)
def test_examples_that_cannot_be_learnt_from_are_refused(task_model, examples, message):
    model = task_model()
    with pytest.raises(InputError, match=message):
        encode_labelled(model, model.task("mood"), examples, "training")
