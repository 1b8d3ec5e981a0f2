import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from polyhead.batch import Hidden, Packing
from polyhead.contracts import Encoded, EncoderShape, targets_of
from polyhead.errors import InputError
from polyhead.heads import (
    MaskedLMExample,
    MaskedLMHead,
    MaskedLMHeadConfig,
    MaskedLMPrediction,
)
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry
from polyhead.tokenizer import TextSettings
from polyhead.train import Trainer, TrainSettings, evaluate, seeded

FIXTURES = Path(__file__).parents[2] / "fixtures" / "adapterhub"
V = 12
SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=V)
PACKING = Packing((3, 1, 2))


def a_head(**fields):
    return MaskedLMHead(MaskedLMHeadConfig(**fields), SHAPE).eval()


def hidden(packing=PACKING, seed=1):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(packing.n_tokens, 8, generator=generator)
    embeddings = torch.randn(V, 8, generator=generator)
    return Hidden(tokens, packing, tuple(range(packing.n_rows)), word_embeddings=embeddings)


@pytest.fixture
def model(make_model, shake):
    """A tiny model with the task "fill", whose adapter and head are random."""
    model = make_model()
    config = MaskedLMHeadConfig(top_k=3)
    model.add_task("fill", head=config, text=TextSettings(max_length=16))
    shake(model.heads["fill"])
    shake(model.adapters["fill"], seed=1)
    return model.eval()


# ----------------------------------------------------------------------------- what it computes


def test_the_head_of_the_adapters_library_gives_what_it_gave_there(make_model):
    folder = FIXTURES / "heads" / "masked_lm"
    fields = json.loads((folder / "head_config.json").read_text())["config"]
    model = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")
    config = MaskedLMHeadConfig(activation=fields["activation_function"])
    model.add_head("h", config, adapter=None)
    weights = load_file(folder / "model_head.safetensors")
    # the tied matrix is the backbone's own: it is read from there
    assert torch.equal(weights.pop("heads.h.3.weight"), model.encoder.word_embeddings.weight)
    names = {"0.weight": "dense.weight", "0.bias": "dense.bias", "3.bias": "bias"}
    names |= {"2.weight": "norm.weight", "2.bias": "norm.bias"}
    model.heads["h"].load_state_dict(
        {names[key.removeprefix("heads.h.")]: tensor for key, tensor in weights.items()}
    )
    expected = load_file(folder / "expected.safetensors")
    mask = expected["attention_mask"]
    with torch.no_grad():
        out = model(input_ids=expected["input_ids"], attention_mask=mask, head="h")
    is_token = mask.bool()
    torch.testing.assert_close(
        out.logits[is_token], expected["logits"][is_token], atol=1e-5, rtol=0
    )
    assert not out.logits[~is_token].any()


def test_what_is_compared_with_embeddings_is_mapped_back_by_each_rows_own_adapter():
    head, seen = a_head(), hidden()

    def mapped_back(states, packing):
        return states.flip(1) * 3

    plain = head(seen)["states"]
    found = head(replace(seen, inverses=(None, mapped_back, None)))
    first, own, last = plain.split(PACKING.lengths)
    expected = torch.cat([first, own.flip(1) * 3, last])
    torch.testing.assert_close(found["states"], expected)
    torch.testing.assert_close(
        head.logits(found), expected @ seen.word_embeddings.T + head.bias, atol=1e-5, rtol=1e-5
    )


def test_logits_follow_the_written_formula(shake):
    head = shake(a_head(activation="relu"))
    values = hidden()
    states = nn.functional.relu(values.tokens @ head.dense.weight.T + head.dense.bias)
    centred = states - states.mean(1, keepdim=True)
    normed = centred / (centred.square().mean(1, keepdim=True) + 1e-12).sqrt()
    normed = normed * head.norm.weight + head.norm.bias
    expected = normed @ values.word_embeddings.T + head.bias
    torch.testing.assert_close(head.logits(head(values)), expected)


def test_the_logits_of_some_tokens_are_those_of_all(shake):
    head = shake(a_head())
    output = head(hidden())
    places = torch.tensor([4, 0, 5])
    torch.testing.assert_close(head.project(output, places), head.logits(output)[places])


def test_the_encoders_matrix_is_neither_copied_nor_held():
    head = a_head()
    values = hidden()
    assert head(values)["embeddings"] is values.word_embeddings
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        "dense.weight": (8, 8),
        "dense.bias": (8,),
        "norm.weight": (8,),
        "norm.bias": (8,),
        "bias": (V,),
    }


def test_a_saved_head_is_small_and_answers_the_same(model, make_model, tmp_path):
    model.save_head("fill", tmp_path / "head")
    file = load_file(tmp_path / "head" / "head.safetensors")
    n_numbers = sum(tensor.numel() for tensor in file.values())
    width, n_ids = model.encoder.word_embeddings.weight.shape[::-1]
    assert n_numbers == width * width + 3 * width + n_ids
    other = make_model()
    other.load_head(tmp_path / "head")
    ids = torch.tensor([[2, 4, 6, 3]])
    bare = {"adapter_names": None, "head": "fill"}
    assert torch.equal(other(ids, **bare).logits, model(ids, **bare).logits)


