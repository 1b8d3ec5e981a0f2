from functools import partial

import pytest
import torch

from polyhead.errors import ArtifactError, InputError
from polyhead.heads import EmbeddingHeadConfig
from polyhead.heads.embedding.index import EmbeddingIndex, FoundText

ANGLES = {"east": 0, "north": 90, "west": 180, "north-east": 45, "almost east": 10}


def compass(texts):
    """Vectors of any length that point where the texts say."""
    angles = torch.deg2rad(torch.tensor([float(ANGLES[text]) for text in texts]))
    return 3 * torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.fixture
def index():
    found = EmbeddingIndex(compass)
    found.add(["east", "north"])
    found.add(["west"])
    return found


def test_the_most_alike_texts_come_first(index):
    found = index.search("almost east", k=2)
    assert [match.text for match in found] == ["east", "north"]
    assert [match.id for match in found] == ["0", "1"]
    assert found[0].score == pytest.approx(torch.tensor(10.0).deg2rad().cos().item())
    assert isinstance(found[0], FoundText)


def test_several_queries_have_a_list_each(index):
    found = index.search(["west", "north"], k=1)
    assert [[match.text for match in matches] for matches in found] == [["west"], ["north"]]
    assert index.search([], k=1) == []


def test_all_are_found_where_k_is_larger(index):
    assert len(index) == 3
    assert len(index.search("east")) == 3


def test_given_ids_name_the_texts(index):
    index.add(["north-east"], ids=["between"])
    assert index.search("north-east", k=1)[0].id == "between"
    assert index.ids == ("0", "1", "2", "between")


def test_an_empty_index_finds_nothing():
    index = EmbeddingIndex(compass)
    assert index.search("east") == []
    assert index.search(["east", "west"]) == [[], []]
    index.add([])
    assert len(index) == 0
    assert index.vectors.shape == (0, 0)


def test_vectors_have_length_one(index):
    torch.testing.assert_close(index.vectors, compass(["east", "north", "west"]) / 3)


def test_a_models_predict_embeds(make_model):
    model = make_model()
    model.add_task("similar", head=EmbeddingHeadConfig(), adapter=None)
    index = EmbeddingIndex(partial(model.predict, task="similar"))
    index.add(["the cat sat", "a red day", "the dog ran"])
    assert index.vectors.shape == (3, model.shape.width)
    (best,) = index.search("a red day", k=1)
    assert (best.text, best.score) == ("a red day", pytest.approx(1, abs=1e-5))


def test_another_tasks_predict_is_refused(make_model, two_labels):
    model = make_model()
    model.add_task("mood", head=two_labels)
    with pytest.raises(InputError, match="not ClassificationPrediction; use predict with a task"):
        EmbeddingIndex(partial(model.predict, task="mood")).add(["the cat"])


@pytest.mark.parametrize(
    ("texts", "ids", "message"),
    [
        ("east", None, "texts must be a list of texts"),
        (["east", 1], None, "example 2: a text must be a str, not int"),
        (["east"], ["0"], "in the index already or given twice: '0'"),
        (["east", "west"], ["a", "a"], "in the index already or given twice: 'a'"),
        (["east"], ["a", "b"], "2 ids are given for 1 texts"),
        (["east"], [7], "an id must be a str, not int"),
    ],
)
def test_what_cannot_be_added_changes_nothing(index, texts, ids, message):
    with pytest.raises(InputError, match=message):
        index.add(texts, ids)
    assert index.ids == ("0", "1", "2")


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (lambda texts: compass(texts)[:1], "gave 1 vectors for 2 texts"),
        (lambda texts: torch.zeros(len(texts), 5), "width 5, and the index holds .* width 2"),
        (lambda texts: torch.full((len(texts), 2), torch.nan), "example 1: a vector holds NaN"),
    ],
)
def test_an_embed_that_answers_oddly_is_refused(index, embed, message):
    index.embed = embed
    with pytest.raises(InputError, match=message):
        index.add(["north-east", "almost east"])
    assert len(index) == 3
    with pytest.raises(InputError, match=message):
        index.search(["north-east", "almost east"])


def test_a_saved_index_finds_the_same(index, tmp_path):
    index.add(["north-east"], ids=["\U0001f9ed"])
    index.save(tmp_path / "compass.safetensors")
    found = EmbeddingIndex.load(tmp_path / "compass.safetensors", compass)
    assert found.ids == index.ids
    assert found.search("almost east", k=4) == index.search("almost east", k=4)


def test_an_index_of_another_model_is_refused(index, tmp_path):
    index.save(tmp_path / "compass.safetensors")
    for other in (lambda texts: compass(texts).flip(1), lambda texts: torch.ones(len(texts), 3)):
        with pytest.raises(ArtifactError, match="made with another task or model"):
            EmbeddingIndex.load(tmp_path / "compass.safetensors", other)
