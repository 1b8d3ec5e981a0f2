"""What the `adapters` library 1.3 computed with its own dependency parsing head."""

import json
from itertools import pairwise

import pytest
import torch
from polyhead_dependency import DependencyExample, DependencyHeadConfig
from safetensors.torch import load_file

import polyhead as ph

AS_THERE = {
    "hidden": "last",
    "pooling": "mean",
    "context": 0,
    "arc_width": 0,
    "relation_width": 0,
    "dropout": 0.1,
    "decoding": "greedy",
}
NAMES = {
    "heads.h.biaffine_arcs.weight": "arcs.weight",
    "heads.h.biaffine_rels.weight": "relations.weight",
}


def row_of(ids, starts):
    """A row whose words begin at `starts`, the last of which is the end of the last word."""
    words = [-1] * len(ids)
    for word, (start, stop) in enumerate(pairwise(starts)):
        words[start:stop] = [word] * (stop - start)
    return ph.Row(ids=tuple(ids), words=tuple(words))


@pytest.fixture(scope="module")
def expected(fixtures):
    return load_file(fixtures / "adapterhub" / "head" / "expected.safetensors")


@pytest.fixture(scope="module")
def model(fixtures):
    folder = fixtures / "adapterhub"
    labels = json.loads((folder / "head" / "head_config.json").read_text())["config"]["label2id"]
    model = ph.DistilBertModelWithHeads.from_pretrained(folder / "backbone")
    model.add_head("h", DependencyHeadConfig(labels=tuple(labels), **AS_THERE), adapter=None)
    tensors = load_file(folder / "head" / "model_head.safetensors")
    model.heads["h"].load_state_dict({NAMES[key]: tensor for key, tensor in tensors.items()})
    return model


@pytest.fixture(scope="module")
def encoded(expected):
    found = []
    for ids, mask, starts in zip(
        *(expected[name].tolist() for name in ("input_ids", "attention_mask", "word_starts")),
        strict=True,
    ):
        # the library takes a start at 0, the id of its padding, for no start
        row = row_of(ids[: sum(mask)], [start for start in starts if start > 0])
        sentence = DependencyExample(tokens=("x",) * (max(row.words) + 1))
        found.append(ph.Encoded(sentence, (row,)))
    return found


def test_the_head_of_the_adapters_library_gives_what_it_gave_there(model, expected, encoded):
    with torch.no_grad():
        out = model(
            input_ids=expected["input_ids"], attention_mask=expected["attention_mask"], head="h"
        )
    found = model.heads["h"].scores(out.outputs["h"], encoded)
    assert [len(arcs) for arcs, _ in found] == [3, 2, 1, 3]
    for number, (arcs, relations) in enumerate(found):
        n_words = len(arcs)
        place = (number, slice(n_words), slice(n_words + 1))
        torch.testing.assert_close(arcs, expected["arc_preds"][place], atol=1e-5, rtol=0)
        torch.testing.assert_close(relations, expected["rel_preds"][place], atol=1e-5, rtol=0)


def test_greedy_answers_are_the_best_of_those_scores(model, expected, encoded):
    with torch.no_grad():
        out = model(
            input_ids=expected["input_ids"], attention_mask=expected["attention_mask"], head="h"
        )
    answers = model.heads["h"].decode(out.outputs["h"], encoded)
    for number, answer in enumerate(answers):
        n_words = len(answer.words)
        arcs = expected["arc_preds"][number, :n_words, : n_words + 1]
        relations = expected["rel_preds"][number, torch.arange(n_words), arcs.argmax(dim=1)]
        assert answer.heads == arcs.argmax(dim=1).tolist()
        assert answer.deprels == [f"r{best}" for best in relations.argmax(dim=1).tolist()]
        shares = arcs.softmax(dim=1).amax(dim=1) * relations.softmax(dim=1).amax(dim=1)
        assert answer.scores == pytest.approx(shares.tolist(), abs=1e-5)
