"""Pipelines on tasks that were trained here: the head and its adapter answer as in `predict`."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import polyhead
from polyhead.contracts import TextSettings
from polyhead.errors import ConfigError, InputError
from polyhead.registry import registry

LONG = "The goodest cat ran on the unbelievable mat, and the dogs sat. " * 3
HEADS = {
    "mood": ("classification", {"labels": ("bad", "good", "fair")}),
    "topics": ("multilabel", {"labels": ("cats", "dogs")}),
    "stars": ("regression", {"outputs": ("stars", "hearts"), "target_mean": (3, 2)}),
    "names": ("tagging", {"labels": ("O", "B-PER", "I-PER"), "scheme": "bio", "overlap": 6}),
    "oracle": ("question_answering", {"null_answers": True, "max_answer_length": 4}),
    "gaps": ("masked_lm", {}),
    "search": ("embedding", {}),
    "exam": ("multiple_choice", {}),
}


@pytest.fixture(scope="module")
def model(encoder, shake):
    """A model on a checkpoint's encoder with a task of every kind."""
    model = polyhead.DistilBertModelWithHeads.from_pretrained(encoder)
    for seed, (name, (kind, fields)) in enumerate(HEADS.items()):
        config = registry().head(kind).Config(**fields)
        model.add_task(name, head=config, text=TextSettings(max_length=20))
        shake(model.heads[name], seed)
        shake(model.adapters[name], seed)
    return model


@pytest.fixture(scope="module")
def tasks(model, tmp_path_factory):
    """The folder that the tasks are saved in."""
    folder = tmp_path_factory.mktemp("tasks")
    for name in HEADS:
        model.save_task(name, folder / name)
    return folder


@pytest.fixture(scope="module")
def ask(tasks):
    """Makes the pipeline of a task's folder."""

    def make(name, task=None, **options):
        return polyhead.pipeline(task, model=tasks / name, device="cpu", **options)

    return make


TEXTS = ["the cat is good", "Zebras ran!", "a bad day", LONG]


def test_the_kind_of_head_tells_the_pipeline(ask):
    found = {name: ask(name).task for name in HEADS if name != "exam"}
    assert found == {
        "mood": "text-classification",
        "topics": "text-classification",
        "stars": "text-classification",
        "names": "token-classification",
        "oracle": "question-answering",
        "gaps": "fill-mask",
        "search": "feature-extraction",
    }


def test_labels_are_those_that_predict_gives(model, ask):
    pairs = [*TEXTS, {"text": "the cat", "text_pair": "the dog"}]
    found = ask("mood")(pairs)
    expected = model.predict([*TEXTS, ("the cat", "the dog")], task="mood")
    assert [item["label"] for item in found] == [item.label for item in expected]
    scores = [item.score for item in expected]
    assert [item["score"] for item in found] == pytest.approx(scores, abs=1e-5)


def test_several_labels_have_the_probabilities_that_predict_gives(model, ask):
    found = ask("topics")(TEXTS, top_k=None)
    expected = model.predict(TEXTS, task="topics")
    for scores, prediction in zip(found, expected, strict=True):
        by_label = {item["label"]: item["score"] for item in scores}
        assert by_label == pytest.approx(prediction.probabilities, abs=1e-5)


def test_numbers_are_those_that_predict_gives(model, ask):
    found = ask("stars")(TEXTS, top_k=None)
    expected = model.predict(TEXTS, task="stars")
    for scores, prediction in zip(found, expected, strict=True):
        by_name = {item["label"]: item["score"] for item in scores}
        assert by_name == pytest.approx(prediction.values, abs=1e-4)


def test_long_texts_are_tagged_to_their_end(model, ask):
    found = ask("names")(LONG, aggregation_strategy="first", ignore_labels=[])
    assert found[-1]["end"] == len(LONG.rstrip())
    tokens = ask("names")([*TEXTS], ignore_labels=[])
    for text, items in zip(TEXTS, tokens, strict=True):
        assert [item["index"] for item in items] == list(range(1, len(items) + 1))
        assert items[-1]["end"] == len(text.rstrip())
    words = ask("names")(["the", "cat"], is_split_into_words=True, ignore_labels=[])
    [prediction] = model.predict([["the", "cat"]], task="names")
    assert [item["entity"] for item in words[0]] == prediction.tags
    assert [item["score"] for item in words[0]] == pytest.approx(prediction.scores, abs=1e-5)


