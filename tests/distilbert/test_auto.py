import pytest

import polyhead
from polyhead.errors import ConfigError, UnknownBackboneError

MODELS = {
    "AutoModel": "DistilBertModel",
    "AutoModelForMaskedLM": "DistilBertForMaskedLM",
    "AutoModelForSequenceClassification": "DistilBertForSequenceClassification",
    "AutoModelForMultipleChoice": "DistilBertForMultipleChoice",
    "AutoModelForTokenClassification": "DistilBertForTokenClassification",
    "AutoModelForQuestionAnswering": "DistilBertForQuestionAnswering",
}


@pytest.fixture
def checkpoint(make_theirs, tiny_vocabulary, tmp_path):
    """Writes a checkpoint of a class with its vocabulary."""

    def make(name):
        make_theirs(name, vocab_size=len(tiny_vocabulary)).save_pretrained(tmp_path)
        (tmp_path / "vocab.txt").write_text("\n".join(tiny_vocabulary) + "\n", "utf-8")
        return tmp_path

    return make


@pytest.mark.parametrize(("auto", "name"), MODELS.items())
def test_each_name_stands_for_one_class(checkpoint, auto, name):
    folder = checkpoint(name)
    model = getattr(polyhead, auto).from_pretrained(folder, output_attentions=True)
    assert type(model) is getattr(polyhead, name)
    assert model.config.output_attentions
    assert not model.training


@pytest.mark.parametrize(("auto", "name"), MODELS.items())
def test_a_configuration_makes_a_fresh_model(sizes, auto, name):
    config = polyhead.DistilBertConfig(**sizes)
    model = getattr(polyhead, auto).from_config(config, attn_implementation="eager")
    assert type(model) is getattr(polyhead, name)
    assert model.config.attn_implementation == "eager"
    assert config.attn_implementation is None
    assert model.training


def test_the_tokenizer_is_the_documented_one(checkpoint):
    folder = checkpoint("DistilBertModel")
    tokenizer = polyhead.AutoTokenizer.from_pretrained(
        folder, use_fast=True, trust_remote_code=False, model_max_length=9
    )
    assert type(tokenizer).__name__ == "DistilBertTokenizer"
    assert tokenizer.model_max_length == 9
    assert tokenizer("the cat")["input_ids"][0] == tokenizer.cls_token_id


def test_the_configuration_is_the_documented_one(checkpoint):
    config = polyhead.AutoConfig.from_pretrained(checkpoint("DistilBertModel"), num_labels=5)
    assert type(config) is polyhead.DistilBertConfig
    assert config.num_labels == 5


@pytest.mark.parametrize("name", ["AutoConfig", "AutoTokenizer", *MODELS])
def test_there_are_no_objects_of_these_classes(name):
    with pytest.raises(ConfigError, match=rf"{name} is made with {name}\.from_pretrained"):
        getattr(polyhead, name)()


@pytest.mark.parametrize("name", ["AutoConfig", "AutoTokenizer", *MODELS])
def test_what_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(UnknownBackboneError):
        getattr(polyhead, name).from_pretrained(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["AutoModel", "AutoTokenizer", "AutoConfig"])
def test_unknown_arguments_are_refused_by_name(checkpoint, name):
    with pytest.raises(ConfigError, match="nonsense"):
        getattr(polyhead, name).from_pretrained(checkpoint("DistilBertModel"), nonsense=1)


@pytest.mark.parametrize("config", [None, "distilbert", {"dim": 32}], ids=str)
def test_what_is_no_configuration_is_refused(config):
    with pytest.raises(ConfigError, match="AutoModel is made of a DistilBertConfig"):
        polyhead.AutoModel.from_config(config)
