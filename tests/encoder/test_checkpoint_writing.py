"""An encoder's weights go back under the names they came from."""

import torch
from safetensors.torch import load_file

from polyhead.encoder import checkpoint_weights, load_checkpoint, load_encoder


def test_weights_are_those_of_the_checkpoint(save_distilbert):
    reference, folder = save_distilbert()
    found = checkpoint_weights(load_encoder(folder))
    expected = load_file(folder / "model.safetensors")
    assert found.keys() == expected.keys() == reference.state_dict().keys()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


def test_a_bert_becomes_a_distilbert(save_bert, transformers, tmp_path):
    reference, folder = save_bert()
    encoder = load_encoder(folder)
    config = {**encoder.config.to_dict(), "model_type": "distilbert"}
    model = transformers.DistilBertModel(transformers.DistilBertConfig.from_dict(config)).eval()
    model.load_state_dict(checkpoint_weights(encoder))
    ids = torch.tensor([[3, 5, 7]])
    with torch.no_grad():
        expected, found = reference(ids)[0], model(ids)[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_weights_beside_the_encoders_keep_their_names(save_distilbert, rewrite):
    _, folder = save_distilbert()
    assert not load_checkpoint(folder).others
    classifier = torch.ones(2, 32)
    checkpoint = load_checkpoint(rewrite(folder, lambda w: {**w, "classifier.weight": classifier}))
    assert not checkpoint.is_bert
    assert checkpoint.others.keys() == {"classifier.weight"}
    assert torch.equal(checkpoint.others["classifier.weight"], classifier)