def test_answers_follow_the_configuration_of_the_head(ask):
    asked = ask("oracle")
    context = "the dog ran"
    options = {"top_k": 50, "handle_impossible_answer": False}
    assert "" in [item["answer"] for item in asked("who ran?", context, top_k=50)]
    assert "" not in [item["answer"] for item in asked("who ran?", context, **options)]
    words = asked("who?", "a b c d e f g h", top_k=50, max_answer_len=8)
    assert max(len(item["answer"].split()) for item in words) == 8
    assert (
        max(len(item["answer"].split()) for item in asked("who?", "a b c d e f g h", top_k=50)) == 4
    )


def test_answers_of_long_contexts_are_whole_words(ask):
    context = LONG + "Zebras jumped, quick foxes hid."
    found = ask("oracle")("who ran?", context, top_k=1000)
    assert max(item["end"] for item in found) == len(context)
    words = set(context.replace(",", " ,").replace(".", " .").split())
    for item in found:
        answer = item["answer"].replace(",", " ,").replace(".", " .")
        assert set(answer.split()) <= words


def test_answers_are_parts_of_the_context(ask):
    for item in ask("oracle")("who ran?", LONG, top_k=20):
        assert item["answer"] == LONG[item["start"] : item["end"]]


def test_masks_are_filled_as_predict_fills_them(model, ask):
    texts = [
        "the [MASK] is good",
        "the [MASK] ran on the [MASK] mat",
        "the cat sat " * 12 + "[MASK]",
    ]
    found = ask("gaps")(texts)
    for answer, prediction in zip(found, model.predict(texts, task="gaps"), strict=True):
        masks = answer if len(prediction.masks) > 1 else [answer]
        for mine, theirs in zip(masks, prediction.masks, strict=True):
            assert [item["token"] for item in mine] == [item.token for item in theirs[:5]]
            scores = [item.score for item in theirs[:5]]
            assert [item["score"] for item in mine] == pytest.approx(scores, abs=1e-5)
    [first] = model.predict(texts[:1], task="gaps")[0].masks
    assert [item["sequence"] for item in found[0]] == [item.sequence for item in first[:5]]
    assert found[2][0]["sequence"].startswith("the cat sat the cat sat the")


@pytest.mark.parametrize("targets", ["cat", ["cat", "dogs"]], ids=str)
def test_masks_are_filled_with_targets(ask, targets):
    found = ask("gaps")("the [MASK]", targets=targets)
    assert {item["token_str"] for item in found} <= {"cat", "dog"}


def test_features_are_the_hidden_states_under_the_adapter(model, ask):
    found = ask("search")(["the cat", "the cat sat on a mat"], return_tensors=True)
    for text, hidden in zip(["the cat", "the cat sat on a mat"], found, strict=True):
        [row] = model.tokenizer.rows([text])
        with torch.inference_mode():
            output = model(torch.tensor([row.ids]), head=None, adapter_names="search")
        torch.testing.assert_close(hidden, output.last_hidden_state, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", HEADS)
def test_any_task_has_features(ask, name):
    assert ask(name, "feature-extraction")("the cat", return_tensors=True).shape == (1, 4, 32)


def test_a_head_that_does_not_fit_is_refused(ask):
    with pytest.raises(ConfigError, match="'mood' has a head of kind 'classification', which the"):
        ask("mood", "ner")
    with pytest.raises(ConfigError, match="'exam' has a head of kind 'multiple_choice', which no"):
        ask("exam")
    with pytest.raises(ConfigError, match="'exam' has a head of kind 'multiple_choice', which no"):
        ask("exam", "fill-mask")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mood", {"truncation": True}),
        ("mood", {"max_length": 8}),
        ("names", {"stride": 4}),
        ("names", {"delimiter": "-"}),
        ("oracle", {"max_seq_len": 12}),
        ("gaps", {"tokenizer_kwargs": {}}),
        ("search", {"truncation": True}),
    ],
    ids=str,
)
def test_a_task_reads_texts_as_it_was_trained_to(ask, name, options):
    with pytest.raises(ConfigError, match=f"the task '{name}' reads texts as it was trained to"):
        ask(name, **options)


