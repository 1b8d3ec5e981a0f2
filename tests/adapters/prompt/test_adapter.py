import copy
import pickle

import pytest
import torch

from polyhead.adapters import PromptAdapter, PromptConfig
from polyhead.adapters.prompt.config import PRESETS
from polyhead.contracts import NO_TAPS, EncoderShape
from polyhead.errors import ConfigError, InputError
from polyhead.model import DistilBertModelWithHeads
from polyhead.testing import AdapterConformance, tiny_model

SHAPE = EncoderShape(
    width=32, n_layers=3, n_heads=4, ffn_width=64, max_positions=64, vocab_size=100
)
THEIRS = "distilbert.prompt_tuning.prompt_tunings.a.prompt_embedding.weight"


class TestPrompt(AdapterConformance):
    adapter = PromptAdapter
    configs = (
        PromptConfig(prompt_length=4),
        PromptConfig(prompt_length=2, combine="prefix_after_bos", cls="prompt"),
        PromptConfig(
            prompt_length=5, prompt_init="from_string", prompt_init_text="a good day", cls="prompt"
        ),
    )


class Encoder:
    """An EncoderView in which every word has an embedding of its own, as do its lengths."""

    def embedded(self, text):
        words = text.split()
        return torch.tensor([[float(len(word))] * 32 for word in words]).view(len(words), 32)


def lengths_in(adapter):
    weight = adapter.prompt.weight
    assert torch.equal(weight, weight[:, :1].expand_as(weight))
    return weight[:, 0].tolist()


def started_from(text, prompt_length):
    config = PromptConfig(
        prompt_length=prompt_length, prompt_init="from_string", prompt_init_text=text
    )
    adapter = PromptAdapter(config, SHAPE)
    adapter.initialise(Encoder())
    return adapter


@pytest.mark.parametrize(
    ("name", "first"), [("prompt_tuning/bin", 4), ("prompt_after_bos/bin", None)]
)
def test_files_of_the_adapters_library_give_what_they_gave_there(name, first, recorded):
    """Its heads read the prompt's first row where the prompt comes first."""
    theirs = recorded(name)
    cls = "prompt" if first else "token"
    config = PromptConfig(**theirs.kept(PromptConfig), cls=cls)
    adapter = PromptAdapter(config, SHAPE)
    adapter.load_state_dict({"prompt.weight": theirs.tensors[THEIRS]})
    states, logits = theirs.computed(adapter)
    for found, expected in zip(states, theirs.states, strict=True):
        behind = expected[config.prompt_length + 1 :]
        torch.testing.assert_close(found, torch.cat([expected[:1], behind]), atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, theirs.logits, atol=1e-5, rtol=0)


def test_by_default_heads_read_the_first_tokens_own_state(recorded):
    theirs = recorded("prompt_tuning/bin")
    config = PromptConfig(**theirs.kept(PromptConfig))
    adapter = PromptAdapter(config, SHAPE)
    adapter.load_state_dict({"prompt.weight": theirs.tensors[THEIRS]})
    states, logits = theirs.computed(adapter)
    for found, expected in zip(states, theirs.states, strict=True):
        torch.testing.assert_close(found, expected[config.prompt_length :], atol=1e-5, rtol=0)
    assert (logits - theirs.logits).abs().max() > 1e-3


def test_the_preset_has_as_many_parameters_as_in_the_adapters_library():
    shape = EncoderShape(
        width=768, n_layers=6, n_heads=12, ffn_width=3072, max_positions=512, vocab_size=30522
    )
    with torch.device("meta"):
        adapter = PromptAdapter(PRESETS["prompt_tuning"], shape)
    sizes = {name: tensor.numel() for name, tensor in adapter.state_dict().items()}
    assert sizes == {"prompt.weight": 7_680}


def test_it_acts_in_front_of_the_first_layer_alone():
    adapter = PromptAdapter(PromptConfig(), SHAPE)
    assert adapter.embeddings_tap() is adapter.embeddings_tap() is adapter.prompt
    assert all(adapter.taps(layer) is NO_TAPS for layer in range(3))


@pytest.mark.parametrize(
    ("text", "prompt_length", "lengths"),
    [
        ("a bb ccc", 3, [1, 2, 3]),
        ("a bb ccc", 7, [1, 2, 3, 1, 2, 3, 1]),
        ("a bb ccc", 2, [1, 2]),
    ],
)
def test_a_text_is_repeated_or_cut_to_fill_the_prompt(text, prompt_length, lengths):
    assert lengths_in(started_from(text, prompt_length)) == lengths


def test_a_random_prompt_takes_nothing_from_the_encoder():
    adapter = PromptAdapter(PromptConfig(), SHAPE)
    before = adapter.prompt.weight.detach().clone()
    adapter.initialise(Encoder())
    assert torch.equal(adapter.prompt.weight, before)


def test_a_text_without_sub_words_is_refused():
    with pytest.raises(ConfigError, match="prompt_init_text '  ' has no sub-words"):
        started_from("  ", 3)


def test_a_model_fills_the_prompt_with_its_word_embeddings():
    model = tiny_model()
    config = PromptConfig(prompt_length=9, prompt_init="from_string", prompt_init_text="good day")
    model.add_adapter("a", config)
    ids = model.tokenizer.rows(["good day"])[0].ids[1:-1]
    assert 1 < len(ids) < 9
    words = model.encoder.word_embeddings.weight[list((ids * 9)[:9])]
    prompt = model.adapters["a"].prompt.weight
    assert torch.equal(prompt, words)
    assert prompt.requires_grad


def test_a_model_without_a_tokenizer_refuses_a_text():
    bare = DistilBertModelWithHeads(tiny_model().encoder)
    config = PromptConfig(prompt_init="from_string", prompt_init_text="good day")
    with pytest.raises(InputError, match="tokenizer"):
        bare.add_adapter("a", config)
    assert not bare.adapters


def test_a_prompt_takes_no_positions_of_the_text():
    """A row may be as long as the encoder takes, whatever the prompt's length."""
    model = tiny_model()
    model.add_adapter("a", PromptConfig(prompt_length=30))
    ids = torch.full((1, model.shape.max_positions), 7)
    out = model(input_ids=ids, adapter_names="a", head=None)
    assert out.last_hidden_state.shape == (1, model.shape.max_positions, model.shape.width)


def test_one_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    config = PromptConfig(init_weights_seed=0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = PromptAdapter(config, SHAPE).prompt.weight
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(PromptAdapter(config, SHAPE).prompt.weight, one)
    other = PromptAdapter(PromptConfig(init_weights_seed=1), SHAPE).prompt.weight
    assert not torch.equal(other, one)


def test_copies_and_pickles_have_prompts_of_their_own():
    adapter = PromptAdapter(PromptConfig(), SHAPE)
    for twin in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):  # noqa: S301
        assert twin.embeddings_tap() is twin.prompt
        assert twin.prompt is not adapter.prompt
        assert torch.equal(twin.prompt.weight, adapter.prompt.weight)


def test_shares_that_do_not_add_up_to_one_have_no_meaning():
    adapter = PromptAdapter(PromptConfig(), SHAPE)
    assert adapter.why_no_sum((0.25, 0.75)) is None
    assert "must add up to 1, not 0.5" in adapter.why_no_sum((0.25, 0.25))
