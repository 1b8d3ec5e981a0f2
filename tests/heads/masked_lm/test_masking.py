import pytest
import torch

from polyhead.heads import MaskedLMExample, MaskedLMHeadConfig
from polyhead.heads.masked_lm.encoding import IGNORED, encode_texts
from polyhead.heads.masked_lm.masking import mask_texts
from polyhead.tokenizer import TextSettings

MASK = 4
N_IDS = 99
WORDS = ("the", "cat", "dog", "sat", "ran", "on", "mat", "good", "bad", "day", "red", "blue", "is")


@pytest.fixture
def texts(tiny_tokenizer):
    """300 texts of 13 tokens: WORDS, rotated."""
    examples = [
        MaskedLMExample(text=" ".join(WORDS[n % 13 :] + WORDS[: n % 13])) for n in range(300)
    ]
    return encode_texts(examples, tiny_tokenizer, keep_words=False)


def mask(texts, seed=0, **fields):
    generator = torch.Generator().manual_seed(seed)
    return mask_texts(texts, MaskedLMHeadConfig(**fields), N_IDS, generator)


def ids_of(texts):
    return torch.tensor([token for text in texts for row in text.rows for token in row.ids])


def targets_of_all(texts):
    return torch.cat([text.target for text in texts])


def test_the_chance_is_that_of_the_config_and_so_are_the_shares(texts):
    masked = mask(texts, mask_probability=0.4)
    before, after, targets = ids_of(texts), ids_of(masked), targets_of_all(masked)
    asked = targets != IGNORED
    n_open = int((targets_of_all(texts) != IGNORED).sum())
    assert int(asked.sum()) / n_open == pytest.approx(0.4, abs=0.03)
    is_mask = after[asked] == MASK
    is_kept = after[asked] == before[asked]
    assert float(is_mask.float().mean()) == pytest.approx(0.8, abs=0.04)
    # one random token in 99 is the same one again
    assert float(is_kept.float().mean()) == pytest.approx(0.1, abs=0.03)
    others = after[asked][~is_mask & ~is_kept]
    assert len(others.unique()) > 50
    assert 0 <= int(others.min()) <= int(others.max()) < N_IDS


def test_asked_tokens_are_targets_and_the_others_stay(texts):
    masked = mask(texts)
    before, after, targets = ids_of(texts), ids_of(masked), targets_of_all(masked)
    asked = targets != IGNORED
    assert torch.equal(targets[asked], before[asked])
    assert torch.equal(after[~asked], before[~asked])


def test_special_tokens_are_never_asked_for(tiny_tokenizer):
    examples = [MaskedLMExample(text="the [MASK] sat 犬 [SEP] on")]
    texts = encode_texts(examples, tiny_tokenizer, keep_words=False)
    (masked,) = mask(texts, mask_probability=1, mask_share=0, random_share=1)
    is_special = texts[0].target == IGNORED
    assert int(is_special.sum()) == 5
    assert torch.equal(masked.target, texts[0].target)
    assert torch.equal(ids_of([masked])[is_special], ids_of(texts)[is_special])


def test_at_least_one_token_of_every_row_is_asked_for(tiny_tokenizer):
    examples = [MaskedLMExample(text="cat sat on the mat"), MaskedLMExample(text="dog")]
    tokenizer = tiny_tokenizer.with_settings(TextSettings(max_length=4))
    texts = encode_texts(examples, tokenizer, keep_words=False)
    masked = mask(texts, mask_probability=1e-9)
    per_row = torch.cat([text.target for text in masked]).split([4, 4, 3, 3])
    assert [int((target != IGNORED).sum()) for target in per_row] == [1, 1, 1, 1]


def test_a_row_of_special_tokens_alone_stays_as_it_is(tiny_tokenizer):
    texts = encode_texts([MaskedLMExample(text="[MASK] 犬")], tiny_tokenizer, keep_words=False)
    (masked,) = mask(texts, mask_probability=1)
    assert masked.rows == texts[0].rows
    assert (masked.target == IGNORED).all()


def test_masks_follow_from_the_generator_and_go_on_with_it(texts):
    generator = torch.Generator().manual_seed(3)
    config = MaskedLMHeadConfig()
    first = mask_texts(texts, config, N_IDS, generator)
    second = mask_texts(texts, config, N_IDS, generator)
    assert torch.equal(ids_of(first), ids_of(mask(texts, seed=3)))
    assert not torch.equal(ids_of(first), ids_of(second))


def test_the_callers_texts_are_left_alone(texts):
    before, targets = ids_of(texts), targets_of_all(texts).clone()
    masked = mask(texts)
    assert torch.equal(ids_of(texts), before)
    assert torch.equal(targets_of_all(texts), targets)
    assert [text.example for text in masked] == [text.example for text in texts]
    assert [len(text.rows) for text in masked] == [len(text.rows) for text in texts]


def test_whole_words_are_asked_for_together(tiny_tokenizer):
    long = " ".join(["mats", "the", "catch", "redo"] * 20)
    texts = encode_texts([MaskedLMExample(text=long)] * 20, tiny_tokenizer, keep_words=True)
    masked = mask(texts, whole_words=True, mask_probability=0.3)
    n_asked = 0
    for text in masked:
        start = 0
        for row in text.rows:
            target = text.target[start : start + len(row)]
            start += len(row)
            by_word = {}
            for word, number in zip(row.words[1:-1], target[1:-1].tolist(), strict=True):
                by_word.setdefault(word, set()).add(number != IGNORED)
            assert all(len(asked) == 1 for asked in by_word.values())
            n_asked += sum(asked == {True} for asked in by_word.values())
    assert n_asked / (80 * 20) == pytest.approx(0.3, abs=0.05)


def test_equal_words_of_different_rows_are_drawn_apart(tiny_tokenizer):
    texts = encode_texts([MaskedLMExample(text="cat on")] * 400, tiny_tokenizer, keep_words=True)
    masked = mask(texts, whole_words=True, mask_probability=0.5)
    n_asked = [int((text.target != IGNORED).sum()) for text in masked]
    # at least one each, and both with the chance of a quarter
    assert set(n_asked) == {1, 2}
    assert n_asked.count(2) / 400 == pytest.approx(0.25, abs=0.08)


def test_no_texts_are_no_texts():
    assert mask([]) == []
