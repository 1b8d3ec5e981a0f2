"""Examples are read before they wait, and one that cannot be takes no other with it."""

import pytest

import polyhead as ph
from polyhead.errors import ContractError, EngineError, InputError, UnknownTaskError
from polyhead.serve import ServedTask

TEXTS = ["the cat sat", "a bad day", "red"]


@pytest.fixture
def engine(make_engine):
    return make_engine(start=False)


def outcome(reading, task="mood"):
    [found] = reading.request.outcomes[task]
    return found


def test_what_is_read_has_its_place_its_rows_and_its_size(engine):
    reading = engine.read({"mood": TEXTS, "topic": TEXTS[:1]})
    assert [(each.asked.served.name, each.place) for each in reading.examples] == [
        ("mood", 0),
        ("mood", 1),
        ("mood", 2),
        ("topic", 0),
    ]
    lengths = [each.encoded.n_tokens for each in reading.examples]
    assert reading.n_tokens == sum(lengths)
    for each, text in zip(reading.examples, [*TEXTS, TEXTS[0]], strict=True):
        assert each.encoded.example.text == text
        assert each.n_bytes > len(text)
    kinds = {each.asked.served.name: each.asked.adapter_kind for each in reading.examples}
    assert kinds == {"mood": "bottleneck", "topic": "bottleneck"}
    assert not reading.request.done.done()


def test_a_longer_text_counts_for_more_memory(engine):
    short, long = engine.read({"mood": ["red", "red " * 10_000]}).examples
    assert long.n_bytes > short.n_bytes + 30_000


@pytest.mark.parametrize(
    ("value", "n_examples"),
    [
        ("red", 1),
        (("red", "blue"), 1),
        ({"text": "red"}, 1),
        (["red", "blue"], 2),
        ([], 0),
        ((), 1),
    ],
)
def test_one_example_is_as_good_as_a_list_of_one(engine, value, n_examples):
    reading = engine.read({"mood": value})
    engine.start()
    engine.enqueue(reading).done.result(20)
    assert len(reading.request.outcomes["mood"]) == n_examples


@pytest.mark.parametrize("wrong", ["", " ", 3, None, object(), {"txt": "red"}, ("a", "b", "c")])
def test_an_example_that_cannot_be_used_is_refused_alone(engine, wrong):
    reading = engine.read({"mood": ["red", wrong, "blue"]})
    assert [each.place for each in reading.examples] == [0, 2]
    engine.start()
    engine.enqueue(reading).done.result(20)
    first, refused, last = reading.request.outcomes["mood"]
    assert isinstance(refused, InputError)
    assert refused.index is None
    assert [first, last] == engine.model.predict(["red", "blue"], task="mood")


def test_where_all_are_refused_nothing_waits(engine):
    reading = engine.read({"mood": ["", 3]})
    assert reading.request.done.done()
    assert reading.examples == []
    assert all(isinstance(each, InputError) for each in reading.request.outcomes["mood"])


def test_an_example_that_a_task_refuses_is_still_asked_of_the_others(engine):
    engine.model.add_task("choice", head=ph.MultipleChoiceHeadConfig(), adapter=None)
    reading = engine.read({"mood": ["red"], "choice": ["red"]})
    assert [each.asked.served.name for each in reading.examples] == ["mood"]


def test_an_unknown_task_refuses_the_whole(engine):
    with pytest.raises(UnknownTaskError, match=r"no task 'mod'.*Did you mean 'mood'"):
        engine.read({"mood": ["red"], "mod": ["red"]})


@pytest.mark.parametrize("task", [3, None, b"mood", ("mood",)])
def test_a_task_is_named_by_a_name(engine, task):
    with pytest.raises(InputError, match=r"^task must be a task's name, not "):
        engine.read({task: ["red"]})


@pytest.mark.parametrize("values", [3, None, 1.5])
def test_what_is_no_list_of_examples_is_refused(engine, values):
    with pytest.raises(InputError, match="texts must be a text"):
        engine.read({"mood": values})


def test_two_versions_of_one_name_are_not_asked_together(engine):
    with pytest.raises(InputError, match="asked twice"):
        engine.read({"mood": ["red"], ServedTask("mood", "bare", "2"): ["red"]})


