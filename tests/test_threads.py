"""One model answers many threads at once, each with adapters and heads of its own."""

import random
import sys
import threading
from contextlib import contextmanager

import pytest
import torch

from polyhead.batch import Row
from polyhead.errors import UnknownNameError
from polyhead.model import HeadCall

ADAPTERS = (
    *("seq_bn", "double_seq_bn", "par_bn", "scaled_par_bn", "seq_bn[use_gating=true]"),
    *("par_bn[scaling=channel]", "double_seq_bn[ln_before=true]", "double_seq_bn[leave_out=[1]]"),
)
N_THREADS = 8
N_CALLS = 250  # of each thread: 2,000 together


@pytest.fixture
def model(make_model, two_labels, three_labels, shake):
    """Eight tasks, t0 to t7, each with an adapter of another form."""
    model = make_model()
    for number, config in enumerate(ADAPTERS):
        name = f"t{number}"
        model.add_task(name, head=three_labels if number % 2 else two_labels, adapter=config)
        shake(model.adapters[name], seed=number)
        shake(model.heads[name], seed=100 + number)
    return model


@pytest.fixture
def eager_switching():
    """Threads take turns far more often than they usually do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def questions_of(thread, vocab_size):
    """What a thread asks again and again: batches in any mix, texts of several tasks, rows."""
    chance = random.Random(thread)  # noqa: S311 - any questions will do

    def tensors(_):
        n_rows, n_tokens = chance.randint(1, 5), chance.randint(1, 8)
        ids = [[chance.randrange(vocab_size) for _ in range(n_tokens)] for _ in range(n_rows)]
        adapters = [chance.choice([None, f"t{chance.randrange(8)}"]) for _ in range(n_rows)]
        heads = [f"t{chance.randrange(8)}" for _ in range(n_rows)]
        return "tensors", torch.tensor(ids), adapters, heads

    def texts(_):
        words = [chance.choice(["good cat", "bad", "red dog sat on the mat"]) for _ in range(2)]
        return "texts", words, [f"t{thread}", f"t{chance.randrange(8)}"]

    def rows(_):
        ids = tuple(chance.randrange(vocab_size) for _ in range(chance.randint(1, 9)))
        return "rows", HeadCall(f"t{thread}", (Row(ids),), (f"t{chance.randrange(8)}",))

    return [kind(turn) for turn in range(3) for kind in (tensors, texts, rows)]


@torch.no_grad()
def ask(model, question):
    """The numbers that answer a question."""
    match question:
        case "tensors", ids, adapters, heads:
            output = model(input_ids=ids, adapter_names=adapters, head=heads)
            return [output.last_hidden_state.flatten(), *output.rows]
        case "texts", words, tasks:
            answers = model.predict(words, task=tasks)
            return [
                torch.tensor(list(answer.probabilities.values()))
                for found in answers
                for answer in found.values()
            ]
        case "rows", call:
            return model.compute([call])


def is_same(found, expected):
    return len(found) == len(expected) and all(
        ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-6, rtol=0)
        for ours, theirs in zip(found, expected, strict=True)
    )


@contextmanager
def running(*works):
    """Runs each work in a thread; what it raises is raised here in the end."""
    failures = []

    def guarded(work):
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def ask_from_all_threads(model):
    """Asks 2,000 times from 8 threads, and counts right and wrong answers."""
    questions = [questions_of(thread, model.shape.vocab_size) for thread in range(N_THREADS)]
    expected = [[ask(model, question) for question in asked] for asked in questions]
    start = threading.Barrier(N_THREADS)
    counts = [[0, 0] for _ in range(N_THREADS)]

    def work(thread):
        start.wait(timeout=60)
        for turn in range(N_CALLS):
            place = turn % len(questions[thread])
            right = is_same(ask(model, questions[thread][place]), expected[thread][place])
            counts[thread][right] += 1

    with running(*(lambda thread=thread: work(thread) for thread in range(N_THREADS))):
        pass
    return sum(right for _, right in counts), sum(wrong for wrong, _ in counts)


def test_eight_threads_get_no_wrong_answer(model, eager_switching):
    assert ask_from_all_threads(model) == (2000, 0)


def test_answers_stay_right_while_adapters_heads_and_tasks_come_and_go(
    model, eager_switching, two_labels, shake
):
    is_over = threading.Event()
    n_rounds = 0

    def come_and_go():
        nonlocal n_rounds
        while not is_over.is_set():
            model.add_adapter("guest", ADAPTERS[n_rounds % 8])
            model.add_task("visitor", head=two_labels, adapter="double_seq_bn")
            shake(model.adapters["guest"], seed=n_rounds)
            model(input_ids=torch.tensor([[5, 6]]), adapter_names="guest", head="visitor")
            model.delete_task("visitor")
            model.delete_adapter("guest")
            n_rounds += 1

    with running(come_and_go):
        try:
            counts = ask_from_all_threads(model)
        finally:
            is_over.set()
    assert counts == (2000, 0)
    assert n_rounds > 3
    assert list(model.adapters) == list(model.heads) == list(model.tasks) == TASKS


def test_one_name_added_by_many_threads_is_added_once(model, eager_switching, two_labels):
    start = threading.Barrier(N_THREADS)
    outcomes = []

    def add():
        start.wait(timeout=60)
        for number in range(10):
            try:
                model.add_task(f"n{number}", head=two_labels)
                outcomes.append("added")
            except ValueError as error:
                outcomes.append(type(error).__name__)

    with running(*[add] * N_THREADS):
        pass
    assert sorted(set(outcomes)) == ["NameTakenError", "added"]
    assert outcomes.count("added") == 10
    names = sorted([*TASKS, *(f"n{number}" for number in range(10))])
    assert sorted(model.tasks) == sorted(model.heads) == sorted(model.adapters) == names


def test_a_name_deleted_by_another_thread_is_unknown_and_nothing_worse(
    model, eager_switching, two_labels
):
    is_over = threading.Event()

    def come_and_go():
        while not is_over.is_set():
            model.add_task("visitor", head=two_labels)
            model.delete_task("visitor")

    outcomes = set()
    with running(come_and_go):
        try:
            for _ in range(300):
                try:
                    model.predict("good", task="visitor")
                    outcomes.add("answered")
                except UnknownNameError:
                    outcomes.add("unknown")
        finally:
            is_over.set()
    assert outcomes <= {"answered", "unknown"}
    assert outcomes


TASKS = [f"t{number}" for number in range(8)]
