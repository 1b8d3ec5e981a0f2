"""Folders that PEFT wrote: what is read of them computes what PEFT computed."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file, save_file

from polyhead.convert.peft import PEFT
from polyhead.errors import ArtifactError, ConversionError, InvalidNameError
from polyhead.model import DistilBertModelWithHeads

FIXTURES = Path(__file__).parents[1] / "fixtures" / "peft"
FOLDERS = sorted(
    path.name for path in FIXTURES.iterdir() if path.is_dir() and path.name != "backbone"
)
INPUTS = ("input_ids", "attention_mask")
ROOT = "base_model.model."
Q = "distilbert.transformer.layer.0.attention.q_lin"


@pytest.fixture(scope="module")
def backbone():
    return DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")


@pytest.fixture
def model():
    return DistilBertModelWithHeads.from_pretrained(FIXTURES / "backbone")


@pytest.fixture
def copy_of(tmp_path):
    """Copies a folder, with other fields of its config and other tensors."""

    def make(name, fields=None, tensors=None, *, to="copied"):
        folder = tmp_path / to
        shutil.copytree(FIXTURES / name, folder)
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps({**config, **(fields or {})}))
        if tensors is not None:
            held = load_file(folder / "adapter_model.safetensors")
            changed = {**held, **{ROOT + key: value for key, value in tensors.items()}}
            kept = {key: value for key, value in changed.items() if value is not None}
            save_file(kept, folder / "adapter_model.safetensors")
        return folder

    return make


def add(model, bundle):
    for adapter in bundle.adapters:
        model.add_adapter(adapter.name, adapter.config)
        model.adapters[adapter.name].load_state_dict(dict(adapter.tensors))
    for head in bundle.heads:
        model.add_head(head.name, head.config, adapter=head.adapter)
        model.heads[head.name].load_state_dict(dict(head.tensors))


def outputs(model, inputs, name):
    """Hidden states and what the head computes, as transformers names them; masked places are 0."""
    mask = inputs["attention_mask"]
    with torch.no_grad():
        done = model(**inputs, adapter_names=name, head=name if name in model.heads else None)
        found = {"last_hidden_state": done.last_hidden_state}
        if name not in model.heads:
            return found
        if model.heads[name].kind == "question_answering":
            sides = done.outputs[name]
            return {f"{side}_logits": sides[side] for side in ("start", "end")}
        found["logits"] = done.logits
    assert mask.any()
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_peft_computes_what_peft_computed(model, name):
    fingerprint = model.encoder.fingerprint()
    assert PEFT.recognises(FIXTURES / name)
    add(model, PEFT.read(FIXTURES / name, model, None))
    expected = load_file(FIXTURES / name / "expected.safetensors")
    found = outputs(model, {key: expected[key] for key in INPUTS}, name)
    compared = found.keys() & expected.keys()
    assert compared
    mask = expected["attention_mask"].bool()
    for output in compared:
        by_token = expected[output].shape[:2] == mask.shape
        pair = [each[mask] if by_token else each for each in (found[output], expected[output])]
        torch.testing.assert_close(*pair, atol=1e-5, rtol=0)
    assert model.encoder.fingerprint() == fingerprint


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_written_reads_back_bit_by_bit(backbone, tmp_path, name):
    read = PEFT.read(FIXTURES / name, backbone, "mine")
    for file, content in PEFT.write(read, backbone, None).items():
        (tmp_path / file).write_bytes(content)
    again = PEFT.read(tmp_path, backbone, "mine")
    for part, other in zip(
        (*read.adapters, *read.heads), (*again.adapters, *again.heads), strict=True
    ):
        assert part.config == other.config
        assert part.tensors.keys() == other.tensors.keys()
        for key, tensor in part.tensors.items():
            assert torch.equal(tensor, other.tensors[key]), key


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("lora_rank_pattern", {"rank_pattern": {"0.q": 2}, "alpha_pattern": {"0.q": 6.0}, "r": 4}),
        ("rslora", {"use_rslora": True, "alpha": 8.0, "modules": ("q", "v")}),
        ("some_layers", {"leave_out": (1,), "modules": ("q", "v")}),
        ("trained_bias", {"lora_bias": True}),
        ("dora", {"use_dora": True, "r": 4}),
        ("ia3", {"outputs": ("k", "v"), "inputs": ("lin2",)}),
        ("ia3_odd", {"outputs": ("q", "out"), "inputs": ("lin1", "lin2")}),
    ],
)
def test_settings_become_ours(backbone, name, config):
    fields = PEFT.read(FIXTURES / name, backbone, None).adapters[0].config.model_dump()
    assert fields == {**fields, **config}


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("lora", "classification", ("LABEL_0", "LABEL_1", "LABEL_2")),
        ("lora_tokens", "tagging", ("LABEL_0", "LABEL_1", "LABEL_2")),
        ("answers", "question_answering", None),
        ("choices", "multiple_choice", None),
        ("words", "masked_lm", None),
    ],
)
def test_the_head_beside_an_adapter_becomes_ours(model, name, kind, labels):
    add(model, PEFT.read(FIXTURES / name, model, None))
    head = model.heads[name]
    assert head.kind == kind
    assert getattr(head.config, "labels", None) == labels
    ids = torch.tensor([[2, 7, 9, 3]])
    if kind != "multiple_choice":
        own = model(input_ids=ids, head=name).last_hidden_state
        assert torch.equal(
            own, model(input_ids=ids, head=name, adapter_names=name).last_hidden_state
        )


def test_names_of_labels_are_taken_from_a_config_beside_it(backbone, copy_of):
    folder = copy_of("lora")
    names = {"0": "no", "1": "perhaps", "2": "yes"}
    config = json.loads((FIXTURES / "backbone" / "config.json").read_text())
    config |= {"id2label": names, "label2id": {label: int(key) for key, label in names.items()}}
    (folder / "config.json").write_text(json.dumps(config))
    (head,) = PEFT.read(folder, backbone, None).heads
    assert head.config.labels == ("no", "perhaps", "yes")


def test_it_is_called_like_its_folder_or_as_is_asked(backbone):
    assert PEFT.read(FIXTURES / "lora", backbone, None).adapters[0].name == "lora"
    read = PEFT.read(FIXTURES / "lora", backbone, "mine")
    assert (read.adapters[0].name, read.heads[0].name, read.heads[0].adapter) == ("mine",) * 3


def test_a_folder_whose_name_cannot_be_a_name_needs_one(backbone, copy_of):
    folder = copy_of("lora", to="a.b")
    with pytest.raises(InvalidNameError, match="--name"):
        PEFT.read(folder, backbone, None)
    assert PEFT.read(folder, backbone, "ab").adapters[0].name == "ab"


def test_bin_files_are_read(backbone, copy_of):
    folder = copy_of("lora")
    tensors = load_file(folder / "adapter_model.safetensors")
    torch.save(tensors, folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    expected = PEFT.read(FIXTURES / "lora", backbone, "a").adapters[0].tensors
    for name, tensor in PEFT.read(folder, backbone, "a").adapters[0].tensors.items():
        assert torch.equal(tensor, expected[name])


def test_adapters_with_names_lie_in_folders_of_them(backbone, copy_of, tmp_path):
    copy_of("lora", to="both/first")
    copy_of("ia3", to="both/second")
    (tmp_path / "both" / "runs").mkdir()
    assert PEFT.recognises(tmp_path / "both")
    read = PEFT.read(tmp_path / "both", backbone, None)
    assert [part.name for part in read.adapters] == ["first", "second"]
    assert [part.adapter for part in read.heads] == ["first", "second"]
    with pytest.raises(ArtifactError, match="several adapters"):
        PEFT.read(tmp_path / "both", backbone, "one")


def test_the_adapter_in_the_folder_itself_is_read_alone(backbone, copy_of):
    folder = copy_of("lora", to="root")
    copy_of("ia3", to="root/checkpoint-500")
    read = PEFT.read(folder, backbone, None)
    assert [part.name for part in read.adapters] == ["root"]
    assert any("checkpoint-500" in note for note in read.notes)


@pytest.mark.parametrize(
    ("fields", "is_same"),
    [
        ({"target_modules": r".*\.attention\.(q|v)_lin"}, True),
        ({"target_modules": r"distilbert\.transformer\.layer\.[0-2]\.attention\.[qv]_lin"}, True),
        (
            {
                "target_modules": "all-linear",
                "exclude_modules": ["k_lin", "out_lin", "lin1", "lin2"],
            },
            True,
        ),
        ({"target_modules": "all-linear", "exclude_modules": r".*(k_lin|out_lin|ffn\..*)"}, True),
        ({"target_modules": ["q_lin", "v_lin"], "layers_to_transform": [0, 1, 2]}, True),
        ({"target_modules": ["attention.q_lin", f"{Q[:-5]}v_lin", "v_lin"]}, True),
        ({"target_modules": r".*\.attention\.q_lin"}, False),
        ({"target_modules": ["q_lin", "v_lin"], "layers_to_transform": 1}, False),
        ({"target_modules": ["q_lin", "v_lin", "lin1"]}, False),
        ({"target_modules": ["nothing_like_it"]}, False),
    ],
)
def test_target_modules_are_those_of_the_file(backbone, copy_of, fields, is_same):
    folder = copy_of("lora", fields)
    if is_same:
        assert PEFT.read(folder, backbone, "a").adapters[0].config.modules == ("q", "v")
    else:
        with pytest.raises(ArtifactError):
            PEFT.read(folder, backbone, "a")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "positions"),
        ({"peft_type": "PREFIX_TUNING"}, "past_key_values"),
        ({"peft_type": "ADALORA"}, "ADALORA"),
        ({"use_qalora": True}, "use_qalora"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens"),
        ({"trainable_token_indices": [5]}, "trainable_token_indices"),
        ({"made_in_a_later_version": 3}, "made_in_a_later_version"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"r": 3}, "rank 4"),
        ({"rank_pattern": {"q_lin": 2}}, "rank 4"),
        ({"r": 10**9}, "rank 4"),
        ({"r": "4"}, "r is '4'"),
        ({"r": -4}, "rank 4"),
        ({"lora_alpha": 0}, "alpha"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"lora_bias": True}, "lora_bias"),
        ({"use_dora": True}, "magnitude"),
        ({"target_modules": None}, "target_modules"),
        ({"target_modules": 7}, "target_modules"),
        ({"target_modules": "(q_lin"}, "bracket"),
        ({"target_modules": r"(?=a)q_lin"}, "ahead"),
        ({"target_modules": "a" * 5000}, "letters"),
        ({"layers_to_transform": ["0"]}, "layers_to_transform"),
        ({"rank_pattern": [4]}, "rank_pattern"),
        ({"alpha_pattern": {"q_lin": "8"}}, "'8'"),
        ({"lora_dropout": 1.5}, "dropout"),
    ],
)
def test_a_config_that_cannot_be_carried_is_refused_in_one_sentence(model, copy_of, fields, told):
    folder = copy_of("lora", fields)
    with pytest.raises(ArtifactError, match=told) as caught:
        PEFT.read(folder, model, "a")
    assert "\n" not in str(caught.value)
    assert not model.adapters
    assert not model.heads


def test_settings_of_a_later_version_that_are_off_are_told_and_passed_over(backbone, copy_of):
    read = PEFT.read(copy_of("lora", {"made_in_a_later_version": None}), backbone, "a")
    assert any("made_in_a_later_version" in note for note in read.notes)


A, B = f"{Q}.lora_A.weight", f"{Q}.lora_B.weight"


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({A: None}, "lacks"),
        ({A: None, B: None}, "lacks"),
        ({A: torch.zeros(2, 32)}, "rank 2"),
        ({A: torch.zeros(4, 31)}, "shape"),
        ({A: torch.tensor(1.0)}, "shape"),
        ({B: torch.zeros(32, 5)}, "shape"),
        ({A: torch.full((4, 32), torch.nan)}, "not finite"),
        ({A: torch.zeros(4, 32, dtype=torch.int64)}, "int64"),
        ({f"{Q}.lora_C.weight": torch.zeros(4)}, "unexpected"),
        ({A.replace("layer.0", "layer.3"): torch.zeros(4, 32)}, "layer 3"),
        ({A.replace("layer.0", "layer.00"): torch.zeros(4, 32)}, "layer.00"),
        ({A.replace("q_lin", "k_lin"): torch.zeros(4, 32)}, "does not match"),
        ({A.removeprefix("distilbert."): torch.zeros(4, 32)}, "with and without"),
        ({"../classifier.weight": torch.zeros(3, 32)}, "no head"),
        ({"pre_classifier.lora_A.weight": torch.zeros(4, 32)}, "the head too"),
        ({"bert.encoder.layer.0.output.dense.lora_A.weight": torch.zeros(4, 32)}, "architecture"),
        ({"pre_classifier.weight": None}, "pre_classifier.weight"),
        ({"classifier.weight": None}, "classifier.weight"),
        ({"classifier.weight": torch.zeros(3, 16)}, "shape"),
        ({"classifier.weight": torch.zeros(0, 32)}, "no row"),
        ({"distilbert.embeddings.LayerNorm.bias": torch.ones(32)}, "never changed"),
        ({f"{Q}.base_layer.bias": torch.ones(3)}, "shape"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_in_one_sentence(model, copy_of, tensors, told):
    folder = copy_of("lora", tensors=tensors)
    with pytest.raises(ArtifactError, match=told) as caught:
        PEFT.read(folder, model, "a")
    assert "\n" not in str(caught.value)
    assert not model.adapters


def test_a_weight_of_the_encoder_that_is_the_models_own_is_left_out(backbone, copy_of):
    own = backbone.encoder.word_embeddings.weight.detach()
    folder = copy_of("lora", tensors={"distilbert.embeddings.word_embeddings.weight": own})
    read = PEFT.read(folder, backbone, "a")
    assert any("left out" in note for note in read.notes)


def test_a_matrix_of_words_of_its_own_is_refused(backbone, copy_of):
    folder = copy_of("words", tensors={"vocab_projector.weight": torch.zeros(100, 32)})
    with pytest.raises(ConversionError, match="word embeddings"):
        PEFT.read(folder, backbone, "a")


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_folder_with_a_part_missing_is_refused(backbone, copy_of, missing):
    folder = copy_of("lora")
    (folder / missing).unlink()
    with pytest.raises(ArtifactError):
        PEFT.read(folder, backbone, "a")


def test_a_hostile_expression_takes_no_time(backbone, copy_of):
    folder = copy_of(
        "lora", {"target_modules": "((((.*)*)*)*)*x", "rank_pattern": {"(a|a)" * 90: 4}}
    )
    with pytest.raises(ArtifactError, match="match no linear layer"):
        PEFT.read(folder, backbone, "a")


@pytest.mark.parametrize("name", ["lora", "ia3"])
@pytest.mark.parametrize(
    "file", ["adapter_model.safetensors", "adapter_model.bin", "adapter_config.json"]
)
def test_damaged_files_are_read_or_refused_in_one_sentence(model, copy_of, name, file):
    folder = copy_of(name)
    if file.endswith(".bin"):
        whole = load_file(folder / "adapter_model.safetensors")
        torch.save(whole, folder / "adapter_model.bin")
        (folder / "adapter_model.safetensors").unlink()
    content = (folder / file).read_bytes()
    random = Random(file + name)  # noqa: S311 - no secret
    told = []
    for number in range(40):
        damaged = bytearray(content)
        if number % 4 == 0:
            del damaged[random.randrange(len(damaged)) :]
        else:  # the first bytes say what the others are
            place = random.randrange(min(len(damaged), 2000 if number % 2 else len(damaged)))
            damaged[place] ^= 1 << random.randrange(8)
        (folder / file).write_bytes(damaged)
        try:
            PEFT.read(folder, model, "a")
        except ArtifactError as error:
            told.append(str(error))
    assert told
    assert not any("\n" in message for message in told)
    assert not model.adapters


def test_other_folders_are_not_recognised(tmp_path):
    assert not PEFT.recognises(tmp_path)
    assert not PEFT.recognises(tmp_path / "missing")
    assert not PEFT.recognises(FIXTURES / "backbone")
    (tmp_path / "adapter_config.json").write_text("{]")
    assert not PEFT.recognises(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"config": {}, "model_type": "distilbert"}')
    assert not PEFT.recognises(tmp_path)
