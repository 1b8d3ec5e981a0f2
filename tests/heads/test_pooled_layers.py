import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from polyhead.batch import Hidden, Packing
from polyhead.contracts import EncoderShape
from polyhead.heads import (
    ClassificationHead,
    ClassificationHeadConfig,
    MultilabelHead,
    MultilabelHeadConfig,
    RegressionHead,
    RegressionHeadConfig,
)
from polyhead.model import DistilBertModelWithHeads

FIXTURES = Path(__file__).parents[1] / "fixtures" / "adapterhub"
SHAPE = EncoderShape(width=8, n_layers=2, n_heads=2, ffn_width=16, max_positions=32, vocab_size=10)
PACKING = Packing((3, 1, 2))
NAMES = ("no", "yes", "maybe")
KINDS = [
    (ClassificationHead, {"labels": NAMES}),
    (MultilabelHead, {"labels": NAMES}),
    (RegressionHead, {"outputs": NAMES}),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind[0].kind)
def make(request):
    """Makes a head of each kind, with three outputs."""
    head_class, names = request.param

    def made(shape=SHAPE, **fields):
        torch.manual_seed(0)
        return head_class(head_class.Config(**names, **fields), shape).eval()

    return made


def hidden(packing=PACKING):
    generator = torch.Generator().manual_seed(1)
    return Hidden.of_rows(torch.randn(packing.n_tokens, 8, generator=generator), packing)


@pytest.mark.parametrize(
    ("name", "config_class", "names"),
    [
        ("classification", ClassificationHeadConfig, "labels"),
        ("classification_1layer", ClassificationHeadConfig, "labels"),
        ("multilabel", MultilabelHeadConfig, "labels"),
        ("regression", RegressionHeadConfig, "outputs"),
    ],
)
def test_heads_of_the_adapters_library_give_what_they_gave_there(name, config_class, names):
    folder = FIXTURES / "heads" / name
    fields = json.loads((folder / "head_config.json").read_text())["config"]
    model = DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")
    layers = fields["layers"]
    config = config_class(
        **{names: tuple(fields["label2id"])},
        layers=layers,
        activation=fields["activation_function"],
        bias=fields["bias"],
        pooling="cls",
    )
    model.add_head("h", config, adapter=None)
    # that library counts dropout and activation: 0 dropout, 1 linear, 2 activation, 3 dropout, ...
    linear = {1 + 3 * number: f"dense.{number}" for number in range(layers - 1)}
    linear[1 + 3 * (layers - 1)] = "out"
    model.heads["h"].load_state_dict(
        {
            f"{linear[int(key.split('.')[2])]}.{key.split('.')[3]}": tensor
            for key, tensor in load_file(folder / "model_head.safetensors").items()
        }
    )
    expected = load_file(folder / "expected.safetensors")
    with torch.no_grad():
        out = model(
            input_ids=expected["input_ids"], attention_mask=expected["attention_mask"], head="h"
        )
    torch.testing.assert_close(out.logits, expected["logits"], atol=1e-5, rtol=0)


def test_parameters_start_small_and_have_short_names(make):
    head = make(SHAPE.model_copy(update={"width": 256}), layers=3)
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        "dense.0.weight": (256, 256),
        "dense.0.bias": (256,),
        "dense.1.weight": (256, 256),
        "dense.1.bias": (256,),
        "out.weight": (3, 256),
        "out.bias": (3,),
    }
    for layer in (*head.dense, head.out):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert not layer.bias.any()


def test_without_bias_only_the_last_layer_lacks_it(make):
    assert set(make(bias=False).state_dict()) == {"dense.0.weight", "dense.0.bias", "out.weight"}


def test_outputs_follow_the_written_formula(make):
    head = make(layers=3, activation="gelu", pooling="cls")
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    values = hidden()
    pooled = values.cls
    for layer in head.dense:
        pooled = nn.functional.gelu(pooled @ layer.weight.T + layer.bias)
    expected = pooled @ head.out.weight.T + head.out.bias
    torch.testing.assert_close(head(values), expected)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("cls", lambda row: row[0]),
        ("mean", lambda row: row.mean(0)),
        ("max", lambda row: row.max(0).values),
    ],
)
def test_pooling_reads_a_rows_own_tokens(make, pooling, pool):
    head = make(layers=1, pooling=pooling)
    values = hidden()
    pooled = torch.stack([pool(row) for row in values.tokens.split(PACKING.lengths)])
    torch.testing.assert_close(head(values), head.out(pooled))


def test_dropout_acts_in_training_alone(make):
    head = make(dropout=0.5, first_dropout=0.5)
    values = hidden()
    assert torch.equal(head(values), head(values))
    head.train()
    assert not torch.equal(head(values), head(values))


@pytest.mark.parametrize(
    ("fields", "is_random"),
    [
        ({"layers": 1, "dropout": 0.5}, True),
        ({"layers": 1, "dropout": 0.5, "first_dropout": 0.0}, False),
        ({"layers": 1, "dropout": 0.0, "first_dropout": 0.5}, True),
        ({"layers": 2, "dropout": 0.5, "first_dropout": 0.0}, True),
        ({"layers": 2, "dropout": 0.0}, False),
    ],
)
def test_the_first_dropout_is_that_in_front_of_the_first_layer(make, fields, is_random):
    head = make(**fields).train()
    values = hidden()
    assert torch.equal(head(values), head(values)) is not is_random


def test_a_first_dropout_that_is_not_given_is_like_the_others(make):
    values = hidden()
    outputs = []
    for fields in ({"dropout": 0.4}, {"dropout": 0.4, "first_dropout": 0.4}):
        head = make(**fields).train()
        torch.manual_seed(1)
        outputs.append(head(values))
    assert torch.equal(*outputs)


def test_no_rows_give_no_outputs_and_no_answers(make):
    head = make()
    output = head(hidden(Packing(())))
    assert output.shape == (0, 3)
    assert head.decode(output, []) == []


def test_every_field_has_a_description(make):
    schema = make().Config.model_json_schema()
    assert all(field["description"] for field in schema["properties"].values())


def test_a_row_is_answered_the_same_beside_others(make):
    head = make()
    values = hidden()
    together = head(values)
    for number, tokens in enumerate(values.tokens.split(PACKING.lengths)):
        alone = head(Hidden.of_rows(tokens, Packing((len(tokens),))))
        torch.testing.assert_close(alone[0], together[number], atol=1e-6, rtol=0)


def test_without_first_dropout_training_is_that_of_distilberts_own_classifier(make):
    head = make(activation="relu", dropout=0.2, first_dropout=0.0, pooling="cls").train()
    values = hidden()
    torch.manual_seed(1)
    found = head(values)
    torch.manual_seed(1)
    inner = nn.functional.relu(head.dense[0](values.cls))
    assert torch.equal(found, head.out(nn.functional.dropout(inner, 0.2, training=True)))
