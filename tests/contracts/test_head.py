import pytest
import torch
from pydantic import create_model

from polyhead.batch import Row
from polyhead.contracts import (
    Encoded,
    EncoderShape,
    Example,
    Head,
    HeadConfig,
    Metrics,
    Prediction,
    targets_of,
)
from polyhead.errors import ConfigError, ContractError, InputError

SHAPE = EncoderShape(width=4, n_layers=2, n_heads=2, ffn_width=8, max_positions=16, vocab_size=10)


class PointConfig(HeadConfig):
    size: int = 1


class PointExample(Example):
    text: str
    place: int = 0
    note: str | None = None


class PointHead(Head):
    kind = "point"
    Config = PointConfig
    Example = PointExample

    def encode(self, examples, tokenizer):
        return [Encoded(example, (Row((1,)),)) for example in examples]

    def forward(self, hidden):
        return hidden.cls

    def loss(self, output, targets):
        return output.sum()

    def decode(self, output, encoded):
        return [Prediction() for _ in encoded]

    def metrics(self):
        raise NotImplementedError


def members(**changed):
    found = {name: value for name, value in vars(PointHead).items() if not name.startswith("__")}
    return {name: value for name, value in {**found, **changed}.items() if value is not None}


def test_a_complete_class_is_accepted_and_keeps_config_and_shape():
    head = PointHead(PointConfig(size=2), SHAPE)
    assert head.config == PointConfig(size=2)
    assert head.shape is SHAPE
    assert not head.reads_layers


@pytest.mark.parametrize("lacking", [{"kind": None}, {"kind": ""}, {"kind": 3}])
def test_a_class_without_kind_is_refused_as_it_is_defined(lacking):
    with pytest.raises(ContractError, match="Odd must set `kind`"):
        type("Odd", (Head,), members(**lacking))


@pytest.mark.parametrize("lacking", [{"Config": None}, {"Config": PointExample}])
def test_a_class_without_config_is_refused_as_it_is_defined(lacking):
    with pytest.raises(ContractError, match="must set `Config`, a subclass of HeadConfig"):
        type("Odd", (Head,), members(**lacking))


@pytest.mark.parametrize("lacking", [{"Example": None}, {"Example": PointConfig}, {"Example": "x"}])
def test_a_class_without_example_is_refused_as_it_is_defined(lacking):
    with pytest.raises(ContractError, match="Odd must set `Example`, a subclass of Example"):
        type("Odd", (Head,), members(**lacking))


def test_a_subclass_inherits_what_its_parent_declares():
    class Finer(PointHead):
        kind = "finer"

    assert Finer.Example is PointExample


def test_an_abstract_step_in_between_needs_no_declarations():
    class Between(Head):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Between(PointConfig(), SHAPE)


def test_configure_takes_options_alone_unless_a_head_says_otherwise():
    assert PointHead.configure({"size": 3}, []) == PointConfig(size=3)
    with pytest.raises(ConfigError, match="head kind 'point': unknown field 'sise'"):
        PointHead.configure({"sise": 3}, [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", PointExample(text="a")),
        (("a",), PointExample(text="a")),
        (("a", 2), PointExample(text="a", place=2)),
        (("a", 2, "n"), PointExample(text="a", place=2, note="n")),
        ({"note": "n", "text": "a"}, PointExample(text="a", note="n")),
    ],
)
def test_examples_can_be_written_as_values_tuples_and_mappings(value, expected):
    assert PointHead.parse(value) == expected


def test_an_example_stands_for_itself():
    example = PointExample(text="a")
    assert PointHead.parse(example) is example


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((), "field 'text' is missing"),
        (("a", 1, "n", "more"), "takes at most 3 values"),
        (("a", "one"), "place: Input should be a valid integer"),
        ({"txt": "a"}, "field 'text' is missing; unknown field 'txt'"),
        ({1: "a"}, "not an example of 'point'"),
        (["a", "b"], "text: Input should be a valid string"),
        (None, "text: Input should be a valid string"),
        (3, "text: Input should be a valid string"),
        (Prediction(), "not an example of 'point'"),
    ],
)
def test_what_is_no_example_is_refused_in_one_line(value, message):
    with pytest.raises(InputError, match=message) as caught:
        PointHead.parse(value)
    assert "\n" not in str(caught.value)


