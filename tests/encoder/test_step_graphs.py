"""Steps that are recorded and started again compute what they compute one by one."""

import copy
import pickle
import threading
from types import SimpleNamespace

import pytest
import torch

from polyhead.batch import Packed, Row
from polyhead.contracts import NO_TAPS, LayerStep, LayerTaps, Prefixes
from polyhead.encoder import DistilBertConfig, Encoder
from polyhead.encoder import encoder as encoder_module
from polyhead.encoder.step_graphs import _SITES
from polyhead.errors import ConfigError
from polyhead.routing.entry import STEP_OF_SITE

SIZES = {
    "vocab_size": 50,
    "max_position_embeddings": 300,
    "n_layers": 3,
    "n_heads": 2,
    "dim": 16,
    "hidden_dim": 24,
    "initializer_range": 0.2,
}
N_LAYERS = 3


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(DistilBertConfig(**SIZES))


def packed(*lengths):
    return Packed.of([Row(tuple((7 * n + k) % 50 for k in range(n))) for n in lengths])


BATCHES = [(1,), (3, 1, 4, 1, 5), (64,), (65,), (200,), (5,) * 20, (1,) * 64, (40, 2, 30), (96, 1)]


@pytest.mark.parametrize("lengths", BATCHES, ids=str)
@torch.inference_mode()
def test_answers_are_the_same_for_rows_of_any_length(encoder, replay_steps, lengths):
    known = encoder(packed(*lengths), keep_layers=True)
    recorder = replay_steps(encoder)
    for _ in range(2):  # as the steps are recorded, and as they are started again
        found = encoder(packed(*lengths), keep_layers=True)
        for one, other in zip(found.layers, known.layers, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    assert (recorder.runs, recorder.replays) == (N_LAYERS, 2 * N_LAYERS)


@torch.inference_mode()
def test_what_one_batch_was_answered_stays_when_another_is_computed(encoder, replay_steps):
    replay_steps(encoder)
    first = encoder(packed(9, 4), keep_layers=True)
    kept = [layer.clone() for layer in (first.last, *first.layers)]
    encoder(packed(4, 9))
    for layer, before in zip((first.last, *first.layers), kept, strict=True):
        assert torch.equal(layer, before)


@torch.inference_mode()
def test_a_smaller_batch_does_not_see_the_larger_one_before_it(encoder, replay_steps):
    known = encoder(packed(3, 2)).last
    replay_steps(encoder)
    encoder(packed(30, 30))
    torch.testing.assert_close(encoder(packed(3, 2)).last, known, atol=1e-5, rtol=0)
    assert len(encoder._graphs) == 1


@torch.inference_mode()
def test_nothing_is_recorded_for_no_token_and_for_too_many(encoder, replay_steps):
    recorder = replay_steps(encoder, max_tokens=10)
    assert encoder(packed()).last.shape == (0, 16)
    encoder(packed(6, 5))
    assert recorder.runs == 0
    encoder(packed(6, 4))
    assert recorder.runs == N_LAYERS


SITES = [site for sites in _SITES.values() for site in sites] + ["output"]


def tap_of(site):
    """Something that changes what the site computes."""
    if site in {"attention", "ffn"}:
        return lambda output, residual, norm, packing: norm(2 * output + residual)
    if site in {"inner", "output"}:
        return lambda values, packing: values * 1.5
    if site == "prefix":
        return lambda inputs, packing: Prefixes.shared(
            torch.ones(4, 2, 8), torch.ones(4, 2, 8), packing.n_rows
        )
    return lambda inputs, outputs, projection, packing: outputs * 1.5


@pytest.mark.parametrize("site", SITES)
@torch.inference_mode()
def test_taps_run_between_the_recorded_steps(encoder, replay_steps, site):
    taps = LayerTaps(**{site: tap_of(site)})

    def compute():
        return encoder(packed(3, 8, 1), lambda layer: taps if layer == 1 else NO_TAPS).last

    bare, known = encoder(packed(3, 8, 1)).last, compute()
    assert not torch.allclose(bare, known, atol=1e-3)
    recorder = replay_steps(encoder)
    for _ in range(2):
        torch.testing.assert_close(compute(), known, atol=1e-5, rtol=0)
    assert recorder.runs == N_LAYERS + (site == "attention")  # it divides its layer in two


@pytest.mark.parametrize("step", list(LayerStep))
@torch.inference_mode()
def test_rows_part_between_the_recorded_steps(encoder, replay_steps, step):
    forks = {(1, step): (0, 1, 1, 0, 2)}

    def compute():
        return encoder(packed(3, 8, 1), forks=forks, keep_layers=True)

    known = compute()
    replay_steps(encoder)
    for _ in range(2):
        for one, other in zip(compute().layers, known.layers, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_tap_that_returns_what_it_is_given_hands_out_no_shared_memory(encoder, replay_steps):
    replay_steps(encoder)
    taps = LayerTaps(ffn=lambda output, residual, norm, packing: output)
    first = encoder(packed(3, 8), lambda _: taps).last
    before = first.clone()
    encoder(packed(8, 3), lambda _: taps)
    assert torch.equal(first, before)


@torch.inference_mode()
def test_the_longest_unused_size_gives_way(encoder, replay_steps):
    recorder = replay_steps(encoder, max_buckets=2)
    for length in (10, 70, 10, 100):  # the second is unused for longest when the last comes
        encoder(packed(length))
    assert recorder.runs == 3 * N_LAYERS
    encoder(packed(10))
    assert recorder.runs == 3 * N_LAYERS
    encoder(packed(70))
    assert recorder.runs == 4 * N_LAYERS
    assert len(encoder._graphs) == 2


@torch.inference_mode()
def test_weights_that_move_are_read_where_they_are(encoder, replay_steps):
    recorder = replay_steps(encoder)
    encoder(packed(5))
    for weight in encoder.parameters():
        weight.data = weight.data * 1.5
    found = encoder(packed(5)).last
    assert recorder.runs == 2 * N_LAYERS
    encoder.release_graphs()
    torch.testing.assert_close(found, encoder(packed(5)).last, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_model_that_is_moved_frees_what_was_recorded(encoder, replay_steps):
    replay_steps(encoder)
    encoder(packed(5))
    assert len(encoder._graphs) == 1
    encoder.double()
    assert len(encoder._graphs) == 0
    assert encoder(packed(5)).last.dtype is torch.float64


@torch.inference_mode()
def test_many_threads_are_answered_as_one(encoder, replay_steps):
    batches = [packed(3, 8, 1), packed(8, 3), packed(2, 2, 2, 2), packed(70)]
    known = [encoder(batch).last for batch in batches]
    replay_steps(encoder)
    found = {}

    @torch.inference_mode()
    def answer(number):
        for _ in range(10):
            found[number] = encoder(batches[number]).last

    threads = [threading.Thread(target=answer, args=(n,)) for n in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, last in enumerate(known):
        torch.testing.assert_close(found[number], last, atol=1e-5, rtol=0)


def test_calls_with_a_graph_weights_or_masks_are_computed_step_by_step(encoder, replay_steps):
    recorder = replay_steps(encoder)
    encoder(packed(3))  # gradients could be asked for
    with torch.inference_mode():
        encoder(packed(3), keep_attentions=True)
        encoder(packed(3), head_mask=torch.tensor([1.0, 0.0]))
        encoder.unfreeze()
        encoder.eval()
        encoder(packed(3))
    assert recorder.runs == 0


@torch.inference_mode()
def test_other_attention_and_activations_of_ones_own_are_not_recorded(encoder, replay_steps):
    recorder = replay_steps(encoder)
    for name in ("sdpa", "eager"):
        encoder.set_attn_implementation(name)
        encoder(packed(3))
    own = Encoder(DistilBertConfig(**SIZES, activation=torch.tanh))
    replay_steps(own)
    own(packed(3))
    assert len(own._graphs) == recorder.runs == 0


@torch.inference_mode()
def test_on_a_cpu_nothing_is_recorded(encoder):
    known = encoder(packed(3, 4)).last
    encoder.capture_graphs()
    assert torch.equal(encoder(packed(3, 4)).last, known)
    assert len(encoder._graphs) == 0
    encoder.release_graphs()
    assert encoder._graphs is None


@pytest.mark.parametrize("fields", [{"max_buckets": 0}, {"max_tokens": 2.5}, {"max_tokens": True}])
def test_numbers_that_are_none_are_refused(encoder, fields):
    with pytest.raises(ConfigError, match="must be a whole number from 1"):
        encoder.capture_graphs(**fields)


@torch.inference_mode()
@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
def test_a_copy_records_its_own(encoder, again):
    encoder.capture_graphs(max_buckets=3, max_tokens=70)
    other = again(encoder)
    assert (other._graphs.max_buckets, other._graphs.max_tokens) == (3, 70)
    assert other._graphs is not encoder._graphs
    assert len(other._graphs) == 0


def test_every_site_belongs_to_the_step_before_which_rows_part_for_it():
    known = {site: step for step, sites in _SITES.items() for site in sites}
    assert known | {"output": LayerStep.OUTPUT} == dict(STEP_OF_SITE)


@pytest.mark.parametrize("lacking", [None, "GPU", "half", "no grad", "own types", "free stream"])
def test_steps_are_recorded_on_a_gpu_in_half_precision_without_gradients(monkeypatch, lacking):
    hidden = SimpleNamespace(
        is_cuda=lacking != "GPU", dtype=torch.float32 if lacking == "half" else torch.bfloat16
    )
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: lacking == "own types")
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: lacking == "free stream")
    with torch.set_grad_enabled(lacking == "no grad"):
        assert encoder_module._can_replay(hidden) == (lacking is None)
