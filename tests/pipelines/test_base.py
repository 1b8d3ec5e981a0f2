from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import polyhead
from polyhead.errors import ConfigError, InputError
from polyhead.pipelines import base

TEXTS = [f"the cat {'is good ' * (number % 4)}{number}" for number in range(30)]


@pytest.fixture(scope="module")
def asked(classifier):
    return polyhead.pipeline("text-classification", model=classifier, device="cpu")


def counted(texts, seen):
    for text in texts:
        seen.append(text)
        yield text


def batch_sizes(asked, monkeypatch, inputs, **options):
    """The number of rows of each batch that a call computes."""
    sizes = []
    compute = type(asked._source).compute

    def counting(self, rows):
        sizes.append(len(rows))
        return compute(self, rows)

    monkeypatch.setattr(type(asked._source), "compute", counting)
    list(asked(inputs, **options))
    return sizes


def test_an_empty_list_has_no_answers(asked):
    assert asked([]) == []
    assert asked(()) == []
    assert list(asked(iter([]))) == []


@pytest.mark.parametrize("batch_size", [None, 1, 4, 100])
def test_answers_come_in_order_and_do_not_depend_on_batches(asked, assert_same, batch_size):
    alone = [asked({"text": text}) for text in TEXTS]
    assert_same(asked(TEXTS, batch_size=batch_size), alone)
    assert_same(list(asked(iter(TEXTS), batch_size=batch_size)), alone)
    assert_same(asked(tuple(TEXTS), batch_size=batch_size), alone)


def test_chunks_of_a_list_change_nothing(asked, assert_same, monkeypatch):
    whole = asked(TEXTS)
    monkeypatch.setattr(base, "_LIST_CHUNK", 7)
    assert_same(asked(TEXTS), whole)


def test_a_stream_is_read_a_batch_at_a_time(asked):
    seen = []
    answers = asked(counted(TEXTS, seen), batch_size=4)
    assert seen == []
    next(answers)
    assert seen == TEXTS[:4]
    for _ in range(4):
        next(answers)
    assert seen == TEXTS[:8]
    assert len(list(answers)) == 25


def test_a_stream_has_a_batch_size_of_its_own(asked):
    seen = []
    answers = asked(counted(TEXTS * 4, seen))
    next(answers)
    assert len(seen) == 64


def test_a_stream_may_have_no_end(asked):
    def endless():
        while True:
            yield "the cat"

    answers = asked(endless(), batch_size=2)
    assert [next(answers) for _ in range(5)] == [asked({"text": "the cat"})] * 5


def test_batches_have_the_size_that_is_asked_for(asked, monkeypatch):
    assert batch_sizes(asked, monkeypatch, TEXTS, batch_size=8) == [8, 8, 8, 6]


def test_the_batch_size_of_the_pipeline_holds_for_its_calls(classifier, monkeypatch):
    asked = polyhead.pipeline("text-classification", model=classifier, batch_size=20)
    assert batch_sizes(asked, monkeypatch, TEXTS) == [20, 10]
    assert batch_sizes(asked, monkeypatch, TEXTS, batch_size=30) == [30]


def test_without_a_batch_size_batches_have_many_tokens(asked, monkeypatch):
    assert len(batch_sizes(asked, monkeypatch, TEXTS)) == 1
    assert len(batch_sizes(asked, monkeypatch, TEXTS * 20)) > 1


@pytest.mark.parametrize("size", [0, -1, 1.5, "8", True], ids=repr)
def test_a_batch_size_that_is_none_is_refused(asked, classifier, size):
    with pytest.raises(ConfigError, match="batch_size must be a whole number"):
        asked("the cat", batch_size=size)
    with pytest.raises(ConfigError, match="batch_size must be a whole number"):
        polyhead.pipeline("text-classification", model=classifier, batch_size=size)


def test_a_bad_input_of_a_stream_has_its_place(asked):
    with pytest.raises(InputError, match=r"^example 6: a text must be a str") as caught:
        list(asked(iter([*TEXTS[:5], 3]), batch_size=2))
    assert caught.value.index == 5


def test_a_bad_single_input_needs_no_place(asked):
    with pytest.raises(InputError, match=r"^a text must be a str") as caught:
        asked({"text": 3})
    assert caught.value.index is None


def test_options_of_a_stream_are_checked_in_the_call(asked):
    with pytest.raises(ConfigError, match="top_k"):
        asked(iter(TEXTS), top_k=0)


def test_options_of_the_pipeline_are_checked_when_it_is_made(classifier):
    with pytest.raises(ConfigError, match="a 'text-classification' pipeline takes no 'stride'"):
        polyhead.pipeline("text-classification", model=classifier, stride=3)


def test_options_of_a_call_win_and_do_not_stay(classifier):
    asked = polyhead.pipeline("text-classification", model=classifier, top_k=2)
    assert len(asked(["the cat"])[0]) == 2
    assert len(asked(["the cat"], top_k=3)[0]) == 3
    assert len(asked(["the cat"])[0]) == 2


def test_threads_do_not_disturb_one_another(asked):
    options = [{"top_k": 1}, {"top_k": None, "function_to_apply": "none"}, {"top_k": 2}]
    jobs = [(TEXTS[start::5], options[start % 3]) for start in range(5)] * 3
    expected = [asked(texts, **given) for texts, given in jobs]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda job: asked(job[0], **job[1]), jobs))
    assert found == expected


def test_a_model_in_training_mode_is_refused(classifier):
    model = polyhead.AutoModelForSequenceClassification.from_pretrained(classifier)
    asked = polyhead.pipeline("text-classification", model=model)
    model.train()
    with pytest.raises(InputError, match=r"in training mode, .* call model\.eval\(\) first"):
        asked("the cat")
    model.eval()
    assert asked("the cat")


def test_weights_that_are_not_finite_are_refused(classifier):
    model = polyhead.AutoModelForSequenceClassification.from_pretrained(classifier)
    asked = polyhead.pipeline("text-classification", model=model)
    with torch.no_grad():
        model.head.out.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="the logits are not finite"):
        asked("the cat")


def test_a_pipeline_has_the_parts_it_was_made_of(asked):
    assert type(asked.model) is polyhead.DistilBertForSequenceClassification
    assert asked.tokenizer("the cat")["input_ids"][0] == asked.tokenizer.cls_token_id
    assert (asked.device, asked.dtype) == (torch.device("cpu"), torch.float32)
    assert asked.task == "text-classification"
    assert "DistilBertForSequenceClassification" in repr(asked)


def test_a_pipeline_answers_under_the_names_of_scikit_learn(asked):
    assert asked.predict(TEXTS[:2]) == asked.transform(TEXTS[:2]) == asked(TEXTS[:2])


def test_a_saved_pipeline_makes_the_same_one(asked, tmp_path, transformers, assert_same):
    asked.save_pretrained(tmp_path / "saved")
    again = polyhead.pipeline(model=tmp_path / "saved", device="cpu")
    assert again(TEXTS) == asked(TEXTS)
    theirs = transformers.pipeline(model=str(tmp_path / "saved"), task=asked.task)
    assert_same(asked(TEXTS), theirs(TEXTS))


def test_num_workers_is_accepted(asked):
    assert asked("the cat", num_workers=4) == asked("the cat")
