import pytest
import torch
from polyhead_dependency import (
    DependencyExample,
    DependencyHead,
    DependencyHeadConfig,
    DependencyPrediction,
)
from polyhead_dependency.words import NO_WORD, NOT_KNOWN

import polyhead as ph
from polyhead.testing import shaken, tiny_model, tiny_tokenizer

LABELS = ("det", "nsubj", "obj", "punct", "root")
SENTENCES = [
    DependencyExample(
        tokens=["Ada", "wrote", "programs", "."],
        heads=[2, 0, 2, 2],
        deprels=["nsubj", "root", "obj", "punct"],
    ),
    DependencyExample(tokens=["Go", "!"], heads=[0, 1], deprels=["root", "punct"]),
    DependencyExample(
        tokens=["the", "whale", "sings"], heads=[2, 3, 0], deprels=["det", "nsubj", "root"]
    ),
]
SMALL = {"labels": LABELS, "arc_width": 6, "relation_width": 4, "root_relation": "root"}


def a_model(seed=0, **fields):
    model = tiny_model()
    model.add_task(
        "parse", head=DependencyHeadConfig(**{**SMALL, **fields}), text=ph.TextSettings()
    )
    shaken(model.heads["parse"], seed)
    return model


def encoded_by(model, examples):
    return model.heads["parse"].encode(examples, model.text_tokenizer(model.task("parse")))


def output_for(model, encoded):
    ids = [torch.tensor([row.ids]) for item in encoded for row in item.rows]
    with torch.no_grad():
        return torch.cat([model(input_ids=one, head="parse").outputs["parse"] for one in ids])


def short(max_length, truncation="longest_first"):
    settings = ph.TextSettings(max_length=max_length, truncation=truncation)
    return tiny_tokenizer().with_settings(settings)


