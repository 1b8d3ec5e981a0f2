"""One tokenizer in many threads, each with other arguments: nobody disturbs anybody."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer

TEXTS = [f"the cat sat on mat {'ab' * n} [SEP] red" for n in range(12)]
CALLS = (
    {},
    {"truncation": True, "max_length": 5},
    {"truncation": True, "max_length": 9, "stride": 2, "return_overflowing_tokens": True},
    {"padding": True},
    {"padding": "max_length", "max_length": 40, "padding_side": "left"},
    {"truncation": True, "max_length": 7, "padding": True, "pad_to_multiple_of": 7},
    {"split_special_tokens": True},
    {"add_special_tokens": False},
)


@pytest.fixture
def tokenizer(tiny_vocabulary) -> DistilBertTokenizer:
    return DistilBertTokenizer({token: number for number, token in enumerate(tiny_vocabulary)})


def test_calls_with_other_limits_do_not_disturb_one_another(tokenizer):
    expected = [tokenizer(TEXTS, **arguments) for arguments in CALLS]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: tokenizer(TEXTS, **CALLS[n % len(CALLS)]), range(400)))
    for number, encoding in enumerate(found):
        assert encoding == expected[number % len(CALLS)]


def test_a_call_leaves_the_shared_object_as_it_was(tokenizer):
    backend = tokenizer.backend_tokenizer
    before = backend.to_str()
    for arguments in CALLS:
        tokenizer(TEXTS, **arguments)
    assert tokenizer.backend_tokenizer is backend
    assert backend.to_str() == before


def test_limits_set_on_the_shared_object_do_not_reach_calls(tokenizer):
    expected = tokenizer(TEXTS)
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    assert tokenizer(TEXTS) == expected


def test_tokens_are_added_while_others_read(tokenizer):
    plain = tokenizer(TEXTS)["input_ids"]
    with ThreadPoolExecutor(8) as threads:
        added = threads.map(lambda n: tokenizer.add_tokens(f"zebra{n}"), range(40))
        calls = threads.map(lambda _: tokenizer(TEXTS, max_length=64)["input_ids"], range(200))
        assert list(added) == [1] * 40
        assert all(ids == plain for ids in calls)
    ids = tokenizer.convert_tokens_to_ids([f"zebra{n}" for n in range(40)])
    assert sorted(ids) == list(range(tokenizer.vocab_size, tokenizer.vocab_size + 40))