def test_labels_of_a_padded_batch_must_have_a_row_each():
    head = PointHead(PointConfig(), SHAPE)
    mask = torch.ones(2, 3, dtype=torch.bool)
    labels = torch.zeros(2, 3)
    assert head.targets(labels, mask) is labels
    for wrong in (torch.zeros(3, 2), torch.tensor(0)):
        with pytest.raises(InputError, match="do not fit a batch of 2 rows"):
            head.targets(wrong, mask)


def encoded(*targets):
    return [Encoded(PointExample(text="a"), (Row((1,)),), target) for target in targets]


def test_targets_of_a_batch_are_concatenated_in_order():
    batch = encoded(torch.tensor([3]), torch.tensor([1, 2]))
    assert torch.equal(targets_of(batch), torch.tensor([3, 1, 2]))


def test_a_batch_with_an_unlabelled_example_has_no_targets():
    with pytest.raises(InputError, match="2 of 3 examples have no label"):
        targets_of(encoded(None, torch.tensor([1]), None))


def test_metrics_without_their_methods_cannot_be_made():
    class Half(Metrics):
        primary = "accuracy"

        def compute(self):
            return {}

    with pytest.raises(TypeError, match="update"):
        Half()


def test_examples_and_predictions_are_immutable_and_refuse_unknown_fields():
    example = PointExample(text="a")
    with pytest.raises(ValueError, match="frozen"):
        example.text = "b"
    with pytest.raises(ValueError, match="Extra inputs"):
        Prediction(label="x")


@pytest.mark.parametrize(
    ("hidden", "keeps", "depth"),
    [("last", False, 2), ("mix", True, 2), (0, True, 0), (1, True, 1), (2, True, 2)],
)
def test_a_head_says_which_layers_it_needs(hidden, keeps, depth):
    head = PointHead(PointConfig(hidden=hidden), SHAPE)
    assert head.keeps_layers is keeps
    assert head.depth == depth
    assert (head.mix is not None) is (hidden == "mix")


def test_a_head_that_reads_all_layers_by_itself_needs_them_all():
    reading = type("Reading", (PointHead,), {"reads_layers": True})
    head = reading(PointConfig(hidden=1), SHAPE)
    assert head.keeps_layers
    assert head.depth == 2


@pytest.mark.parametrize("hidden", [-1, True, 1.5, "first", None, "2"])
def test_what_is_no_layer_is_refused_in_one_line(hidden):
    with pytest.raises(ConfigError, match="hidden: must be 'last', 'mix' or a layer's number"):
        PointHead.configure({"hidden": hidden}, [])


def test_examples_are_computed_as_they_are_unless_a_head_draws_them():
    head = PointHead(PointConfig(), SHAPE)
    encoded = [Encoded(PointExample(text="a"), (Row((1,)),))]
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert head.draw(encoded, generator) is encoded
    assert torch.equal(generator.get_state(), before)


def test_logits_are_the_one_output_and_parts_are_refused():
    head = PointHead(PointConfig(), SHAPE)
    output = torch.ones(2, 3)
    assert head.logits(output) is output
    with pytest.raises(InputError, match=r"'point' head has several parts: a, b; read \.outputs"):
        head.logits({"a": output, "b": output})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"label": "good", "score": 0.876}, "good (0.88)"),
        ({"label": "good"}, "good"),
        ({"value": 3}, '{"value": 3}'),
    ],
)
def test_an_answer_is_shown_in_a_few_words(fields, text):
    answer = create_model("Answer", __base__=Prediction, **dict.fromkeys(fields, (object, ...)))
    assert str(answer(**fields)) == text


class FirstHead(PointHead):
    reads_first_only = True

    def forward(self, hidden):
        return hidden.cls


def test_what_a_head_reads_is_said_anew_with_a_forward_of_its_own():
    class Same(FirstHead):
        pass

    class Other(FirstHead):
        def forward(self, hidden):
            return hidden.mean()

    class Anew(Other):
        reads_first_only = True

        def forward(self, hidden):
            return hidden.cls * 2

    found = [cls(PointConfig(), SHAPE).reads_first_only for cls in (FirstHead, Same, Other, Anew)]
    assert found == [True, True, False, True]
