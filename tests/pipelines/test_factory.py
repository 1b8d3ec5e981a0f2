import logging

import pytest
import torch

import polyhead
from polyhead.errors import ConfigError


def make(model, **arguments):
    return polyhead.pipeline("text-classification", model=model, **arguments)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.mark.parametrize("device", [None, -1, "cpu", torch.device("cpu")], ids=str)
def test_the_device_can_be_said_in_every_way(no_gpu, classifier, device):
    assert make(classifier, device=device).device == torch.device("cpu")


def test_the_number_of_a_gpu_falls_back_to_the_cpu(no_gpu, classifier, caplog):
    with caplog.at_level(logging.WARNING, "polyhead"):
        assert make(classifier, device=0)("the cat")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("arguments", [{"device": "cuda"}, {"device_map": "cuda"}], ids=str)
def test_a_gpu_by_name_is_taken_at_its_word(no_gpu, classifier, arguments):
    with pytest.raises(ConfigError):
        make(classifier, **arguments)


@pytest.mark.parametrize("device_map", ["auto", "cpu", {"": "cpu"}], ids=str)
def test_device_map_stands_for_a_device(no_gpu, classifier, device_map):
    assert make(classifier, device_map=device_map).device == torch.device("cpu")
    assert make(classifier, device_map=device_map, device="cpu").device == torch.device("cpu")


def test_a_model_object_moves_where_it_is_asked_to(classifier):
    model = polyhead.AutoModelForSequenceClassification.from_pretrained(classifier)
    make(model)
    assert model.device == torch.device("cpu")
    make(model, device="cpu")
    assert model.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, torch.float32),
        ({"dtype": "auto"}, torch.float32),
        ({"dtype": torch.bfloat16}, torch.bfloat16),
        ({"torch_dtype": "bfloat16"}, torch.bfloat16),
        ({"dtype": "bfloat16", "torch_dtype": "bfloat16"}, torch.bfloat16),
    ],
    ids=str,
)
def test_weights_are_of_the_type_that_is_asked_for(classifier, arguments, expected):
    asked = make(classifier, **arguments)
    assert asked.dtype == expected
    score = make(classifier)("the cat")[0]["score"]
    assert asked("the cat", top_k=None)[0]["score"] == pytest.approx(score, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dtype": "float16", "torch_dtype": "bfloat16"}, "dtype and torch_dtype are both given"),
        ({"device": "cpu", "device_map": "meta"}, "device and device_map are both given"),
        ({"dtype": "int8"}, "is no floating-point type"),
        ({"framework": "tf"}, "framework must be 'pt'"),
        ({"device": 1.5}, "device must be"),
        ({"top_n": 3}, "takes no 'top_n'"),
        ({"feature_extractor": None}, "takes no 'feature_extractor'"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused(classifier, arguments, words):
    with pytest.raises(ConfigError, match=words):
        make(classifier, **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dtype": "float16"}, "dtype is for a model that is loaded here"),
        ({"config": "x"}, "config is for a model that is loaded here"),
        ({"model_kwargs": {"num_labels": 3}}, r"model_kwargs\['num_labels'\] is for a model"),
    ],
    ids=str,
)
def test_what_is_for_loading_is_refused_where_nothing_is_loaded(classifier, arguments, words):
    model = polyhead.AutoModelForSequenceClassification.from_pretrained(classifier)
    with pytest.raises(ConfigError, match=words):
        make(model, **arguments)


def test_arguments_without_meaning_here_are_accepted(classifier):
    asked = make(classifier, use_fast=False, trust_remote_code=True, num_workers=2, framework="pt")
    assert asked("the cat") == make(classifier)("the cat")


def test_arguments_of_the_hub_are_passed_on(classifier, monkeypatch, tmp_path):
    given = []
    from_pretrained = polyhead.DistilBertForSequenceClassification.from_pretrained

    def noting(name, **arguments):
        given.append(arguments)
        return from_pretrained(name, **arguments)

    monkeypatch.setattr(polyhead.DistilBertForSequenceClassification, "from_pretrained", noting)
    hub = {"revision": "v1", "token": "x", "cache_dir": tmp_path, "local_files_only": True}
    make(classifier, **hub)
    assert hub.items() <= given[0].items()
