"""A small model with a task to train, and examples that are easy to tell apart."""

from collections.abc import Callable

import pytest

from polyhead.heads import TextExample
from polyhead.model import DistilBertModelWithHeads
from polyhead.tokenizer import TextSettings
from polyhead.train import TrainSettings, seeded

PLACES = ("mat", "cat", "dog", "day", "red", "blue")


def examples(n: int) -> list[TextExample]:
    """Texts of several lengths, each of them once with each label as its last word."""
    made = []
    for number in range(n):
        first, label = number % 6, ("bad", "good")[number // 6 % 2]
        length = 1 + (first + number // 12) % 4
        rest = " ".join(PLACES[(first + step) % 6] for step in range(length))
        made.append(TextExample(text=f"the {rest} is {label}", label=label))
    return made


@pytest.fixture(scope="session")
def train_examples() -> list[TextExample]:
    return examples(24)


@pytest.fixture(scope="session")
def dev_examples() -> list[TextExample]:
    return examples(12)


@pytest.fixture
def task_model(make_model, two_labels) -> Callable[..., DistilBertModelWithHeads]:
    """A model with the task "mood", and another one whose weights must never change."""

    def make(seed: int = 0, **options: object) -> DistilBertModelWithHeads:
        model = make_model()
        text = TextSettings(max_length=24)
        with seeded(seed):
            model.add_task("mood", head=two_labels, text=text, **options)
            model.add_task("other", head=two_labels, text=text)
        return model

    return make


@pytest.fixture
def quick() -> TrainSettings:
    """Settings under which the task is learnt in a moment."""
    return TrainSettings(epochs=4, lr=0.02, batch_size=8)
