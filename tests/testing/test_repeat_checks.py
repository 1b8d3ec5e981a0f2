import random
import threading

import torch
from torch import nn
from torch.nn import functional

from polyhead.contracts import EmbeddingsTap

SEED = "test_its_first_weights_follow_from_the_seed"
TRAINING = "test_training_follows_from_the_seed"
AGAIN = "test_in_evaluation_it_computes_the_same_again"
BEHIND = "test_a_call_leaves_nothing_behind"
THREADS = "test_eight_threads_get_the_answers_of_one"


def test_weights_that_do_not_follow_from_the_seed_are_found(good_head, good_adapter, fails):
    class Head(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            nn.init.constant_(self.out.bias, random.random())  # noqa: S311

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            own = torch.Generator()
            own.seed()
            nn.init.normal_(self.ffn["0"].up.weight, generator=own)

    fails(Head, SEED, r"the first weights \['out.bias'\] of Head differ under one seed; draw them")
    fails(Adapter, SEED, r"the first weights \['ffn.0.up.weight'\] of Adapter differ")


def test_training_that_does_not_follow_from_the_seed_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            logits = super().forward(hidden)
            return logits * random.uniform(0.5, 1.5) if self.training else logits  # noqa: S311

    match = r"two training runs with one seed end with other weights \['out.weight', 'out.bias'\]"
    fails(Broken, TRAINING, match)


def test_it_cannot_be_trained_is_found(good_head, fails):
    class Broken(good_head):
        def draw(self, encoded, generator):
            raise ZeroDivisionError("no chance")

    fails(Broken, TRAINING, "Broken cannot be trained. It raised ZeroDivisionError: no chance")


def test_dropout_in_evaluation_is_found(good_head, good_adapter, fails):
    class Head(good_head):
        def forward(self, hidden):
            return functional.dropout(super().forward(hidden), 0.5)

    class Adapter(good_adapter):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            for site in self.ffn.values():
                site.forward = lambda output, residual, norm, packing: norm(
                    functional.dropout(output, 0.5) + residual
                )

    for broken in (Head, Adapter):
        match = rf"{broken.__name__} computes something else each time \(output\); what is random"
        fails(broken, AGAIN, match)


def test_what_a_call_leaves_on_the_module_is_found(good_head, fails):
    class Keeping(good_head):
        def forward(self, hidden):
            self.last = hidden
            return super().forward(hidden)

    class Counting(good_head):
        n_calls = 0

        def forward(self, hidden):
            self.n_calls += 1
            return super().forward(hidden)

    class Collecting(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.seen = []

        def encode(self, examples, tokenizer):
            self.seen.append(len(examples))
            return super().encode(examples, tokenizer)

    class Averaging(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.register_buffer("mean", torch.zeros(2))

        def decode(self, output, encoded):
            self.mean.mul_(0.9)
            return super().decode(output, encoded)

    changed = {Keeping: "last", Counting: "n_calls", Collecting: "seen", Averaging: "_buffers"}
    for broken, name in changed.items():
        match = rf"a call changes \['{name}'\] of {broken.__name__}. Pass what a call needs on as"
        fails(broken, BEHIND, match)


def test_what_a_call_leaves_on_a_tap_is_found(good_sites, fails):
    class Prompt(EmbeddingsTap):
        """It is no module, so that torch does not know what it holds."""

        def __init__(self, good):
            self.good = good
            self.packing = None

        def enter(self, embeddings, packing):
            self.packing = packing
            return self.good.enter(embeddings, packing)

        def leave(self, hidden, packing):
            return self.good.leave(hidden, packing)[0], self.packing

    class Broken(good_sites):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.plain = Prompt(self.prompt)

        def embeddings_tap(self):
            return self.plain

    match = (
        r"a call changes \['embeddings_tap\(\).packing'\] of Broken. Pass what a call needs on as"
    )
    fails(Broken, BEHIND, match)


def test_what_is_made_at_first_use_may_be_kept(good_head, check_head):
    class Lazy(good_head):
        def __init__(self, config, shape):
            super().__init__(config, shape)
            self.names = {}

        def decode(self, output, encoded):
            self.names.setdefault("first", self.config.labels)
            return super().decode(output, encoded)

    check_head(Lazy, BEHIND)


def test_state_shared_by_threads_is_found(good_head, fails):
    kept = {}

    class Broken(good_head):
        def forward(self, hidden):
            kept["logits"] = super().forward(hidden)
            return kept["logits"]

        def decode(self, output, encoded):
            wait_for_another_thread()
            return super().decode(kept["logits"][: len(encoded)], encoded)

    match = "Broken (answers something else|fails) when several threads ask"
    fails(Broken, THREADS, match)


def test_a_failure_in_a_thread_is_found(good_head, fails):
    class Broken(good_head):
        def decode(self, output, encoded):
            if threading.current_thread() is not threading.main_thread():
                raise RuntimeError("no event loop")
            return super().decode(output, encoded)

    match = "Broken fails when several threads ask; keep .* It raised RuntimeError: no event loop"
    fails(Broken, THREADS, match)


def wait_for_another_thread():
    """Gives way, so that what threads share is shared at the wrong moment."""
    event = threading.Event()
    threading.Thread(target=event.set).start()
    event.wait(timeout=60)


def test_good_classes_pass(good_head, good_adapters, check_head, check_adapter):
    for name in (SEED, TRAINING, AGAIN, BEHIND, THREADS):
        check_head(good_head, name)
        for adapter in good_adapters:
            check_adapter(adapter, name)
