"""The examples of the DistilBERT documents run with only the import changed, to the same values.

They are read from the documentation in transformers' own source. Each is run twice on one tiny
checkpoint, with their classes and with ours, and every variable must come out the same.
"""

import doctest
import re
import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor

import polyhead

CLASSES = [
    "DistilBertForMaskedLM",
    "DistilBertForSequenceClassification",
    "DistilBertForMultipleChoice",
    "DistilBertForTokenClassification",
    "DistilBertForQuestionAnswering",
]
SIZES = {"max_position_embeddings": 512, "dim": 32, "n_heads": 4, "hidden_dim": 48, "n_layers": 2}
HUB_ID = re.compile(r'"[^"\s]*distilbert-base-(un)?cased[^"\s]*"')


def examples_in(text: str) -> list[str]:
    """The Python blocks of a documentation, as programs."""
    blocks = re.findall(r"```python\n(.*?)```", textwrap.dedent(text), re.DOTALL)
    parse = doctest.DocTestParser().get_examples
    return [
        "".join(example.source for example in parse(textwrap.dedent(block))) for block in blocks
    ]


def run(program: str, package: str, folder: Path) -> dict[str, object]:
    """Runs an example as written for transformers on a checkpoint, with the classes of a package.

    Of the masked language model's examples the mask is written as DistilBERT's tokenizer has it:
    they show that of another model, with which they would end in an error in transformers too.
    """
    program = HUB_ID.sub(repr(str(folder)), program).replace("<mask>", "[MASK]")
    if package == "polyhead":
        program = program.replace("from transformers import", "from polyhead import")
    names: dict[str, object] = {}
    torch.manual_seed(0)
    exec(compile(program, package, "exec"), names)  # noqa: S102 - the documents' own lines
    return names


@pytest.fixture(scope="module")
def checkpoint(make_theirs, transformers, tiny_vocabulary, tmp_path_factory):
    """Writes a tiny checkpoint of a class with its tokenizer."""
    words = (*tiny_vocabulary, "paris")  # one token, as in the documents' model

    def make(name: str, **fields: object) -> Path:
        folder = tmp_path_factory.mktemp(name)
        fields = {**SIZES, "vocab_size": len(words), **fields}
        make_theirs(name, **fields).save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        transformers.DistilBertTokenizer.from_pretrained(folder).save_pretrained(folder)
        return folder

    return make


def assert_same(found: object, expected: object, name: str) -> None:
    if isinstance(expected, Tensor):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, msg=name)
    elif hasattr(expected, "keys") and hasattr(expected, "items"):
        assert list(found.keys()) == list(expected.keys()), name
        for key in expected.keys():  # noqa: SIM118 - neither is a dict
            assert_same(found[key], expected[key], f"{name}.{key}")
    elif isinstance(expected, str | int | float | list):
        assert found == expected, name


def assert_same_values(program: str, folder: Path) -> dict[str, object]:
    expected = run(program, "transformers", folder)
    found = run(program, "polyhead", folder)
    values = [name for name in expected if not name.startswith("_") and name in found]
    for name in values:
        assert_same(found[name], expected[name], name)
    return {name: found[name] for name in values}


@pytest.mark.parametrize("name", CLASSES)
def test_the_examples_of_each_class_give_the_same_values(transformers, checkpoint, name):
    examples = examples_in(getattr(transformers, name).forward.__doc__)
    assert len(examples) == (2 if name == "DistilBertForSequenceClassification" else 1)
    folder = checkpoint(name)
    for example in examples:
        values = assert_same_values(example, folder)
        assert isinstance(values["model"], getattr(polyhead, name))
        loss = values["loss"] if "loss" in values else values["outputs"].loss
        assert torch.isfinite(loss)


def test_the_example_of_the_encoder_gives_the_same_values(transformers, checkpoint):
    sample = transformers.utils.doc.PT_BASE_MODEL_SAMPLE
    text = sample.format(model_class="DistilBertModel", checkpoint="distilbert-base-uncased")
    [example] = examples_in(text)
    values = assert_same_values(example, checkpoint("DistilBertModel"))
    assert values["last_hidden_states"].shape[0] == 1


def test_the_example_of_the_configuration_builds_a_model(transformers, monkeypatch):
    [example] = examples_in(transformers.DistilBertConfig.__doc__)
    for field, value in SIZES.items():  # the documents' model takes half a second to draw
        monkeypatch.setattr(polyhead.DistilBertConfig.model_fields[field], "default", value)
    polyhead.DistilBertConfig.model_rebuild(force=True)
    try:
        names = run(example, "polyhead", Path())
    finally:
        monkeypatch.undo()
        polyhead.DistilBertConfig.model_rebuild(force=True)
    assert isinstance(names["model"], polyhead.DistilBertModel)
    assert names["configuration"] is names["model"].config
    assert names["configuration"].dim == 32
    assert polyhead.DistilBertConfig().dim == 768


def test_the_page_classifies_a_text_on_the_device_there_is(checkpoint, capsys):
    program = textwrap.dedent(
        """
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")
        model = AutoModelForSequenceClassification.from_pretrained(
            "distilbert-base-uncased", device_map=DEVICE, attn_implementation="sdpa"
        )
        inputs = tokenizer("The cat sat on the mat!", return_tensors="pt").to(model.device)

        with torch.no_grad():
            outputs = model(**inputs)

        predicted_class_id = torch.argmax(outputs.logits, dim=-1).item()
        predicted_label = model.config.id2label[predicted_class_id]
        print(f"Predicted label: {predicted_label}")
        """
    )
    folder = checkpoint(
        "DistilBertForSequenceClassification",
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    # transformers needs another package for "auto"
    expected = run(program.replace("DEVICE", "None"), "transformers", folder)
    found = run(program.replace("DEVICE", '"auto"'), "polyhead", folder)
    assert found["predicted_label"] in {"NEGATIVE", "POSITIVE"}
    assert found["predicted_label"] == expected["predicted_label"]
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == f"Predicted label: {found['predicted_label']}"


def test_the_page_runs_in_half_precision(checkpoint):
    program = textwrap.dedent(
        """
        import torch
        from transformers import AutoModel, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")
        model = AutoModel.from_pretrained(
            "distilbert-base-uncased", torch_dtype=torch.float16, attn_implementation="sdpa"
        )
        encoded_input = tokenizer("Replace me by any text you'd like.", return_tensors="pt")
        model.to("cpu")
        output = model(**encoded_input)
        """
    )
    names = run(program, "polyhead", checkpoint("DistilBertModel"))
    assert names["output"].last_hidden_state.dtype is torch.float16
    assert torch.isfinite(names["output"].last_hidden_state).all()