def test_parameters_start_small_and_have_short_names():
    torch.manual_seed(0)
    shape = tiny_model(width=64).shape
    config = DependencyHeadConfig(labels=LABELS, arc_width=32, relation_width=16, context=1)
    head = DependencyHead(config, shape)
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {
        "mix.weights": (4,),
        "mix.gain": (),
        "project.weight": (2 * 32 + 2 * 16, 3 * 64),
        "project.bias": (96,),
        "arcs.weight": (1, 33, 32),
        "relations.weight": (5, 17, 17),
    }
    for weight in (head.project.weight, head.arcs.weight, head.relations.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not head.project.bias.any()


def test_without_widths_the_hidden_states_are_read_themselves():
    model = tiny_model(width=16)
    config = DependencyHeadConfig(
        labels=LABELS, hidden="last", context=0, arc_width=0, relation_width=0
    )
    model.add_head("parse", config, adapter=None)
    out = model(input_ids=torch.tensor([[2, 9, 8, 3]]), head="parse")
    assert torch.equal(out.outputs["parse"], out.last_hidden_state[0])
    assert set(dict(model.heads["parse"].named_parameters())) == {"arcs.weight", "relations.weight"}


def test_scores_follow_the_written_formula():
    model = a_model(hidden="last", context=0, pooling="mean", activation="tanh")
    head = model.heads["parse"]
    [item] = encoded_by(model, SENTENCES[:1])
    [row] = item.rows
    states = model(input_ids=torch.tensor([row.ids]), head="parse").last_hidden_state[0]
    roles = torch.tanh(states @ head.project.weight.T + head.project.bias)
    tokens = [[0], *([t for t, w in enumerate(row.words) if w == word] for word in range(4))]
    assert max(map(len, tokens)) > 1
    nodes = torch.stack([roles[own].mean(dim=0) for own in tokens])
    one = torch.ones(1)
    [(arcs, relations)] = head.scores(output_for(model, [item]), [item])
    assert arcs.shape == (4, 5)
    assert relations.shape == (4, 5, 5)
    for word in range(4):
        for other in range(5):
            left, right = nodes[word + 1, :6], nodes[other, 6:12]
            arc = torch.cat([left, one]) @ head.arcs.weight[0] @ right
            torch.testing.assert_close(arcs[word, other], arc)
            left, right = nodes[word + 1, 12:16], nodes[other, 16:]
            for label in range(5):
                relation = (
                    torch.cat([left, one]) @ head.relations.weight[label] @ torch.cat([right, one])
                )
                torch.testing.assert_close(relations[word, other, label], relation)


def test_the_target_has_word_head_and_relation_of_each_token():
    model = a_model(pooling="mean")
    [item] = encoded_by(
        model, [DependencyExample(tokens=["oh", "model"], heads=[2, 0], deprels=["obj", "root"])]
    )
    assert item.rows[0].words == (-1, 0, 1, 1, 1, -1)
    assert item.target.tolist() == [
        [0, NOT_KNOWN, NOT_KNOWN],
        [1, 2, 2],
        [2, 0, 4],
        [2, 0, 4],
        [2, 0, 4],
        [NO_WORD, NOT_KNOWN, NOT_KNOWN],
    ]
    first = a_model(pooling="first")
    [item] = encoded_by(first, [item.example])
    assert item.target[:, 0].tolist() == [0, 1, 2, NO_WORD, NO_WORD, NO_WORD]


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_the_loss_is_that_of_true_arcs_and_of_their_relations(pooling):
    model = a_model(pooling=pooling)
    head = model.heads["parse"]
    encoded = encoded_by(model, SENTENCES)
    output = output_for(model, encoded)
    arc_losses, relation_losses = [], []
    for item, (arcs, relations) in zip(encoded, head.scores(output, encoded), strict=True):
        for word, (true, name) in enumerate(
            zip(item.example.heads, item.example.deprels, strict=True)
        ):
            arc_losses.append(-arcs[word].log_softmax(dim=0)[true])
            relation_losses.append(-relations[word, true].log_softmax(dim=0)[LABELS.index(name)])
    expected = torch.stack(arc_losses).mean() + torch.stack(relation_losses).mean()
    torch.testing.assert_close(head.loss(output, ph.targets_of(encoded)), expected)


def test_a_batch_that_teaches_nothing_has_no_loss():
    model = a_model()
    head = model.heads["parse"]
    targets = torch.full((4, 3), NOT_KNOWN)
    targets[0, 0], targets[1, 0] = 0, 1
    loss = head.loss(torch.zeros(4, 20, requires_grad=True), targets)
    loss.backward()
    assert loss.item() == 0


def test_a_head_that_was_cut_off_teaches_nothing():
    example = DependencyExample(
        tokens=["a", "b", "c"], heads=[3, 0, 2], deprels=["det", "root", "obj"]
    )
    head = a_model().heads["parse"]
    [item] = head.encode([example], short(4))
    assert item.rows[0].n_dropped == 1
    assert item.target.tolist() == [
        [0, NOT_KNOWN, NOT_KNOWN],
        [1, NOT_KNOWN, NOT_KNOWN],
        [2, 0, 4],
        [NO_WORD, NOT_KNOWN, NOT_KNOWN],
    ]


def test_words_that_did_not_fit_have_no_answer_and_are_counted():
    model = tiny_model()
    model.add_task("parse", head=DependencyHeadConfig(**SMALL), text=ph.TextSettings(max_length=5))
    [answer] = model.predict(["a b c d e"], task="parse")
    assert answer.words == ["a", "b", "c"]
    assert answer.n_unread == 2
    assert all(head <= 3 for head in answer.heads)


def test_a_sentence_that_is_too_long_is_refused_where_the_task_says_so():
    head = a_model().heads["parse"]
    sentences = [DependencyExample(text="a b"), DependencyExample(text="a b c")]
    with pytest.raises(ph.InputError, match=r"example 2: the text 'a b c' has 3 tokens and 2 fit"):
        head.encode(sentences, short(4, "refuse"))


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        ({"text": " \n"}, "example 2: the text has no words"),
        (
            {"tokens": ["a"], "heads": [0], "deprels": ["top"]},
            "example 2: the relation 'top' is unknown to this head; it has 5: det, nsubj,",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(example, reason):
    model = a_model()
    with pytest.raises(ph.InputError) as caught:
        encoded_by(model, [SENTENCES[0], DependencyExample(**example)])
    assert reason in str(caught.value)


def test_an_answer_is_the_tree_with_places_and_probabilities():
    model = a_model()
    [answer] = model.predict([{"text": "Ada  wrote it"}], task="parse")
    assert isinstance(answer, DependencyPrediction)
    assert answer.words == ["Ada", "wrote", "it"]
    assert list(zip(answer.starts, answer.ends, strict=True)) == [(0, 3), (5, 10), (11, 13)]
    assert answer.heads.count(0) == 1
    assert answer.n_unread == 0
    [item] = encoded_by(model, [DependencyExample(text="Ada  wrote it")])
    [(arcs, relations)] = model.heads["parse"].scores(output_for(model, [item]), [item])
    for word, (head, name, score) in enumerate(
        zip(answer.heads, answer.deprels, answer.scores, strict=True)
    ):
        shares = arcs[word].softmax(dim=0)[head] * relations[word, head].softmax(dim=0)
        assert score == pytest.approx(shares[LABELS.index(name)].item(), abs=1e-5)


def test_the_root_and_no_other_word_has_the_root_relation():
    for seed in range(5):
        for root_relation in ("root", "punct"):
            model = a_model(seed, root_relation=root_relation)
            for answer in model.predict(list(SENTENCES), task="parse"):
                pairs = zip(answer.heads, answer.deprels, strict=True)
                assert all((head == 0) is (name == root_relation) for head, name in pairs)
    free = a_model(0, root_relation=None).predict(list(SENTENCES), task="parse")
    assert any(
        (head == 0) is not (name == "root")
        for answer in free
        for head, name in zip(answer.heads, answer.deprels, strict=True)
    )


def test_one_relation_alone_is_that_of_root_and_words():
    model = a_model(labels=("dep",), root_relation="dep")
    [answer] = model.predict(["a b c"], task="parse")
    assert answer.deprels == ["dep"] * 3


@pytest.mark.parametrize("part", ["project.weight", "arcs.weight", "relations.weight"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_give_no_answer(part, value):
    model = a_model()
    with torch.no_grad():
        dict(model.heads["parse"].named_parameters())[part].view(-1)[1] = value
    with pytest.raises(ph.InputError, match="the scores of a sentence's arcs are not finite"):
        model.predict(["Ada wrote it"], task="parse")


def test_the_decoding_can_be_changed_and_is_saved(tmp_path):
    model = a_model(2)
    head = model.heads["parse"]
    text = "a b c d e f g h i j k l m n o p"
    [projective] = model.predict([text], task="parse")
    head.set_decoding("greedy")
    [greedy] = model.predict([text], task="parse")
    assert greedy.heads.count(0) != 1
    assert projective.heads.count(0) == 1
    model.save_task("parse", tmp_path / "parse")
    other = tiny_model()
    other.load_task(tmp_path / "parse")
    assert other.predict([text], task="parse") == [greedy]
    with pytest.raises(ph.ConfigError, match="'projective', 'nonprojective' or 'greedy'"):
        head.set_decoding("best")
    assert head.config.decoding == "greedy"


def test_dropout_acts_in_training_alone():
    model = a_model(dropout=0.5)
    [item] = encoded_by(model, SENTENCES[:1])
    assert torch.equal(output_for(model, [item]), output_for(model, [item]))
    model.heads["parse"].train()
    assert not torch.equal(output_for(model, [item]), output_for(model, [item]))


def labels_of(item):
    return item.target.unsqueeze(0)


def test_the_tensor_call_takes_targets_as_encode_makes_them():
    model = a_model()
    head = model.heads["parse"]
    encoded = encoded_by(model, SENTENCES)
    longest = max(item.n_tokens for item in encoded)
    ids = torch.zeros(3, longest, dtype=torch.long)
    mask = torch.zeros(3, longest, dtype=torch.long)
    labels = torch.full((3, longest, 3), 77)  # not read where there is no token
    for number, item in enumerate(encoded):
        ids[number, : item.n_tokens] = torch.tensor(item.rows[0].ids)
        mask[number, : item.n_tokens] = 1
        labels[number, : item.n_tokens] = item.target
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, head="parse", labels=labels)
        expected = head.loss(output_for(model, encoded), ph.targets_of(encoded))
    torch.testing.assert_close(out.loss, expected)
    assert out.logits.shape == (3, longest, 2 * 6 + 2 * 4)


def changed(place, values):
    labels = torch.tensor([[[0, -100, -100], [1, 2, 2], [2, 0, 4], [-100, -100, -100]]])
    labels[place] = torch.tensor(values)
    return labels


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (torch.zeros(1, 4, 2, dtype=torch.long), r"labels of shape \(1, 4, 2\) do not fit"),
        (torch.zeros(1, 4, 3), "labels must be whole numbers, not torch.float32"),
        (changed((0, 0, 0), 1), "must be 0 for the first, the root"),
        (changed((0, 2, 0), 3), "the words of a row's tokens must be"),
        (changed((0, 3, 0), 0), "the words of a row's tokens must be"),
        (changed((0, 1, 0), 2), "the words of a row's tokens must be"),
        (changed((0, 1, 1), 3), "the head 3 and relation 2 of a token are neither"),
        (changed((0, 1, 2), 5), "the head 2 and relation 5 of a token are neither"),
        (changed((0, 1, 1), -100), "the head -100 and relation 2 of a token are neither"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, reason):
    model = a_model()
    with pytest.raises(ph.InputError, match=reason):
        model(input_ids=torch.tensor([[2, 9, 8, 3]]), head="parse", labels=labels)


def test_sentences_of_any_length_share_a_batch():
    model = a_model()
    texts = ["a", "Ada wrote it", "a b " * 40, "Go home !"]
    together = model.predict(texts, task="parse")
    for text, answer in zip(texts, together, strict=True):
        [alone] = model.predict([text], task="parse")
        assert (alone.heads, alone.deprels) == (answer.heads, answer.deprels)
        assert alone.scores == pytest.approx(answer.scores, abs=1e-5)


def test_a_task_learns_is_saved_and_answers_the_same(tmp_path):
    model = tiny_model()
    config = DependencyHead.configure({**SMALL, "labels": None}, SENTENCES)
    torch.manual_seed(0)
    model.add_task("parse", head=config)
    settings = ph.TrainSettings(epochs=30, lr=0.02, warmup_ratio=0.0, batch_size=3)
    result = ph.Trainer(model, settings).fit("parse", SENTENCES, SENTENCES)
    assert result.best_metrics["las"] > 0.9
    assert list(result.best_metrics) == ["las", "uas"]
    questions = [list(sentence.tokens) for sentence in SENTENCES]
    before = model.predict([(words,) for words in questions], task="parse")
    model.save_task("parse", tmp_path / "parse")
    other = tiny_model()
    other.load_task(tmp_path / "parse")
    assert other.predict([(words,) for words in questions], task="parse") == before
