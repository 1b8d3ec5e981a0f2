"""Whatever is called in which order, no example is lost, taken twice or left waiting for ever."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from polyhead.serve.scheduling.waiting import Taken, Waiting, WaitingQueue

TASKS = "abcd"
LARGEST = 40
SIZES = st.integers(0, LARGEST)
DEADLINES = st.none() | st.floats(0, 30)


class WaitingMachine(RuleBasedStateMachine):
    """A queue beside what must wait in it."""

    added = Bundle("added")

    def __init__(self):
        super().__init__()
        self.queue = WaitingQueue()
        self.waiting = defaultdict(dict)  # of each task its examples, in their order
        self.now = 0.0
        self.number = 0

    def make(self, task, n_tokens, deadline):
        self.number += 1
        due = None if deadline is None else self.now + deadline
        return Waiting(self.number, task, n_tokens, n_tokens * 3, self.now, due)

    def put(self, example):
        self.queue.add(example)
        self.waiting[example.task][example] = None

    def gone(self, example):
        del self.waiting[example.task][example]

    @rule(target=added, task=st.sampled_from(TASKS), n_tokens=SIZES, deadline=DEADLINES)
    def add(self, task, n_tokens, deadline):
        example = self.make(task, n_tokens, deadline)
        self.put(example)
        return example

    @rule(
        target=added,
        tasks=st.lists(st.sampled_from(TASKS), min_size=2, max_size=4),
        n_tokens=SIZES,
        deadline=DEADLINES,
    )
    def add_mates(self, tasks, n_tokens, deadline):
        mates = [self.make(task, n_tokens, deadline) for task in tasks]
        for example in mates:
            example.mates = mates
            self.put(example)
        return multiple(*mates)

    @rule(example=consumes(added))
    def drop(self, example):
        is_there = example in self.waiting[example.task]
        assert self.queue.drop(example) == is_there
        if is_there:
            self.gone(example)

    @rule(seconds=st.floats(0, 10))
    def pass_time(self, seconds):
        self.now += seconds

    @rule(budget=st.integers(0, 1000))
    def take(self, budget):
        late = {
            example
            for line in self.waiting.values()
            for example in line
            if example.deadline is not None and example.deadline <= self.now
        }
        batch = Taken(budget)
        self.queue.take(batch, self.now)
        assert len(batch.late) == len(set(batch.late))
        assert set(batch.late) == late
        for example in late:
            self.gone(example)
        self.check_taken(batch, budget)

    def check_taken(self, batch, budget):
        n_tokens = sum(example.n_tokens for example in batch.examples)
        assert n_tokens <= budget or len(batch.examples) == 1
        assert batch.left == budget - n_tokens
        assert len(batch.examples) == len(set(batch.examples))
        if budget > 0:
            assert batch.examples or not any(self.waiting.values())
        for place, example in enumerate(batch.examples):
            assert example in self.waiting[example.task]
            first = next(iter(self.waiting[example.task]))
            came_along = any(example in one.mates for one in batch.examples[:place])
            assert example is first or came_along
            self.gone(example)

    @rule()
    def drain(self):
        found = self.queue.drain()
        assert len(found) == len(set(found))
        assert set(found) == {example for line in self.waiting.values() for example in line}
        for example in found:
            self.gone(example)

    @invariant()
    def sums_are_right(self):
        all_waiting = [example for line in self.waiting.values() for example in line]
        assert len(self.queue) == self.queue.n_examples == len(all_waiting)
        assert self.queue.n_tokens == sum(example.n_tokens for example in all_waiting)
        assert self.queue.n_bytes == sum(example.n_bytes for example in all_waiting)

    @invariant()
    def nothing_is_left_over(self):
        queue = self.queue
        assert len(queue._turns) == len(queue._lines) <= len(TASKS)
        assert len(queue._deadlines) <= 2 * len(queue) + 64
        assert len(queue._idle) <= len(TASKS)

    @invariant()
    def what_is_ahead_is_no_more_than_all(self):
        for task in TASKS:
            assert 0 <= self.queue.ahead_of((task,), 1000) <= self.queue.n_tokens

    def teardown(self):
        """All that waits comes out in the end."""
        while len(self.queue):
            self.take(50)
        assert not any(self.waiting.values())


TestWaitingMachine = WaitingMachine.TestCase
TestWaitingMachine.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)


LONGEST = 10
BUDGET = 40
ASKED = st.tuples(st.lists(st.sampled_from(TASKS), min_size=1, max_size=4), st.integers(0, LONGEST))


def ask(queue, tasks, n_tokens):
    mates = [Waiting(None, task, n_tokens) for task in tasks]
    for example in mates:
        example.mates = mates if len(mates) > 1 else ()
        queue.add(example)


@settings(max_examples=150)
@given(
    before=st.lists(ASKED, max_size=20),
    n_own=st.integers(0, 4),
    rounds=st.lists(st.lists(ASKED, min_size=6, max_size=12), min_size=1, max_size=4),
)
def test_none_starves_however_others_are_asked(before, n_own, rounds):
    """Of each other task no more comes before it than of its own, and one turn.

    A batch in which its turn did not come, or in which it did not fit any more, was filled by those
    whose turn was before, but for the room of one example.
    """
    queue = WaitingQueue()
    for asked in before:
        ask(queue, *asked)
    queue.take(Taken(BUDGET), 0.0)
    for _ in range(n_own):
        ask(queue, "a", LONGEST)
    mine = Waiting("mine", "a", LONGEST)
    queue.add(mine)
    line = queue._lines["a"]
    # what waits with mates pays for them
    own = sum(max(1, each.n_tokens) * max(1, len(each.mates)) for each in line.examples)
    until = line.counter + own
    turn = BUDGET // 4 + LONGEST * 4
    counters = [
        queue._lines[task].counter if task in queue._lines else queue._now for task in TASKS
    ]
    most = sum(until - min(counter, until) + turn for counter in counters)
    for number in range(1 + most // (BUDGET - LONGEST)):
        queue.take(Taken(BUDGET), 0.0)
        if mine.is_out:
            break
        for asked in rounds[number % len(rounds)]:
            ask(queue, *asked)
    assert mine.is_out
