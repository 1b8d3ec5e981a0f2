"""What the adapters library saved computes here what it computed there."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polyhead.composition import Stack
from polyhead.convert.converting import load_foreign
from polyhead.errors import ConversionError
from polyhead.model import DistilBertModelWithHeads
from polyhead.registry import registry

HUB = Path(__file__).parents[1] / "fixtures" / "adapterhub"
SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "adapterhub"
AVERAGED_OVER_PADDING = {"seq_bn_gated"}  # there, and over a row's own tokens here
NOT_AS_SAVED = {"direft"}  # the library forgets how it was trained; see another test
REFUSED = {"dora"}
SEVERAL = {"fusion", "stack"}


def folders(root):
    """Those with an adapter or a head, and what is expected of it."""
    found = [
        path.parent.relative_to(root).as_posix()
        for path in sorted(root.rglob("expected.safetensors"))
    ]
    left_out = SEVERAL | REFUSED | NOT_AS_SAVED | {"heads/dependency"}
    return [name for name in found if not any(name.startswith(part) for part in left_out)]


def test_all_folders_are_looked_at():
    assert len(folders(HUB)) >= 40


@pytest.mark.parametrize("name", folders(HUB))
def test_an_imported_folder_computes_what_it_computed_there(name, hub_model, outputs_of):
    check(HUB / name, hub_model, outputs_of)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the whole set of recorded folders is not here")
@pytest.mark.parametrize("name", folders(SHARED) if SHARED.is_dir() else [])
def test_every_recorded_folder_computes_what_it_computed_there(name, hub_model, outputs_of):
    check(SHARED / name, hub_model, outputs_of)


def check(folder, model, outputs_of):
    fingerprint = model.encoder.fingerprint()
    added = load_foreign(model, folder)
    assert model.encoder.fingerprint() == fingerprint
    assert added.adapters or added.heads
    expected = load_file(folder / "expected.safetensors")
    adapter = added.adapters[0] if added.adapters else None
    head = added.heads[0] if added.heads else None
    out = outputs_of(model, expected, adapter, head)
    mask = expected["attention_mask"].bool()
    is_comparable = mask.all(dim=1)
    if folder.name not in AVERAGED_OVER_PADDING and folder.parent.name not in AVERAGED_OVER_PADDING:
        is_comparable = torch.ones_like(is_comparable)
    wanted = expected.get("last_hidden_state")
    if wanted is not None and wanted.shape == out.last_hidden_state.shape:  # a prompt adds rows
        kept = mask & is_comparable.unsqueeze(1)
        close(out.last_hidden_state[kept], wanted[kept])
    if head is not None:
        compare_answers(model.heads[head], out, expected, is_comparable)


def compare_answers(head, out, expected, is_comparable):
    mask = expected["attention_mask"].bool()
    kind = head.kind
    [name] = out.outputs
    if kind == "question_answering":
        for side in ("start", "end"):
            close(out.outputs[name][side][mask], expected[f"{side}_logits"][mask])
    elif kind == "multiple_choice":
        close(out.logits.reshape(-1), expected["logits"].reshape(-1))
    elif head.answers == "token":
        close(out.logits[mask], expected["logits"][mask])
    else:
        close(out.logits[is_comparable], expected["logits"][is_comparable])


def close(found, wanted):
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "setup"), [("fusion", "a-b"), ("stack", Stack("a", "b"))])
def test_a_folder_of_folders_is_read_as_a_whole(name, setup, hub_model, outputs_of):
    added = load_foreign(hub_model, HUB / name)
    assert {"a", "b"} <= set(added.adapters)
    assert added.heads == added.tasks == ("a",)
    expected = load_file(HUB / name / "expected.safetensors")
    out = outputs_of(hub_model, expected, setup, "a")
    mask = expected["attention_mask"].bool()
    close(out.last_hidden_state[mask], expected["last_hidden_state"][mask])
    close(out.logits, expected["logits"])


def test_a_fusion_alone_is_read_and_named_after_its_adapters(hub_model):
    added = load_foreign(hub_model, HUB / "fusion" / "a")
    added = load_foreign(hub_model, HUB / "fusion" / "b")
    added = load_foreign(hub_model, HUB / "fusion" / "fusion")
    assert added.adapters == ("a-b",)
    assert hub_model.adapters["a-b"].config.adapters == ("a", "b")


def test_direft_is_read_as_noreft_and_says_so(hub_model):
    added = load_foreign(hub_model, HUB / "direft" / "bin")
    assert hub_model.adapters["a"].config.subtract_projection
    [note] = added.notes
    assert '"subtract_projection": false' in note


@pytest.mark.parametrize("flavour", ["bin", "safetensors"])
def test_direft_computes_what_it_did_once_its_config_says_so(
    flavour, hub_model, hub_copy, outputs_of
):
    folder = hub_copy(f"direft/{flavour}", fields={"subtract_projection": False})
    added = load_foreign(hub_model, folder)
    assert added.notes == ()
    expected = load_file(folder / "expected.safetensors")
    out = outputs_of(hub_model, expected, "a", "a")
    close(out.logits, expected["logits"])


def test_dora_of_that_library_is_refused_with_the_reason(hub_model):
    with pytest.raises(ConversionError, match=r"scales the encoder's bias too.*no kind here"):
        load_foreign(hub_model, HUB / "dora" / "bin")
    assert not hub_model.adapters
    assert not hub_model.heads


def test_glow_which_that_library_cannot_compute_is_read_all_the_same(hub_model):
    added = load_foreign(hub_model, HUB / "glow" / "safetensors")
    assert hub_model.adapters[added.adapters[0]].config.inv_adapter == "glow"


@pytest.mark.skipif("dependency" in registry().head_kinds(), reason="the plugin is installed")
def test_a_head_for_trees_says_what_to_install(hub_model):
    with pytest.raises(ConversionError, match="pip install polyhead-dependency"):
        load_foreign(hub_model, HUB / "heads" / "dependency")


@pytest.mark.skipif("dependency" not in registry().head_kinds(), reason="needs polyhead-dependency")
def test_a_head_for_trees_is_read_with_the_plugin(hub_model):
    added = load_foreign(hub_model, HUB / "heads" / "dependency")
    head = hub_model.heads[added.heads[0]]
    held = load_file(HUB / "heads" / "dependency" / "model_head.safetensors")
    assert torch.equal(head.arcs.weight, held["heads.h.biaffine_arcs.weight"])


def test_both_flavours_of_a_kind_hold_the_same():
    for kind in ("lora", "loreft", "noreft", "ia3"):
        found = []
        for flavour in ("bin", "safetensors"):
            model = DistilBertModelWithHeads.from_pretrained(HUB / "backbone")
            load_foreign(model, HUB / kind / flavour)
            found.append(model.adapters["a"].state_dict())
        assert found[0].keys() == found[1].keys()
        assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