def test_it_starts_from_the_states_themselves():
    head = a_head()
    assert torch.equal(head.dense.weight, torch.eye(8))
    assert not head.bias.any()


def test_the_registry_gives_it_by_kind_and_by_config():
    assert registry().head("masked_lm") is MaskedLMHead
    assert registry().head_for(MaskedLMHeadConfig()) is MaskedLMHead


def test_hidden_states_without_the_matrix_are_refused():
    tokens = hidden().tokens
    with pytest.raises(RuntimeError, match="word_embeddings"):
        a_head()(Hidden.of_rows(tokens, PACKING))


def test_a_mix_of_layers_is_read(make_model):
    model = make_model()
    model.add_head("h", MaskedLMHeadConfig(hidden="mix"), adapter=None)
    out = model(
        torch.tensor([[2, 4, 6, 3]]), head="h", labels=torch.tensor([[-100, 6, -100, -100]])
    )
    out.loss.backward()
    assert model.heads["h"].mix.weights.grad.any()


# ------------------------------------------------------------------------------------- the loss


def test_loss_is_the_mean_cross_entropy_of_the_asked_tokens(shake):
    head = shake(a_head())
    output = head(hidden())
    targets = torch.tensor([-100, 3, -100, 11, -100, 0])
    logits = head.logits(output)
    expected = -torch.stack([logits[n].log_softmax(0)[targets[n]] for n in (1, 3, 5)]).mean()
    torch.testing.assert_close(head.loss(output, targets), expected)


def test_without_an_asked_token_the_loss_is_zero_and_so_is_its_gradient(shake):
    head = shake(a_head())
    loss = head.loss(head(hidden()), torch.full((6,), -100))
    assert loss.item() == 0
    loss.backward()
    assert not any(parameter.grad.any() for parameter in head.parameters())


def test_gradients_reach_every_parameter_and_not_the_matrix(shake):
    head = shake(a_head())
    values = hidden()
    head.loss(head(values), torch.tensor([1, 2, -100, 3, -100, 4])).backward()
    assert all(parameter.grad.any() for parameter in head.parameters())
    assert values.word_embeddings.grad is None