@pytest.mark.parametrize("name", ["tokenizer", "config"])
def test_a_task_has_its_own_tokenizer_and_configuration(ask, encoder, name):
    with pytest.raises(ConfigError, match=f"a task has the {name} of the backbone"):
        ask("mood", **{name: encoder})


@pytest.mark.parametrize(
    ("name", "inputs"), [("mood", ["a", " "]), ("names", ["a", ""]), ("search", ["a", "\n"])]
)
def test_texts_without_words_are_refused(ask, name, inputs):
    with pytest.raises(InputError, match="example 2: the text has no words"):
        ask(name)(inputs)


def test_a_backbone_that_moved_can_be_named(tasks, encoder, tmp_path, ask):
    moved = tmp_path / "moved"
    moved.symlink_to(encoder)
    asked = ask("mood", model_kwargs={"backbone": moved, "attn_implementation": "eager"})
    assert asked.model.backbone.name == str(moved)
    assert asked.model.encoder.config.attn_implementation == "eager"
    scores = [item["score"] for item in asked(TEXTS)]
    assert scores == pytest.approx([item["score"] for item in ask("mood")(TEXTS)], abs=1e-5)


def test_unknown_arguments_of_the_model_are_refused(ask):
    with pytest.raises(ConfigError, match=r"may hold 'backbone' and .*, not 'num_labels'"):
        ask("mood", model_kwargs={"num_labels": 3})


def test_weights_can_be_of_another_type(ask):
    asked = ask("mood", dtype="bfloat16")
    assert asked.dtype == torch.bfloat16
    assert asked("the cat")[0]["label"] in HEADS["mood"][1]["labels"]


def test_a_model_with_one_fitting_task_is_asked_for_it(model, ask, assert_same):
    asked = polyhead.pipeline("fill-mask", model=model)
    assert asked.model is model
    assert_same(asked("a [MASK]"), ask("gaps")("a [MASK]"))


def test_a_model_with_several_tasks_that_fit_is_refused(model):
    with pytest.raises(ConfigError, match="has 3 tasks that fit, 'mood', 'topics', 'stars'"):
        polyhead.pipeline("text-classification", model=model)
    with pytest.raises(ConfigError, match="has 8 tasks that fit"):
        polyhead.pipeline(model=model)


def test_a_model_without_tasks_has_features_alone(encoder, assert_same):
    model = polyhead.DistilBertModelWithHeads.from_pretrained(encoder)
    asked = polyhead.pipeline("feature-extraction", model=model)
    assert_same(asked("the cat"), polyhead.pipeline(model=encoder)("the cat"))
    with pytest.raises(ConfigError, match="the model has no task that fits"):
        polyhead.pipeline("fill-mask", model=model)


def test_a_model_without_a_tokenizer_is_refused(make_model):
    model = make_model()
    model.tokenizer = None
    with pytest.raises(InputError, match="came without a tokenizer"):
        polyhead.pipeline("feature-extraction", model=model)


def test_a_task_in_training_mode_is_refused(encoder, two_labels):
    model = polyhead.DistilBertModelWithHeads.from_pretrained(encoder)
    model.add_task("mood", head=two_labels)
    asked = polyhead.pipeline(model=model)
    model.train()
    with pytest.raises(InputError, match="the task 'mood' is in training mode"):
        asked("the cat")


def test_a_saved_pipeline_is_the_task_s_folder(ask, tmp_path):
    ask("mood").save_pretrained(tmp_path / "again")
    assert polyhead.pipeline(model=tmp_path / "again")(TEXTS) == ask("mood")(TEXTS)


def test_several_threads_ask_several_tasks_of_one_encoder(ask):
    asked = [ask("mood"), ask("names"), ask("search")]
    expected = [one(TEXTS[:3]) for one in asked]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: one(TEXTS[:3]), asked * 4))
    assert found == expected * 4
