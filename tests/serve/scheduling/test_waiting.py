"""Examples wait by task, tasks take turns by tokens, and what is dropped counts no more."""

import random

import pytest

from polyhead.serve.scheduling.waiting import Taken, Waiting, WaitingQueue

QUANTUM = 25  # of a batch of 100


def add(queue, task, *sizes, **fields):
    """Lets examples wait, named by their task and a number."""
    n_before = queue.n_examples
    made = [
        Waiting(f"{task}{n_before + number}", task, size, **fields)
        for number, size in enumerate(sizes)
    ]
    for example in made:
        queue.add(example)
    return made


def take(queue, budget=100, now=0.0):
    batch = Taken(budget)
    queue.take(batch, now)
    return batch


def tasks(batch):
    return [example.task for example in batch.examples]


@pytest.fixture
def queue():
    return WaitingQueue()


def test_a_task_is_served_in_the_order_in_which_its_examples_came(queue):
    added = add(queue, "a", 30, 10, 50, 40)
    assert take(queue).examples == added[:3]
    assert take(queue).examples == added[3:]
    assert take(queue).examples == []


def test_the_budget_is_kept(queue):
    add(queue, "a", 60, 60)
    batch = take(queue)
    assert tasks(batch) == ["a"]
    assert batch.left == 40


def test_an_example_larger_than_any_batch_is_taken_alone(queue):
    add(queue, "a", 500)
    add(queue, "b", 10)
    assert tasks(take(queue)) == ["a"]
    assert tasks(take(queue)) == ["b"]


def test_what_does_not_fit_is_passed_and_first_in_the_next_batch(queue):
    add(queue, "a", 20)
    add(queue, "b", 90)
    add(queue, "c", 20)
    assert tasks(take(queue)) == ["a", "c"]
    add(queue, "d", 20)
    assert tasks(take(queue)) == ["b"]
    assert tasks(take(queue)) == ["d"]


def test_thousands_of_one_task_take_nothing_from_one_of_another(queue):
    add(queue, "many", *[10] * 1000)
    take(queue)
    add(queue, "one", 10)
    assert "one" in tasks(take(queue))


def test_tasks_share_a_batch_by_tokens_and_not_by_examples(queue):
    add(queue, "long", *[25] * 40)
    add(queue, "short", *[5] * 200)
    tokens = {"long": 0, "short": 0}
    for _ in range(10):
        for example in take(queue).examples:
            tokens[example.task] += example.n_tokens
    assert tokens == {"long": 500, "short": 500}


def test_a_turn_is_a_share_of_a_batch(queue):
    add(queue, "a", *[5] * 40)
    add(queue, "b", *[5] * 40)
    turn = QUANTUM // 5
    assert tasks(take(queue)) == (["a"] * turn + ["b"] * turn) * 2


def test_a_task_that_was_idle_has_saved_nothing(queue):
    add(queue, "a", 10)
    take(queue)
    add(queue, "b", *[10] * 1000)
    for _ in range(20):
        take(queue)
    add(queue, "a", *[10] * 1000)
    found = [tasks(take(queue)) for _ in range(4)]
    n_of_a = sum(batch.count("a") for batch in found)
    assert n_of_a == pytest.approx(20, abs=3)


def test_a_task_that_goes_and_comes_again_still_owes(queue):
    add(queue, "b", *[10] * 100)
    add(queue, "a", *[20] * 2)
    served = {"a": 0, "b": 0}
    for _ in range(10):
        batch = take(queue, budget=40)
        for example in batch.examples:
            served[example.task] += example.n_tokens
        if not queue._lines.get("a"):
            add(queue, "a", *[20] * 2)
    assert served["a"] == pytest.approx(served["b"], abs=40)


def test_a_newcomer_does_not_stand_behind_one_that_owes_and_was_passed(queue):
    """Its turn did not come, so the others' time is not its."""
    add(queue, "owing", 5000, 90)
    add(queue, "busy", *[30] * 100)
    take(queue)
    assert tasks(take(queue)) == ["busy"] * 3
    add(queue, "new", *[10] * 5)
    assert "new" in tasks(take(queue))


def mates(queue, sizes):
    """Examples of several tasks that read the same rows."""
    made = [Waiting(task, task, size) for task, size in sizes.items()]
    for example in made:
        example.mates = made
        queue.add(example)
    return made


def test_examples_that_read_the_same_rows_are_computed_together(queue):
    add(queue, "c", *[10] * 50)
    add(queue, "b", *[10] * 50)
    for _ in range(4):
        take(queue)
    a, b = mates(queue, {"a": 10, "b": 10})
    batch = take(queue)
    place = batch.examples.index(a)
    assert batch.examples[place + 1] is b