def test_half_precision_is_compared_in_float32(shake):
    head = shake(a_head()).to(torch.bfloat16)
    values = hidden()
    tokens = Hidden(
        values.tokens.bfloat16(), PACKING, (0, 1, 2), word_embeddings=values.word_embeddings
    )
    loss = head.loss(head(tokens), torch.tensor([1, 2, -100, 3, -100, 4]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert head.dense.weight.grad.dtype == torch.bfloat16


# ---------------------------------------------------------------------- labels of a padded batch


def test_targets_of_a_padded_batch_are_those_of_its_tokens():
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]], dtype=torch.bool)
    labels = torch.tensor([[-100, 3, 99], [0, -100, 11]], dtype=torch.int32)
    found = a_head().targets(labels, mask)
    assert torch.equal(found, torch.tensor([-100, 3, 0, -100, 11]))
    assert found.dtype == torch.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(2, dtype=torch.long), r"labels of shape \(2,\) do not fit"),
        (torch.zeros(2, 4, dtype=torch.long), r"labels of shape \(2, 4\) do not fit"),
        (torch.zeros(2, 3), "whole numbers, not torch.float32"),
        (torch.full((2, 3), torch.nan), "whole numbers, not torch.float32"),
        (torch.zeros(2, 3, dtype=torch.bool), "whole numbers, not torch.bool"),
        (torch.full((2, 3), V), "the label 12 is neither -100 nor a token id, 0 to 11"),
        (torch.full((2, 3), -1), "the label -1 is neither -100 nor a token id, 0 to 11"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        a_head().targets(labels, torch.ones(2, 3, dtype=torch.bool))


def test_the_tensor_call_gives_loss_and_padded_logits(model):
    ids = torch.tensor([[2, 5, 4, 3], [2, 4, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    labels = torch.where(ids == 4, 6, -100)
    out = model(ids, mask, head="fill", labels=labels)
    assert out.logits.shape == (2, 4, model.encoder.config.vocab_size)
    expected = nn.functional.cross_entropy(out.logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(out.loss, expected)


# ------------------------------------------------------------------------------------ its answers


def test_the_most_probable_tokens_are_given_for_each_mask(model):
    text = "the [MASK] sat on [MASK]"
    [answer] = model.predict(text, task="fill")
    assert isinstance(answer, MaskedLMPrediction)
    assert [len(fillings) for fillings in answer.masks] == [3, 3]
    tokenizer = model.text_tokenizer(model.task("fill"))
    [row] = tokenizer.rows([text])
    logits = model(torch.tensor([row.ids]), head="fill").logits[0]
    places = [place for place, token in enumerate(row.ids) if token == 4]
    for place, fillings in zip(places, answer.masks, strict=True):
        top = logits[place].softmax(0).topk(3)
        assert [filling.token for filling in fillings] == top.indices.tolist()
        torch.testing.assert_close(
            torch.tensor([filling.score for filling in fillings]), top.values
        )
        assert fillings[0].token_str == tokenizer.token(fillings[0].token)
    assert json.loads(answer.model_dump_json()) == answer.model_dump(mode="json")


def test_texts_answered_together_are_answered_as_alone(model):
    texts = ["the [MASK]", "[MASK] sat on the [MASK] and ran", "a dog is [MASK] " * 9]
    together = model.predict(texts, task="fill")
    for text, answer in zip(texts, together, strict=True):
        [alone] = model.predict(text, task="fill")
        assert answer.text == alone.text
        for one, other in zip(answer.masks, alone.masks, strict=True):
            assert [f.score for f in one] == pytest.approx([f.score for f in other], abs=1e-5)


def test_there_are_no_more_tokens_than_the_vocabulary_has(model):
    n_ids = model.encoder.config.vocab_size
    model.add_task("every", head=MaskedLMHeadConfig(top_k=10_000), adapter=None)
    [answer] = model.eval().predict("[MASK]", task="every")
    assert len(answer.masks[0]) == n_ids
    assert sum(filling.score for filling in answer.masks[0]) == pytest.approx(1, abs=1e-5)


def test_a_text_without_a_mask_is_refused_with_its_place(model):
    with pytest.raises(InputError, match=r"example 2: the text 'the cat' has no \[MASK\]") as error:
        model.predict(["the [MASK]", "the cat"], task="fill")
    assert error.value.index == 1


def test_its_place_is_that_among_all_texts_not_those_of_a_batch(model):
    long = "the [MASK] sat on the mat " * 50
    with pytest.raises(InputError) as error:
        model.predict([*[long] * 5, "the cat", long, long], task="fill")
    assert error.value.index == 5


def test_an_empty_text_is_refused_with_its_place(model):
    with pytest.raises(InputError, match="example 2: the text has no words"):
        model.predict(["the [MASK]", " "], task="fill")


def test_no_texts_give_no_answers(model):
    assert model.predict([], task="fill") == []
    head = model.heads["fill"]
    nothing = Hidden(
        torch.zeros(0, 32), Packing(()), (), word_embeddings=model.encoder.word_embeddings.weight
    )
    assert head.decode(head(nothing), []) == []
    assert head.logits(head(nothing)).shape == (0, model.encoder.config.vocab_size)


def test_logits_that_are_not_finite_are_refused(model):
    with torch.no_grad():
        model.heads["fill"].bias[7] = torch.nan
    with pytest.raises(InputError, match="logits of a token are not finite"):
        model.predict("the [MASK]", task="fill")


def test_examples_of_another_head_are_refused():
    strange = [Encoded(MaskedLMExample(text="any"), ())]
    with pytest.raises(TypeError, match="`encode`"):
        a_head().decode(a_head()(hidden()), strange)


# --------------------------------------------------------------------------------- it is trained

TEXTS = ("the cat sat on the mat", "the dog ran on the red mat", "the good day is blue")


def test_an_adapter_learns_from_unlabelled_text(make_model):
    model = make_model()
    examples = [MaskedLMExample(text=text) for text in TEXTS * 8]
    with seeded(0):
        model.add_task("domain", head=MaskedLMHeadConfig(mask_probability=0.3))
    before = evaluate(model, "domain", examples)
    matrix = model.encoder.word_embeddings.weight.clone()
    settings = TrainSettings(epochs=12, lr=0.01, batch_size=8)
    result = Trainer(model, settings).fit("domain", examples, examples)
    after = evaluate(model, "domain", examples)
    assert after["perplexity"] < before["perplexity"] / 4
    assert after["accuracy"] > before["accuracy"]
    assert result.best_metrics == after
    assert result.best_epoch == min(
        range(1, 13), key=lambda epoch: result.metrics[epoch - 1]["perplexity"]
    )
    assert torch.equal(model.encoder.word_embeddings.weight, matrix)


def test_each_step_hides_other_tokens(model):
    head = model.heads["fill"]
    tokenizer = model.text_tokenizer(model.task("fill"))
    encoded = head.encode([MaskedLMExample(text=text) for text in TEXTS], tokenizer)
    generator = torch.Generator().manual_seed(0)
    first, second = head.draw(encoded, generator), head.draw(encoded, generator)
    assert not torch.equal(targets_of(first), targets_of(second))
    assert all(
        token < head.shape.vocab_size for item in first for row in item.rows for token in row.ids
    )


def test_metrics_are_fresh_each_time(model):
    head = model.heads["fill"]
    assert head.metrics() is not head.metrics()
    with torch.no_grad():
        head.bias[7] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        evaluate(model, "fill", [MaskedLMExample(text="the cat")])
