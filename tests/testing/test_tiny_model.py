import pytest
import torch

from polyhead.heads import ClassificationHeadConfig
from polyhead.testing import tiny_model, tiny_tokenizer

LATIN = (
    "Fix schnelle Füchse! Straße, Œuvre, naïve façade; Ångström, Łódź, Þór, İstanbul, ıĸŋ",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy. Nguyễn, Việt ơi!",
    "“Quotes” \N{EN DASH} dashes — and… 20 € (or £17.50), 100% @home #1 [x] {y} <z> a_b|c~d^e`f\\g",
)


@pytest.mark.parametrize("text", LATIN)
def test_any_latin_text_is_spelled(text):
    tokenizer = tiny_tokenizer()
    [row] = tokenizer.rows([text])
    assert tokenizer.unk_id not in row.ids
    assert len(row) > len(text.split())


def test_words_become_sub_words():
    tokenizer = tiny_tokenizer()
    [row] = tokenizer.rows(["the model"], offsets=True)
    assert [tokenizer.token(number) for number in row.ids] == [
        *("[CLS]", "t", "##he", "mo", "##de", "##l", "[SEP]"),
    ]
    assert row.words == (-1, 0, 0, 1, 1, 1, -1)
    assert tokenizer.mask_id is not None


def test_the_longest_row_is_as_asked_for():
    [row] = tiny_tokenizer(max_length=9).rows(["many words in one row, and then some more"])
    assert len(row) == 9
    assert tiny_tokenizer().settings.max_length == 128


def test_a_model_answers_texts_of_512_tokens():
    model = tiny_model()
    model.add_task("mood", head=ClassificationHeadConfig(labels=("no", "yes")))
    assert not model.training
    assert model.shape.max_positions == 512
    [answer] = model.predict("a long text " * 200, task="mood")
    assert answer.label in {"no", "yes"}


def test_equal_arguments_make_equal_models_that_share_nothing():
    one, other, third = tiny_model(), tiny_model(), tiny_model(seed=1)
    assert one.backbone == other.backbone != third.backbone
    assert one.tokenizer is not other.tokenizer
    one.add_adapter("extra")
    one.to(torch.float16)
    assert not other.adapters
    assert tiny_model().backbone == other.backbone
    assert other.dtype == torch.float32


def test_sizes_are_as_asked_for():
    shape = tiny_model(n_layers=1, width=16).shape
    assert (shape.n_layers, shape.width, shape.n_heads) == (1, 16, 4)


def test_random_numbers_go_on_as_if_no_model_had_been_made():
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    tiny_model()
    assert torch.equal(torch.rand(2), expected)