def test_mates_that_do_not_fit_come_later(queue):
    a, b = mates(queue, {"a": 60, "b": 60})
    assert take(queue).examples == [a]
    assert take(queue).examples == [b]


def test_the_task_whose_turn_it_is_pays_for_the_mates(queue):
    mates(queue, {"a": 10, "b": 10})
    add(queue, "a", 10)
    add(queue, "b", 10)
    take(queue, budget=20)
    assert (queue._lines["a"].counter, queue._lines["b"].counter) == (20, 0)


def test_a_task_that_is_always_asked_along_comes_to_its_own_turn(queue):
    """Each round a new task asks it along; what it waits with itself must not wait for ever."""
    add(queue, "busy", *[10] * 10)
    for round_ in range(40):
        for number in range(10):
            mates(queue, {f"t{round_}-{number}": 10, "busy": 10})
        own = [e for e in take(queue).examples if e.what.startswith("busy") and not e.mates]
        if own:
            break
    assert round_ < 3


def test_what_is_dropped_counts_no_more_and_is_not_taken(queue):
    first, second, third = add(queue, "a", 10, 20, 30, n_bytes=7)
    assert (queue.n_examples, queue.n_tokens, queue.n_bytes) == (3, 60, 21)
    assert queue.drop(second)
    assert not queue.drop(second)
    assert (len(queue), queue.n_tokens, queue.n_bytes) == (2, 40, 14)
    assert take(queue).examples == [first, third]
    assert not queue.drop(first)
    assert (len(queue), queue.n_tokens, queue.n_bytes) == (0, 0, 0)


def test_nothing_of_what_was_dropped_is_held(queue):
    for _ in range(200):
        for example in add(queue, "a", *[10] * 20, deadline=1e9):
            queue.drop(example)
    assert not queue._lines["a"].examples
    assert len(queue._lines) == len(queue._turns) == 1
    assert len(queue._deadlines) <= 64


def test_what_comes_too_late_is_told_apart_wherever_it_stands(queue):
    kept = add(queue, "a", *[10] * 5)
    late = add(queue, "a", 10, 10, deadline=5.0) + add(queue, "b", 10, deadline=4.0)
    later = add(queue, "b", 10, deadline=5.1)
    batch = take(queue, now=5.0)
    assert set(batch.late) == set(late)
    assert set(batch.examples) == {*kept, *later}
    assert not len(queue)


def test_what_is_late_leaves_a_queue_of_which_nothing_is_taken(queue):
    """Bulk for which others leave no room."""
    late = add(queue, "a", *[10] * 3, deadline=5.0)
    batch = take(queue, budget=0, now=6.0)
    assert (batch.late, batch.examples) == (late, [])
    assert queue.n_tokens == 0


def test_deadlines_of_what_was_computed_are_forgotten(queue):
    for _ in range(300):
        add(queue, "a", *[10] * 5, deadline=1e9)
        take(queue)
    assert len(queue._deadlines) <= 64 + 2 * 5


def test_a_second_queue_fills_what_the_first_one_left():
    first, second = WaitingQueue(), WaitingQueue()
    add(first, "a", 60)
    add(second, "b", 50, 40)
    add(second, "c", 40)
    batch = Taken(100)
    first.take(batch, 0.0)
    second.take(batch, 0.0)
    assert tasks(batch) == ["a", "c"]


def test_draining_takes_out_all(queue):
    added = add(queue, "a", 10, 20, deadline=5.0) + add(queue, "b", 30)
    queue.drop(added[0])
    assert queue.drain() == added[1:]
    assert (len(queue), queue.n_tokens, queue.n_bytes) == (0, 0, 0)
    assert not any(queue.drop(example) for example in added)
    assert queue.drain() == []
    [again] = add(queue, "a", 5)
    assert take(queue, now=6.0).examples == [again]


def test_examples_of_no_tokens_are_taken_too(queue):
    added = add(queue, "a", 0, 0, 0)
    assert take(queue).examples == added


def test_nothing_is_kept_of_tasks_once_nothing_waits(queue):
    for number in range(20_000):
        add(queue, f"t{number}", 10)
        take(queue)
    assert queue._idle == {}
    assert queue._lines == {}
    assert queue._turns == []


def test_counters_of_idle_tasks_are_bounded_where_others_always_wait(queue):
    add(queue, "busy", *[10] * 2000)
    for number in range(6000):
        add(queue, f"t{number}", 30)
        take(queue)
        add(queue, "busy", 10, 10)
    assert len(queue._idle) <= 1024 + 1