def test_a_task_is_asked_by_any_name_and_by_several(engine):
    values = {ServedTask("one", "mood", "1"): ["red", ""], ServedTask("other", "mood"): ["blue"]}
    reading = engine.read(values)
    assert [(each.asked.served.name, each.place) for each in reading.examples] == [
        ("one", 0),
        ("other", 0),
    ]
    engine.start()
    engine.enqueue(reading).done.result(20)
    outcomes = reading.request.outcomes
    assert [outcomes["one"][0], *outcomes["other"]] == engine.model.predict(
        ["red", "blue"], task="mood"
    )
    assert isinstance(outcomes["one"][1], InputError)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ValueError("missing\nword"), ContractError, "missing word"),
        (SystemExit(3), EngineError, "SystemExit: 3"),
        (MemoryError(), EngineError, "MemoryError"),
        (InputError("too odd", index=0), InputError, "^too odd$"),
    ],
)
def test_a_head_that_fails_to_read_an_example_fails_for_it_alone(engine, error, kind, said):
    head = engine.model.heads["odd"]
    encode = head.encode

    def failing(examples, tokenizer):
        if any(example.text == "bad" for example in examples):
            raise error
        return encode(examples, tokenizer)

    head.encode = failing
    reading = engine.read({"odd": ["red", "bad"], "mood": ["bad"]})
    assert [(each.asked.served.name, each.place) for each in reading.examples] == [
        ("odd", 0),
        ("mood", 0),
    ]
    engine.start()
    engine.enqueue(reading).done.result(20)
    with pytest.raises(kind, match=said):
        raise reading.request.outcomes["odd"][1]


def test_a_model_without_a_tokenizer_answers_no_text(make_model, make_engine, two_labels):
    model = make_model()
    model.add_task("mood", head=two_labels)
    model.tokenizer = None
    reading = make_engine(of=model, start=False).read({"mood": ["red"]})
    assert isinstance(outcome(reading), InputError)


def test_a_task_in_training_mode_is_refused(engine):
    engine.model.heads["mood"].train()
    assert "training mode" in str(outcome(engine.read({"mood": ["red"]})))


class TestCache:
    @pytest.fixture(autouse=True)
    def _cache(self, engine):
        engine.model.result_cache = ph.ResultCache(10**6)
        engine.start()
        self.ask(engine, task="bare", private=True)  # it is warm then

    def ask(self, engine, text="red", task="mood", **options):
        return engine.submit(text, task, **options).result(20)

    def test_what_was_asked_before_is_not_computed(self, engine, passes):
        first = self.ask(engine)
        n_before = len(passes)
        reading = engine.read({"mood": ["red"]})
        assert reading.examples == []
        assert outcome(reading) == first
        assert outcome(reading) is not first
        assert self.ask(engine) == first
        assert len(passes) == n_before
        assert engine.model.result_cache.hits >= 2

    def test_the_engine_and_predict_know_of_each_other(self, engine, passes):
        [first] = engine.model.predict("red", task="mood")
        n_before = len(passes)
        assert self.ask(engine) == first
        second = self.ask(engine, "blue")
        assert engine.model.predict("blue", task="mood") == [second]
        assert len(passes) == n_before + 1

    def test_some_are_found_and_some_computed(self, engine):
        first = self.ask(engine)
        reading = engine.read({"mood": ["blue", "red"], "topic": ["red"]})
        assert [(each.asked.served.name, each.place) for each in reading.examples] == [
            ("mood", 0),
            ("topic", 0),
        ]
        engine.enqueue(reading).done.result(20)
        assert reading.request.outcomes["mood"][1] == first

    def test_what_is_private_is_neither_kept_nor_looked_for(self, engine, passes):
        self.ask(engine, private=True)
        assert len(engine.model.result_cache) == 0
        self.ask(engine)
        n_before = len(passes)
        self.ask(engine, private=True)
        assert len(passes) == n_before + 1

    @pytest.mark.parametrize("name", ["mood", "public-name"])
    def test_a_private_task_is_so_by_its_name_and_by_its_key(self, engine, name):
        engine.model.private_tasks = [name]
        self.ask(engine, task=ServedTask("public-name", "mood", "1"))
        assert len(engine.model.result_cache) == 0
        self.ask(engine, task="topic")
        assert len(engine.model.result_cache) == 1

    def test_an_answer_is_not_kept_where_the_task_was_replaced_meanwhile(
        self, engine, held, two_labels
    ):
        with held(engine):
            future = engine.submit("red", "mood")
            engine.model.delete_task("mood")
            engine.model.add_task("mood", head=two_labels)
        answer = future.result(20)
        assert engine.wait_until_empty(20)
        assert len(engine.model.result_cache) == 1  # of the task odd
        assert engine.model.predict("red", task="mood") == [answer]

    def test_an_answer_is_not_kept_where_weights_were_changed_meanwhile(self, engine, held, shake):
        with held(engine):
            future = engine.submit("red", "mood")
            shake(engine.model.heads["mood"], seed=9)
        answer = future.result(20)
        assert engine.wait_until_empty(20)
        assert len(engine.model.result_cache) == 1
        assert engine.model.predict("red", task="mood") == [answer]

    def test_errors_are_not_kept(self, engine):
        engine.model.heads["odd"].computes = lambda made, lengths: made * float("nan")
        with pytest.raises(EngineError):
            self.ask(engine, task="odd")
        engine.model.heads["odd"].computes = None
        assert self.ask(engine, task="odd") == engine.model.predict("red", task="odd")[0]