@pytest.mark.parametrize("budget", [64, 100, 2048])
def test_nothing_is_ahead_where_nothing_waits(queue, budget):
    assert queue.ahead_of((), budget) == queue.ahead_of(("a", "b"), budget) == 0


def test_all_of_the_own_task_are_ahead(queue):
    add(queue, "a", *[10] * 50)
    assert queue.ahead_of(("a",), 100) == 500


def test_of_a_busy_task_no_more_than_a_turn_is_ahead_of_another(queue):
    add(queue, "many", *[10] * 1000)
    assert queue.ahead_of(("other",), 100) == QUANTUM
    take(queue)
    assert queue.ahead_of(("other",), 100) == 0


def test_of_others_as_much_is_ahead_as_of_the_own(queue):
    add(queue, "a", *[10] * 20)
    add(queue, "b", *[10] * 1000)
    add(queue, "c", 10)
    assert queue.ahead_of(("a",), 100) == 200 + (200 + QUANTUM) + 10


def test_of_several_tasks_the_one_that_waits_longest_counts(queue):
    add(queue, "a", *[10] * 20)
    add(queue, "b", *[10] * 50)
    alone = queue.ahead_of(("b",), 100)
    assert queue.ahead_of(("a", "b", "new"), 100) == alone
    assert queue.ahead_of(("a",), 100) < alone


@pytest.mark.parametrize("seed", range(20))
def test_what_is_ahead_is_about_what_is_computed_before(queue, seed):
    chance = random.Random(seed)  # noqa: S311 - any queues will do
    for _ in range(chance.randint(1, 300)):
        add(queue, chance.choice("aaaaabbbcd"), chance.randint(1, 40))
        if chance.random() < 0.1:
            take(queue)
    task = chance.choice("abcde")
    expected = queue.ahead_of((task,), 100)
    [mine] = add(queue, task, 10)
    before = 0
    while not mine.is_out:
        examples = take(queue).examples
        own = examples.index(mine) if mine in examples else len(examples)
        before += sum(example.n_tokens for example in examples[:own])
    assert before <= expected + 100
    assert before >= expected - 5 * (QUANTUM + 40)


class TestDelay:
    """What a task's examples take that is asked more than its share."""

    def test_it_is_what_waits_at_the_pace_of_late(self):
        queue = WaitingQueue()
        for number in range(10):
            queue.add(Waiting(number, "often", 100, since=0.0))
        assert queue.delay_s(["often"], 0.0) == 0.0
        queue.take(Taken(100), 1.0)
        assert queue.delay_s(["often"], 1.0) == pytest.approx(9.0)
        queue.take(Taken(100), 2.0)
        assert queue.delay_s(["often"], 2.0) == pytest.approx(8.0)

    def test_one_that_was_not_served_at_all_waits_as_long_as_it_did(self):
        queue = WaitingQueue()
        queue.add(Waiting("first", "often", 100, since=5.0))
        assert queue.delay_s(["often"], 7.5) == pytest.approx(2.5)

    def test_tasks_that_do_not_wait_have_none(self):
        queue = WaitingQueue()
        assert queue.delay_s(["rare"], 10.0) == 0.0
        assert queue.delay_s([], 10.0) == 0.0

    def test_the_slowest_of_several_counts(self):
        queue = WaitingQueue()
        queue.add(Waiting("a", "one", 100, since=0.0))
        queue.add(Waiting("b", "other", 100, since=3.0))
        assert queue.delay_s(["one", "other"], 4.0) == pytest.approx(4.0)

    def test_what_was_long_ago_is_forgotten(self):
        queue = WaitingQueue()
        for number in range(1000):
            queue.add(Waiting(number, "often", 10, since=0.0))
        for second in range(1, 11):  # 100 tokens a second
            queue.take(Taken(100), float(second))
        for second in range(11, 51):  # from now on 10
            queue.take(Taken(10), float(second))
        left = 10_000 - 1000 - 400
        assert queue.delay_s(["often"], 50.0) == pytest.approx(left / 10, rel=0.25)

    def test_those_who_come_again_and_again_are_counted_in(self):
        """A task with much to do beside thirty that always have one example more."""
        queue = WaitingQueue()
        for number in range(40):
            queue.add(Waiting(number, "often", 30, since=0.0))
        told = None
        for tick in range(1, 2000):
            now = tick / 10
            for rare in range(30):
                queue.add(Waiting("more", f"rare{rare}", 30, since=now))
            batch = Taken(600)
            queue.take(batch, now)
            if told is None and now >= 2.0:
                told = now + queue.delay_s(["often"], now)
            if any(example.what == 39 for example in batch.examples):
                break
        assert told is not None
        assert told == pytest.approx(now, rel=0.5)
